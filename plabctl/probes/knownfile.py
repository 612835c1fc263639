"""The file of known host keys: read, added to, replaced as a whole, and locked meanwhile.

I/O. What its lines say stands in `plabctl.probes.hostkeys`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_WAIT_S = 10.0
_PAUSE_S = 0.02
_STALE_AFTER_S = 86_400.0
_PRIVATE = 0o600
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Taken(OSError):
    """Another process keeps the lock."""


class Unconfirmed(OSError):
    """The file was replaced, but the disk did not confirm that this will survive a power cut."""


def read(path: Path) -> list[str]:
    """Return the lines, none when there is no file; raise OSError."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def append(path: Path, lines: Sequence[str]) -> None:
    """Add `lines`, durably; the caller holds the lock. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _FLAGS, _PRIVATE)
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
    temp = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(6).hex()}")
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
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file in the block: a file beside it, because `replace` puts a new file in its place.

    Raises Taken, naming the holder, after LOCK_WAIT_S, and OSError when the lock file cannot be used.
    """
    import fcntl  # noqa: PLC0415 - only writing needs it

    lock = path.with_name(f"{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | _FLAGS, _PRIVATE)
    try:
        waited_s = 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited_s >= LOCK_WAIT_S:
                    raise Taken(f"{_holder(descriptor)} keeps '{lock}' locked: waited {waited_s:.0f} s") from None
            time.sleep(_PAUSE_S)
            waited_s += _PAUSE_S
        with suppress(OSError):  # only for diagnosis
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
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
    for left in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            if time.time() - left.lstat().st_mtime > _STALE_AFTER_S:
                left.unlink()
