"""Replace the state file so that a crash at any moment leaves the old or the new one, whole.

I/O. In this order: write a temporary file beside it, make it durable, keep the present file as the previous
generation, replace, make the names durable, and only then return. Go on with `plabctl.store.storage`.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from io import FileIO

from plabctl.errors import CommitUncertain
from plabctl.store.files import build_store_error, open_own, write_all
from plabctl.store.head import PREVIOUS_NAME, STATE_NAME

_TEMP_PREFIX = "state.tmp-"
_STALE_AFTER_S = 86_400.0
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def replace_state(state_dir: str, dir_fd: int, *parts: bytes | memoryview, keep_previous: bool = True) -> None:
    """Make `parts` the content of the state file; the caller holds the lock of the state.

    Raises StoreError when nothing was changed, CommitUncertain when the new state is in place but the disk did not
    confirm that it will survive a power cut.
    """
    path = os.path.join(state_dir, STATE_NAME)
    temp = f"{_TEMP_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
    try:
        _write_durably(temp, dir_fd, parts)
        if keep_previous:
            _keep_previous(temp + "-previous", dir_fd)
        os.replace(temp, STATE_NAME, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except OSError as error:
        raise build_store_error("write", path, error) from error
    finally:
        with suppress(OSError):  # after the replace it is not there any more
            os.unlink(temp, dir_fd=dir_fd)
    try:
        os.fsync(dir_fd)
    except OSError as error:
        raise CommitUncertain(
            f"'{path}' was replaced, but the disk did not confirm it: {(error.strerror or str(error)).lower()}",
            hint="the change is in place now; check that disk: a power cut could take the change back",
        ) from error


def _write_durably(name: str, dir_fd: int, parts: tuple[bytes | memoryview, ...]) -> None:
    fd = open_own(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=dir_fd)
    try:
        write_all(fd, *parts)
        os.fsync(fd)
    finally:
        os.close(fd)


def _keep_previous(temp: str, dir_fd: int) -> None:
    """Let the previous generation be the present file; readers see the one before until then, never none."""
    try:
        keep_as(temp, dir_fd)
        os.replace(temp, PREVIOUS_NAME, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except FileNotFoundError:
        return  # the first commit of all: there is no present file
    finally:
        # A rename between two links of one file does nothing and leaves both: so after a crash in the last commit.
        with suppress(OSError):
            os.unlink(temp, dir_fd=dir_fd)


def keep_as(name: str, dir_fd: int) -> None:
    """Give the present state file a second name, or a copy where there are no hard links; raise OSError."""
    try:
        os.link(STATE_NAME, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _copy_durably(name, dir_fd)


def _copy_durably(name: str, dir_fd: int) -> None:
    with FileIO(open_own(STATE_NAME, os.O_RDONLY, dir_fd=dir_fd)) as file:
        _write_durably(name, dir_fd, (file.read(),))


def sweep(dir_fd: int) -> None:
    """Delete the temporary files that killed processes left more than a day ago; failures do not matter."""
    with suppress(OSError), os.scandir(dir_fd) as entries:
        for entry in entries:
            # By the file's own time and the system's clock: nothing of plabctl's idea of time decides about deletion.
            if entry.name.startswith(_TEMP_PREFIX) and _is_stale(entry.stat(follow_symlinks=False)):
                with suppress(OSError):
                    os.unlink(entry.name, dir_fd=dir_fd)


def _is_stale(found: os.stat_result) -> bool:
    return time.time() - found.st_mtime > _STALE_AFTER_S
