"""Locks are seen without being taken, with the process that holds them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plabctl.core.surroundings import HeldLock, LockKind, LockReport
from plabctl.files import locks
from plabctl.files.private import open_private_dir
from plabctl.store.lock import lock_state
from plabctl.store.lock_report import read_lock_report
from plabctl.store.slots import Slots
from tests.lab.wait_until import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextmanager
def a_holder(state_dir: Path, mark: str = "") -> Iterator[int]:
    """A process that holds two of three slots."""
    program = (
        "import sys; from plabctl.store.slots import Slots\n"
        "slots = Slots(sys.argv[1], 3)\n"
        "for slot in slots.take(2):\n    slots.mark(slot, sys.argv[2]) if sys.argv[2] else None\n"
        "print(1, flush=True); input()"
    )
    argv = [sys.executable, "-c", program, str(state_dir), mark]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout
            holder.stdout.readline()
            yield holder.pid
        finally:
            holder.kill()


def slots_of(sight: LockReport) -> list[HeldLock]:
    return [lock for lock in sight.locks if lock.kind is LockKind.SLOT]


def test_where_there_is_nothing_nothing_is_seen_and_nothing_made(state_dir: Path) -> None:
    assert read_lock_report(state_dir, 100.0) == LockReport((), (), 100.0)
    assert not state_dir.exists()


def test_held_slots_are_seen_with_their_holder_its_state_and_its_mark(state_dir: Path) -> None:
    with a_holder(state_dir, "4711 123.5") as pid:
        assert [(lock.slot, lock.pid, lock.until_uptime_s) for lock in slots_of(read_lock_report(state_dir, 0.0))] == [
            (1, pid, 123.5),
            (2, pid, 123.5),
        ]
        os.kill(pid, signal.SIGSTOP)
        assert wait_until(lambda: {lock.process_state for lock in slots_of(read_lock_report(state_dir, 0.0))} == {"T"})
    assert slots_of(read_lock_report(state_dir, 0.0)) == []


@pytest.mark.parametrize("mark", ["", "nonsense", "12", "12 -", "x 5.0 y"])
def test_a_mark_that_says_nothing_is_no_obstacle(state_dir: Path, mark: str) -> None:
    with a_holder(state_dir, mark) as pid:
        assert [(lock.slot, lock.pid) for lock in slots_of(read_lock_report(state_dir, 0.0))] == [(1, pid), (2, pid)]


def test_the_kernel_is_asked_also_where_it_lists_no_locks(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PROC", "/nowhere")
    with a_holder(state_dir, "4711 123.5"):
        found = slots_of(read_lock_report(state_dir, 0.0))

    assert [(lock.slot, lock.pid, lock.foreign_pid) for lock in found] == [(1, None, 4711), (2, None, 4711)]


def test_an_older_plabctl_that_mirrors_no_lock_is_seen_too(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plabctl.store.slots.mirror", lambda _: None)
    slots = Slots(state_dir, 3)
    slots.take(2)

    assert [(lock.slot, lock.pid) for lock in slots_of(read_lock_report(state_dir, 0.0))] == [
        (1, os.getpid()),
        (2, os.getpid()),
    ]


def test_the_locks_of_the_state_and_of_the_turn_are_seen(state_dir: Path) -> None:
    Slots(state_dir, 1).take(1)
    dir_fd = open_private_dir(str(state_dir))
    with lock_state(str(state_dir), dir_fd, 1.0):
        seen = [lock for lock in read_lock_report(state_dir, 0.0).locks if lock.kind is LockKind.STATE]
        assert [(lock.pid, lock.marked_at is not None) for lock in seen] == [(os.getpid(), True)]
        (state_dir / "state.lock").unlink()
        seen = [lock for lock in read_lock_report(state_dir, 0.0).locks if lock.kind is LockKind.STATE]
        assert [lock.pid for lock in seen] == [os.getpid()], "the directory is locked as well"
    os.close(dir_fd)
    assert not [lock for lock in read_lock_report(state_dir, 0.0).locks if lock.kind is LockKind.STATE]


_LOOKER = """
import sys
from plabctl.store.lock_report import read_lock_report
print(1, flush=True)
while True:
    read_lock_report(sys.argv[1], 0.0)
"""


def test_who_looks_never_makes_a_slot_seem_taken(state_dir: Path) -> None:
    """With a shared lock for a moment, as a test of a `flock` needs, some of the takes would come back empty."""
    slots = Slots(state_dir, 2)
    slots.take(2)
    argv = [sys.executable, "-c", _LOOKER, str(state_dir)]
    lookers = [subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for looker in lookers:
            assert looker.stdout
            looker.stdout.readline()
        for _ in range(2000):
            slots.release(2)
            assert slots.take(1) == [2]
        assert [looker.poll() for looker in lookers] == [None] * 3
    finally:
        for looker in lookers:
            looker.kill()
            looker.communicate()
