"""The lock of the state: one writer at a time, over all processes, in the order in which they came.

I/O. Held for milliseconds, never while a node is talked to. Readers need none. Go on with `plabctl.store.store`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from plabctl.errors import StoreBusy
from plabctl.files.locks import is_same_file, mirror, read_holder, try_lock, unlock, wait_for_lock, write_holder
from plabctl.files.private import as_store_error, open_private
from plabctl.store.head import LOCK_NAME

MOST_TIMEOUTS = 6
"""How many time-outs a writer waits in all, while the lock goes from one process to the next before it."""
_PAUSE_S = 0.005
"""Between two tries where the kernel cannot wait for us."""
_LOOK_S = 0.1
"""How often a waiting process looks whether the lock has changed hands."""


@contextmanager
def lock_state(state_dir: str, dir_fd: int, timeout_s: float) -> Iterator[None]:
    """Hold the lock of the state in the block.

    `dir_fd` is the open state directory. `timeout_s` is for a holder that is stuck: StoreBusy, naming the holder, is
    raised when the lock has not changed hands for that long, and after MOST_TIMEOUTS times as long in any case.
    Raises StoreError when the lock file cannot be used.

    Two locks are taken: the lock file, where its holder can be named, and the directory itself. The directory's lock
    is what keeps two writers apart when somebody deletes the lock file between them.
    """
    path = os.path.join(state_dir, LOCK_NAME)
    with as_store_error("lock", path):
        fd = _acquire(path, dir_fd, timeout_s)
    try:
        mirror(fd)
        write_holder(fd)
        yield
    finally:
        unlock(dir_fd)
        os.close(fd)  # never deleted: a waiter may have it open already and would hold a lock on nothing


def _acquire(path: str, dir_fd: int, timeout_s: float) -> int:
    wait = _LockWait(path, timeout_s)
    while True:
        fd = open_private(path, os.O_RDWR | os.O_CREAT)
        try:
            # Between our opening and our locking somebody may have deleted the file; then a third process may hold the
            # lock of the file that is there now, and ours is worth nothing.
            if (try_lock(fd) or wait.queue(fd)) and is_same_file(fd, path):
                if try_lock(dir_fd):
                    return fd
                wait.pause()
            wait.check()
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


class _LockWait:
    """How long one writer still waits: the time starts over whenever another process gets the lock, within a bound."""

    def __init__(self, path: str, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._began = time.monotonic()
        self._holder = self._look()
        self._until = self._began + timeout_s
        self._last_moment = self._began + MOST_TIMEOUTS * timeout_s

    def queue(self, fd: int) -> bool:
        """Wait in the kernel's queue for the lock of `fd`; return whether we have it, False when the time is over.

        The kernel serves waiters in order of arrival, and waiting costs the holder nothing. A process that polls may be
        overtaken again and again.
        """
        # Imported here: a lock that is free needs no thread.
        import threading

        failures: list[OSError] = []

        def wait() -> None:
            # When we give up, `fd` is closed while this waits; the kernel then drops the lock the moment it grants it.
            try:
                wait_for_lock(fd)
            except OSError as error:
                failures.append(error)

        waiting = threading.Thread(target=wait, daemon=True)
        try:
            waiting.start()
        except RuntimeError:  # there is no thread to be had
            self.pause()
            return False
        while waiting.is_alive() and not self._is_over():
            waiting.join(_LOOK_S)
        if failures:
            raise failures[0]
        return not waiting.is_alive()

    def pause(self) -> None:
        """Let some time pass before the next try."""
        time.sleep(_PAUSE_S)

    def check(self) -> None:
        """Raise StoreBusy when the time is over."""
        if not self._is_over():
            return
        now = time.monotonic()
        if self._last_moment <= now < self._until:
            waited_s = round(now - self._began, 1)
            raise StoreBusy(
                f"the state is busy: waited {waited_s:g} s for '{self._path}' while others locked it in turn",
                hint="try again in a moment",
            )
        raise StoreBusy(
            f"the state is locked by {_find_holder(self._path)}: waited {self._timeout_s:g} s for '{self._path}'",
            hint="try again; if that process hangs, end it (the lock goes with it; do not delete the file)",
        )

    def _is_over(self) -> bool:
        now = time.monotonic()
        holder = self._look()
        if holder != self._holder:
            self._holder = holder
            self._until = now + self._timeout_s
        return now >= min(self._until, self._last_moment)

    def _look(self) -> tuple[int, int] | None:
        """Return what is different whenever the lock has changed hands: the holder writes its number into the file."""
        try:
            found = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


def _find_holder(path: str) -> str:
    try:
        fd = open_private(path, os.O_RDONLY)
    except OSError:
        return "another process"
    try:
        return read_holder(fd)
    finally:
        os.close(fd)
