"""Kernel locks on files: taking them, waiting for them, and seeing who holds them without taking any.

I/O. A lock is a `flock`: the kernel ends it with its holder, however that ends. To test one has to take it, and a tick
that claims at that moment would find the slot taken; if the one who tests is stopped just then, for ever. So readers
ask in two other ways, and believe either:

- `/proc/locks` lists each lock with the process that holds it. Everybody may read it, but it leaves out the processes
  of other PID namespaces (a container shows only its own), and some services see no `/proc/locks` at all.
- A process that takes one of our locks takes a record lock of the same file as well (`mirror`). The kernel says whether
  there is one (F_OFD_GETLK), whatever can be seen of its holder, and ends it together with the other.

Go on with `plabctl.store.lock` and `plabctl.store.slots`, which take locks, and with `plabctl.store.lock_report`, which
asks.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Mapping

from plabctl.contexts import suppress
from plabctl.files.private import as_store_error, open_private

PROC = "/proc"
_MARK_BYTES = 80
_RECORD_LOCK = fcntl.F_WRLCK.to_bytes(2, sys.byteorder) + bytes(30)
"""A `struct flock` of the whole file: what follows the type says where it begins and ends."""
Flocks = Mapping[int, Mapping[str, int]]
"""By the number of a file and the device that it is on, as `MAJOR:MINOR`: the process that has locked it."""


def try_lock(fd: int) -> bool:
    """Lock what `fd` has open, if no other descriptor has it locked; return whether that was so. Raise OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_locked(path: str) -> int | None:
    """Return a descriptor of the file at `path`, made if need be, which is locked until it is closed.

    Return None when another descriptor has it locked; raise StoreError when it cannot be opened, OSError as `try_lock`.
    """
    with as_store_error("lock", path):
        fd = open_private(path, os.O_RDWR | os.O_CREAT)
    if try_lock(fd):
        return fd
    os.close(fd)
    return None


def poll_lock(fd: int, timeout_s: float, pause_s: float) -> bool:
    """Try to lock what `fd` has open every `pause_s` seconds, for `timeout_s`; return whether it is locked now."""
    waited_s = 0.0
    while not try_lock(fd):
        if waited_s >= timeout_s:
            return False
        time.sleep(pause_s)
        waited_s += pause_s
    return True


def wait_for_lock(fd: int) -> None:
    """Lock what `fd` has open, in the kernel's queue of those who wait, for as long as that takes; raise OSError."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def unlock(fd: int) -> None:
    """Let go of the lock of `fd`, which stays open."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def is_locked(fd: int) -> bool:
    """Return whether another descriptor has the file locked, by locking it for a moment; raise OSError."""
    try:
        # Shared, so that two who look at the same moment do not take each other for a holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    unlock(fd)
    return False


def is_same_file(fd: int, path: str, *, dir_fd: int | None = None) -> bool:
    """Return whether `path` still leads to the file that `fd` has open: somebody may have deleted or replaced it."""
    try:
        there = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def write_holder(fd: int) -> None:
    """Write the number of this process into a lock file that it holds; only for diagnosis, so that no error matters."""
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def read_holder(fd: int) -> str:
    """Return `process N` for the process that wrote its number into a lock file, `another process` without one."""
    try:
        return f"process {int(os.pread(fd, 20, 0))}"
    except (OSError, ValueError):
        return "another process"


def mirror(fd: int) -> None:
    """Take a record lock beside the lock of `fd`, which shows others that it is held; `fd` must be open for writing."""
    with suppress(OSError):  # where the file system has no such locks, `/proc/locks` must do
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _RECORD_LOCK)


def is_mirrored(fd: int) -> bool:
    """Return whether the lock of the file that `fd` has open is held through another descriptor, by any process."""
    try:
        found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _RECORD_LOCK)
    except OSError:
        return False
    return int.from_bytes(found[:2], sys.byteorder) != fcntl.F_UNLCK


def read_flocks() -> Flocks:
    """Return all exclusive locks that this process can see; none where the kernel lists none."""
    try:
        with open(f"{PROC}/locks", "rb") as file:
            lines = file.read().decode("ascii", "replace").splitlines()
    except OSError:
        return {}
    found: dict[int, dict[str, int]] = {}
    for line in lines:
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, place, *_]:
                with suppress(ValueError):
                    device, _, inode = place.rpartition(":")
                    found.setdefault(int(inode), {})[device] = int(pid)
    return found


def find_flock_holder(flocks: Flocks, fd: int) -> int | None:
    """Return the process that has locked the file or directory that `fd` has open; None when none is seen."""
    there = os.fstat(fd)
    of_number = flocks.get(there.st_ino)
    if not of_number:
        return None
    own = f"{os.major(there.st_dev):02x}:{os.minor(there.st_dev):02x}"
    pid = of_number[own] if own in of_number else of_number.get(_find_mounted_device(fd), 0)
    return pid if pid > 0 else None


def _find_mounted_device(fd: int) -> str:
    """Return the device that the file system of `fd` has by the list of mounts; on btrfs `stat` gives another one."""
    with suppress(OSError, StopIteration, ValueError):
        with open(f"{PROC}/self/fdinfo/{fd}", encoding="ascii") as file:
            mount = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
        with open(f"{PROC}/self/mountinfo", "rb") as file:
            words = next(line.split() for line in file if line.startswith(mount.encode() + b" "))
        major, _, minor = words[2].decode("ascii").partition(":")
        return f"{int(major):02x}:{int(minor):02x}"
    return ""


def read_process_state(pid: int) -> str:
    """Return the state of a process as one letter, see proc(5): `T` is stopped; empty when it cannot be seen."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1].decode("ascii", "replace")
    except OSError:
        return ""


def write_mark(fd: int, text: str) -> None:
    """Write down in a lock file what its holder says of itself; only for diagnosis, so that no error matters."""
    # In one write of one length: nobody reads half of it.
    with suppress(OSError):
        os.pwrite(fd, f"{text:<{_MARK_BYTES - 1}}\n".encode("ascii", "replace"), 0)


def read_mark(fd: int) -> list[str]:
    """Return the words of the mark in a lock file, none when there is none that can be read."""
    try:
        return os.pread(fd, _MARK_BYTES, 0).decode("ascii", "replace").split()
    except OSError:
        return []
