"""The file of known host keys: read, added to, replaced as a whole, and locked meanwhile.

I/O. What its lines say stands in `plabctl.probes.host_keys`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from plabctl.errors import Untrusted
from plabctl.files import Opened, open_trusted

LOCK_WAIT_S = 10.0
_PAUSE_S = 0.02
_STALE_AFTER_S = 86_400.0
_PRIVATE = 0o600
_TEMP_PREFIX = "state.tmp-"
"""In the state directory, where the file is by default, the store takes away what is left of such a name."""
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class LockTaken(OSError):
    """Another process keeps the lock."""


class Unconfirmed(OSError):
    """The file was replaced, but the disk did not confirm that this will survive a power cut."""


def read(path: Path, owners: Collection[int] = ()) -> list[str]:
    """Return the lines, none when there is no file; raise OSError, also where others than `owners` could change it."""
    try:
        # It may be a link: several installations may share one file.
        opened = _open_trusted(path, os.O_RDONLY | os.O_NONBLOCK, owners)
    except FileNotFoundError:
        return []
    with open(opened.fd, encoding="utf-8", errors="replace") as file:
        _refuse_unless_regular(opened.status)
        return file.read().splitlines()


def _open_trusted(path: Path, flags: int, owners: Collection[int]) -> Opened:
    try:
        return open_trusted(str(path), flags, owners=owners)
    except Untrusted as error:
        raise OSError(errno.EPERM, str(error)) from error


def append(path: Path, lines: Sequence[str]) -> None:
    """Add `lines`, durably; the caller holds the lock. Raises OSError."""
    descriptor = _open_own(path, os.O_APPEND)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        _write(descriptor, ("\n" * torn + "".join(f"{line}\n" for line in lines)).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not size:
        _sync_dir(path.parent)


def replace(path: Path, lines: Sequence[str]) -> None:
    """Make `lines` all there is, so that a crash leaves the old or the new ones; the caller holds the lock.

    Raises OSError when nothing was changed, Unconfirmed when only the disk's confirmation is missing.
    """
    _sweep(path)
    temp = path.with_name(f"{_TEMP_PREFIX}{path.name}-{os.getpid()}-{os.urandom(6).hex()}")
    try:
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, _PRIVATE)
        try:
            _write(descriptor, "".join(f"{line}\n" for line in lines).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temp.replace(path)
    finally:
        with suppress(OSError):  # after the replace it is not there any more
            temp.unlink()
    try:
        _sync_dir(path.parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unconfirmed(error.errno, f"it was replaced, but the disk did not confirm it: {reason}") from error


@contextmanager
def lock(path: Path, owners: Collection[int] = ()) -> Iterator[None]:
    """Hold the lock of the file in the block: a file beside it, because `replace` puts a new file in its place.

    The folder that both are in must be root's, the current user's or that of `owners`.

    Raises Taken, naming the holder, after LOCK_WAIT_S, and OSError when the lock file cannot be used.
    """
    os.close(_open_trusted(path.parent, os.O_RDONLY, owners).fd)
    lock = path.with_name(f"{path.name}.lock")
    descriptor = _open_own(lock, 0)
    try:
        waited_s = 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited_s >= LOCK_WAIT_S:
                    raise LockTaken(
                        f"{_find_holder(descriptor)} keeps '{lock}' locked: waited {waited_s:.0f} s"
                    ) from None
            time.sleep(_PAUSE_S)
            waited_s += _PAUSE_S
        with suppress(OSError):  # only for diagnosis
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open_own(path: Path, flags: int) -> int:
    """Open a file to write in, made when it is missing; raise OSError for a link and for a file of several names."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags | _FLAGS, _PRIVATE)
    try:
        _refuse_unless_regular(os.fstat(descriptor), most_names=1)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_unless_regular(found: os.stat_result, most_names: int | None = None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if most_names is not None and found.st_nlink > most_names:
        raise OSError(errno.EMLINK, "it has another name as well (a hard link)")


def _find_holder(descriptor: int) -> str:
    try:
        return f"process {int(os.pread(descriptor, 20, 0))}"
    except (OSError, ValueError):
        return "another process"


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_dir(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Delete what killed processes left beside the file more than a day ago; failures do not matter."""
    for left in path.parent.glob(f"{_TEMP_PREFIX}{path.name}-*"):
        with suppress(OSError):
            if time.time() - left.lstat().st_mtime > _STALE_AFTER_S:
                left.unlink()
