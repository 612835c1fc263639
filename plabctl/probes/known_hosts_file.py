"""The file of known host keys: read, replaced as a whole, and locked meanwhile.

I/O. What its lines say stands in `plabctl.probes.host_keys`.
Tests: `tests/probes/test_host_keys.py`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from plabctl.errors import Untrusted
from plabctl.files.atomic import replace_file, sweep
from plabctl.files.locks import poll_lock, read_holder, write_holder
from plabctl.files.private import open_private
from plabctl.files.trusted import Opened, open_trusted

LOCK_WAIT_S = 10.0
_PAUSE_S = 0.02


class LockTaken(OSError):
    """Another process keeps the lock."""


def read(path: Path, owners: Collection[int] = (), *, missing_ok: bool = True) -> list[str]:
    """Return the lines; raise OSError, also where others than `owners` could change it.

    With `missing_ok` there are no lines where there is no file.
    """
    try:
        # It may be a link: several installations may share one file.
        opened = _open_trusted(path, owners, file_only=True)
    except FileNotFoundError:
        if not missing_ok:
            raise
        return []
    with open(opened.fd, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def _open_trusted(path: Path, owners: Collection[int], *, file_only: bool = False) -> Opened:
    try:
        return open_trusted(str(path), owners=owners, file_only=file_only)
    except Untrusted as error:
        raise OSError(errno.EPERM, str(error)) from error


def replace(path: Path, lines: Sequence[str]) -> None:
    """Replace the content by `lines`, so that a crash leaves the old or the new ones; the caller holds the lock.

    Raises OSError when nothing was changed, `Unconfirmed` when only the disk's confirmation is missing.
    """
    sweep(str(path.parent), path.name)
    replace_file(str(path), "".join(f"{line}\n" for line in lines).encode(), purpose=path.name)


@contextmanager
def lock(path: Path, owners: Collection[int] = ()) -> Iterator[None]:
    """Hold the lock of the file in the block: a file beside it, because `replace` puts a new file in its place.

    The folder that both are in must be root's, the current user's or that of `owners`.

    Raises LockTaken, naming the holder, after LOCK_WAIT_S, and OSError when the lock file cannot be used.
    """
    os.close(_open_trusted(path.parent, owners).fd)
    lock = f"{path}.lock"
    descriptor = open_private(lock, os.O_RDWR | os.O_CREAT)
    try:
        if not poll_lock(descriptor, LOCK_WAIT_S, _PAUSE_S):
            raise LockTaken(f"{read_holder(descriptor)} keeps '{lock}' locked: waited {LOCK_WAIT_S:.0f} s")
        write_holder(descriptor)
        yield
    finally:
        os.close(descriptor)
