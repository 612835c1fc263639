"""Write to the disk what a commit changes: a record at the end of the journal, or a new state file.

I/O. Both are durable before they return. The state file is replaced in this order: write a temporary file beside it,
make it durable, keep the present file as the previous generation, replace, make the names durable. Go on with
`plabctl.store.storage`.
"""

from __future__ import annotations

import errno
import os
from io import FileIO

from plabctl.errors import CommitUncertain
from plabctl.files.atomic import Unconfirmed, append_at, build_temp_name, remove, replace_file, write_new
from plabctl.files.private import as_store_error, build_store_error, open_private, sync_dir
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


def append_record(state_dir: str, dir_fd: int, name: str, offset: int, record: bytes, *, drops: bool) -> None:
    """Make `record` the end of the journal of that name, from `offset` on; the caller holds the lock of the state.

    With `drops`, there is a torn end, and that it is gone is made durable first: otherwise a power cut could leave
    parts of two records. Raises StoreError when nothing was changed, CommitUncertain when that is not known.
    """
    path = os.path.join(state_dir, name)
    try:
        append_at(name, offset, record, dir_fd=dir_fd, drops=drops)
    except Unconfirmed as error:
        raise CommitUncertain(
            f"'{path}': {error.strerror}",
            hint="look whether the change is in place, and check that disk: a power cut could make or undo it",
        ) from error
    except OSError as error:
        raise build_store_error("write", path, error) from error


def make_journal(state_dir: str, dir_fd: int, name: str, record: bytes) -> None:
    """Make a journal with its first record, durably, in place of one that a killed process left; raise StoreError."""
    with as_store_error("write", os.path.join(state_dir, name)):
        remove(name, dir_fd=dir_fd)
        write_new(name, record, dir_fd=dir_fd)
        sync_dir(dir_fd)


def confirm_names(state_dir: str, dir_fd: int) -> None:
    """Make durable what files are called, as another process may have died before it did; raise StoreError."""
    with as_store_error("sync", state_dir):
        sync_dir(dir_fd)


def confirm_journal(state_dir: str, dir_fd: int, name: str) -> None:
    """Make durable what a journal says, as another process may have died before it did; raise StoreError."""
    with as_store_error("sync", os.path.join(state_dir, name)):
        fd = open_private(name, os.O_RDONLY, dir_fd=dir_fd)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)


def _keep_previous(dir_fd: int) -> None:
    """Let the previous generation be the present file; readers see the one before until then, never none."""
    temp = build_temp_name("previous")
    try:
        keep_as(STATE_NAME, temp, dir_fd)
        os.replace(temp, PREVIOUS_NAME, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except FileNotFoundError:
        return  # the first commit of all: there is no present file
    finally:
        # A rename between two links of one file does nothing and leaves both: so after a crash in the last commit.
        remove(temp, dir_fd=dir_fd)


def keep_as(present: str, name: str, dir_fd: int) -> None:
    """Give a file a second name, or a copy where there are no hard links; raise OSError."""
    try:
        os.link(present, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        with FileIO(open_private(present, os.O_RDONLY, dir_fd=dir_fd)) as file:
            write_new(name, file.read(), dir_fd=dir_fd)
