"""The lock of the state: one writer at a time, over all processes.

I/O. Held for milliseconds, never while a node is talked to. Readers need none. Go on with `plabctl.store.store`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from plabctl.errors import StoreBusy
from plabctl.store.files import as_store_error, is_same_file, open_own

LOCK_NAME = "state.lock"
_PAUSE_S = 0.005
"""Short against the 10 s that are waited at most; long against what a try costs, as many may wait at once."""


@contextmanager
def state_lock(state_dir: str, dir_fd: int, timeout_s: float) -> Iterator[None]:
    """Hold the lock of the state in the block.

    `dir_fd` is the open state directory. Raises StoreBusy, naming the holder, after some `timeout_s` of waiting, and
    StoreError when the lock file cannot be used.

    Two locks are taken: the lock file, where its holder can be named, and the directory itself. The directory's lock
    is what keeps two writers apart when somebody deletes the lock file between them.
    """
    path = os.path.join(state_dir, LOCK_NAME)
    with as_store_error("lock", path):
        fd = _wait_for_lock(path, dir_fd, timeout_s)
    try:
        with suppress(OSError):  # only for diagnosis: a full disk must not keep us from locking
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        fcntl.flock(dir_fd, fcntl.LOCK_UN)
        os.close(fd)  # never deleted: a waiter may have it open already and would hold a lock on nothing


def _wait_for_lock(path: str, dir_fd: int, timeout_s: float) -> int:
    # Waiting is counted in pauses, not by a clock, so that it ends also where the clock is a test's.
    waited_s = 0.0
    while (fd := _try_lock(path, dir_fd)) is None:
        if waited_s >= timeout_s:
            raise StoreBusy(
                f"the state is locked by {_holder(path)}: waited {timeout_s:g} s for '{path}'",
                hint="try again; if that process hangs, end it (the lock goes with it; do not delete the file)",
            )
        time.sleep(_PAUSE_S)
        waited_s += _PAUSE_S
    return fd


def _try_lock(path: str, dir_fd: int) -> int | None:
    fd = open_own(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between our opening and our locking somebody may have deleted the file; then a third process may hold the
        # lock of the file that is there now, and ours is worth nothing.
        if is_same_file(fd, path):
            fcntl.flock(dir_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _holder(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return f"process {int(file.read(20))}"
    except (OSError, ValueError):
        return "another process"
