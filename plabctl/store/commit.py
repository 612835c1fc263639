"""Replace the state file, and keep the one before as the previous generation.

I/O. In this order: write a temporary file beside it, make it durable, keep the present file as the previous
generation, replace, make the names durable, and only then return. Go on with `plabctl.store.storage`.
"""

from __future__ import annotations

import errno
import os
from io import FileIO

from plabctl.errors import CommitUncertain
from plabctl.files.atomic import Unconfirmed, build_temp_name, remove, replace_file, write_new
from plabctl.files.private import build_store_error, open_private
from plabctl.store.head import PREVIOUS_NAME, STATE_NAME

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def replace_state(state_dir: str, dir_fd: int, *parts: bytes | memoryview, keep_previous: bool = True) -> None:
    """Make `parts` the content of the state file; the caller holds the lock of the state.

    Raises StoreError when nothing was changed, CommitUncertain when the new state is in place but the disk did not
    confirm that it will survive a power cut.
    """
    path = os.path.join(state_dir, STATE_NAME)

    def keep() -> None:
        if keep_previous:
            _keep_previous(dir_fd)

    try:
        replace_file(STATE_NAME, *parts, dir_fd=dir_fd, before=keep)
    except Unconfirmed as error:
        raise CommitUncertain(
            f"'{path}': {error.strerror}",
            hint="the change is in place now; check that disk: a power cut could take the change back",
        ) from error
    except OSError as error:
        raise build_store_error("write", path, error) from error


def _keep_previous(dir_fd: int) -> None:
    """Let the previous generation be the present file; readers see the one before until then, never none."""
    temp = build_temp_name("previous")
    try:
        keep_as(temp, dir_fd)
        os.replace(temp, PREVIOUS_NAME, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except FileNotFoundError:
        return  # the first commit of all: there is no present file
    finally:
        # A rename between two links of one file does nothing and leaves both: so after a crash in the last commit.
        remove(temp, dir_fd=dir_fd)


def keep_as(name: str, dir_fd: int) -> None:
    """Give the present state file a second name, or a copy where there are no hard links; raise OSError."""
    try:
        os.link(STATE_NAME, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        with FileIO(open_private(STATE_NAME, os.O_RDONLY, dir_fd=dir_fd)) as file:
            write_new(name, file.read(), dir_fd=dir_fd)
