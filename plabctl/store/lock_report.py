"""What can be seen of the processes at work in a state directory: the locks they hold, and the ticks that run.

I/O, which takes no lock, so that nobody who claims or commits is disturbed; see `plabctl.files.locks` for how. What it
means is judged in `plabctl.core.stuck`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from plabctl.clock import read_boot_id
from plabctl.contexts import suppress
from plabctl.core.surroundings import HeldLock, LockKind, LockReport, TickTrace, parse_trace
from plabctl.errors import StoreError
from plabctl.files.locks import (
    Flocks,
    find_flock_holder,
    is_mirrored,
    read_flocks,
    read_mark,
    read_process_state,
)
from plabctl.files.private import as_store_error, open_private
from plabctl.store.head import LOCK_NAME, SLOTS_NAME, TICKS_NAME


def read_lock_report(state_dir: os.PathLike[str] | str, uptime_s: float, known_hosts: str = "") -> LockReport:
    """Return what is held and what runs now, `uptime_s` after the boot; raise StoreError when it cannot be seen.

    `known_hosts` is the path of the file of host keys, whose lock is looked at too.
    """
    folder = os.fspath(state_dir)
    flocks = read_flocks()
    with as_store_error("look for locks in", folder):
        _refuse_link(os.path.join(folder, SLOTS_NAME))
        locks = [
            *_list_state_locks(folder, flocks),
            *_list_slot_locks(folder, flocks),
            *_list_turn_lock(folder, flocks),
        ]
        for name in _list_names(folder, _is_delivery_lock):
            locks += _list_other_lock(os.path.join(folder, name), LockKind.DELIVERY, flocks)
        if known_hosts:
            locks += _list_other_lock(f"{known_hosts}.lock", LockKind.HOST_KEYS, flocks)
        return LockReport(tuple(locks), tuple(_list_ticks(folder, flocks)), uptime_s)


def _list_state_locks(folder: str, flocks: Flocks) -> Iterator[HeldLock]:
    for fd, is_held, pid in _open_lock_file(os.path.join(folder, LOCK_NAME), flocks):
        if is_held:
            words = read_mark(fd)
            foreign = int(words[0]) if pid is None and words and words[0].isdecimal() else None
            yield _build_held_lock(LockKind.STATE, pid, marked_at=os.fstat(fd).st_mtime, foreign_pid=foreign)
            return
    # Somebody may have deleted the lock file under its holder.
    yield from (_build_held_lock(LockKind.STATE, pid) for pid in _find_directory_holder(folder, flocks))


def _list_slot_locks(folder: str, flocks: Flocks) -> Iterator[HeldLock]:
    for name in _list_names(os.path.join(folder, SLOTS_NAME), str.isdecimal):
        for fd, is_held, pid in _open_lock_file(os.path.join(folder, SLOTS_NAME, name), flocks):
            if is_held:
                yield _build_slot_lock(int(name), pid, read_mark(fd), os.fstat(fd).st_mtime)


def _build_slot_lock(slot: int, pid: int | None, words: list[str], marked_at: float) -> HeldLock:
    foreign = until = None
    try:
        foreign = int(words[0]) if pid is None else None
        until = float(words[1])
    except (ValueError, IndexError):  # taken a moment ago, or by a plabctl that writes nothing there
        pass
    return _build_held_lock(
        LockKind.SLOT, pid, slot=slot, marked_at=marked_at, until_uptime_s=until, foreign_pid=foreign
    )


def _build_held_lock(
    kind: LockKind,
    pid: int | None,
    *,
    slot: int = 0,
    marked_at: float | None = None,
    until_uptime_s: float | None = None,
    foreign_pid: int | None = None,
) -> HeldLock:
    state = "" if pid is None else read_process_state(pid)
    at = None if marked_at is None else round(marked_at, 3)
    return HeldLock(kind, pid, state, slot, at, until_uptime_s, foreign_pid)


def _list_turn_lock(folder: str, flocks: Flocks) -> Iterator[HeldLock]:
    slots = os.path.join(folder, SLOTS_NAME)
    yield from (_build_held_lock(LockKind.TURN, pid) for pid in _find_directory_holder(slots, flocks))


def _list_other_lock(path: str, kind: LockKind, flocks: Flocks) -> Iterator[HeldLock]:
    for fd, is_held, pid in _open_lock_file(path, flocks):
        if is_held:
            yield _build_held_lock(kind, pid, marked_at=os.fstat(fd).st_mtime)


def _list_ticks(folder: str, flocks: Flocks) -> Iterator[TickTrace]:
    boot = read_boot_id()
    for name in _list_names(os.path.join(folder, TICKS_NAME), str.isdecimal):
        # What is no file of ours keeps a tick from being entered, and nobody from seeing the others.
        with suppress(OSError, StoreError):
            for fd, is_held, _ in _open_lock_file(os.path.join(folder, TICKS_NAME, name), flocks):
                trace = parse_trace(read_mark(fd), boot, is_running=is_held)
                if trace:
                    yield trace


def _refuse_link(path: str) -> None:
    """Raise OSError when there is anything but a directory: no tick takes slots there, whatever can be seen in it."""
    with suppress(FileNotFoundError):
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))


def _is_delivery_lock(name: str) -> bool:
    """Return whether it is the name of the lock of the outbox, or of that of a sink."""
    stem, dash, number = name.removesuffix(".lock").partition("-")
    return name.endswith(".lock") and stem == "deliver" and (number.isdecimal() or not dash)


def _list_names(path: str, accepts: Callable[[str], bool]) -> list[str]:
    try:
        return sorted(filter(accepts, os.listdir(path)))
    except FileNotFoundError:
        return []


def _open_lock_file(path: str, flocks: Flocks) -> Iterator[tuple[int, bool, int | None]]:
    """Yield the open lock file, whether it is locked, and by which process if that can be seen; nothing without it."""
    try:
        fd = open_private(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        pid = find_flock_holder(flocks, fd)
        yield fd, pid is not None or is_mirrored(fd), pid
    finally:
        os.close(fd)


def _find_directory_holder(path: str, flocks: Flocks) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        pid = find_flock_holder(flocks, fd)
    finally:
        os.close(fd)
    if pid is not None:
        yield pid
