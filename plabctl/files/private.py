"""The files of the state directory: nobody else may have them, no planted link is followed, no umask matters.

I/O. The state, its locks, the history and the known host keys are opened here. Errors are an OSError, or with
`as_store_error` a `StoreError` that says in words what was tried and what to do. Go on with `plabctl.files.atomic` for
how such a file is replaced, and with `plabctl.files.locks` for how it is locked.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from io import FileIO

from plabctl.contexts import contextmanager, suppress
from plabctl.errors import StoreError, Untrusted
from plabctl.files.trusted import PLANTED_HINT, PlantedFile, open_trusted, refuse_planted_file, user_name

PRIVATE_FILE = 0o600
PRIVATE_DIR = 0o700
_OTHERS_MAY_WRITE = 0o022
_WRITING = os.O_WRONLY | os.O_RDWR
_READ_DIR = os.O_RDONLY | os.O_DIRECTORY
_SEE_DIR = os.O_PATH | os.O_DIRECTORY

_HINTS: dict[int | None, str] = {
    errno.EACCES: "run plabctl as the user that owns the state directory",
    errno.EPERM: "run plabctl as the user that owns the state directory",
    errno.EROFS: "mount the file system read-write, or set another `state_dir`",
    errno.ENOSPC: "free some space on that file system; nothing was changed",
    errno.EDQUOT: "free some space within the quota; nothing was changed",
    errno.EFBIG: "raise the limit on file sizes (`ulimit -f`); nothing was changed",
    errno.EIO: "check that disk (`dmesg`) before anything else; nothing was changed",
    errno.EINVAL: "set `state_dir` to a local disk: this file system cannot do that; nothing was changed",
    errno.EOPNOTSUPP: "set `state_dir` to a local disk: this file system cannot do that; nothing was changed",
    errno.ELOOP: "a symbolic link is there, which is not followed: find out who put it there, then remove it",
    errno.ENOTDIR: "set `state_dir` to a directory",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
    errno.ENOMEM: "raise the limit on memory (`ulimit -v`), or close some programs; nothing was changed",
    errno.ENFILE: "close some programs: the machine has no file descriptors left",
}


def build_store_error(doing: str, path: str, error: OSError) -> StoreError:
    """Return the error to raise when the system refused: `doing` is a verb, such as `write`."""
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, PlantedFile):
        return StoreError(f"'{error.filename}' is not used: {reason}", hint=PLANTED_HINT)
    return StoreError(f"cannot {doing} '{path}': {reason}", hint=_HINTS.get(error.errno, ""))


@contextmanager
def as_store_error(doing: str, path: str) -> Iterator[None]:
    """Turn an OSError of the block into a StoreError that names the file at `path` and what was tried."""
    try:
        yield
    except OSError as error:
        raise build_store_error(doing, path, error) from error


def open_for_reading(path: str) -> FileIO | None:
    """Open a regular file, unbuffered, and return it; None when there is none; raise StoreError when that fails."""
    try:
        return FileIO(open_private(path, os.O_RDONLY))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise build_store_error("read", path, error) from error


def open_private(path: str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a regular file and return its descriptor; one that is new is made 0600, whatever the umask.

    `flags` says how, for instance `os.O_RDWR | os.O_CREAT`. With `dir_fd`, `path` is a name in that directory. Raise
    PlantedFile when it is no regular file, or has another name and is to be written; or another OSError.
    """
    # O_NONBLOCK: a FIFO planted there must not keep us waiting for its other end.
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, PRIVATE_FILE, dir_fd=dir_fd)
    try:
        found = os.fstat(fd)
        refuse_planted_file(found, path, single_name=bool(flags & _WRITING))
        if flags & os.O_CREAT and stat.S_IMODE(found.st_mode) != PRIVATE_FILE:
            os.fchmod(fd, PRIVATE_FILE)
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_private_dir(path: str, owners: Collection[int] = (), known: os.stat_result | None = None) -> int:
    """Open the state directory for writing in it, made 0700 when it is missing; return its descriptor.

    Folders and links that lead to it may belong to `owners` (user ids) too. `known` is as for `refuse_moved_dir`.
    Raises StoreError when it is another one, when it cannot be made or opened, when others could write in it, or when
    they could make its name lead to another directory: they could change the state under us, or have us write where we
    should not.
    """
    try:
        with as_store_error("open the state directory", path):
            try:
                opened = open_trusted(path, _READ_DIR, owners=owners)
            except FileNotFoundError:  # what there is of the way was found to be trusted
                refuse_moved_dir(path, known, None)
                _make_dir(path)
                opened = open_trusted(path, _READ_DIR, owners=owners)
    except Untrusted as error:
        raise _build_untrusted_error(path, error) from error
    try:
        refuse_moved_dir(path, known, opened.status)
        _refuse_unless_ours(opened.status, path)
    except BaseException:
        os.close(opened.fd)
        raise
    return opened.fd


def refuse_planted_dir(path: str, owners: Collection[int] = ()) -> os.stat_result | None:
    """Return what the directory at `path` is, None when it is missing or cannot be opened.

    Raise StoreError when somebody else could have it read in place of the one that is meant. `owners` are as for
    `open_private_dir`. The directory itself may belong to another user where its parent is not open to all: root looks
    at the state of a plabctl that runs as a user of its own.
    """
    try:
        opened = open_trusted(path, _SEE_DIR, owners=owners)
    except Untrusted as error:
        raise _build_untrusted_error(path, error) from error
    except OSError:  # reported by what reads the files in it
        return None
    try:
        owner = opened.status.st_uid
        if os.lstat(os.path.dirname(opened.path)).st_mode & stat.S_IWOTH and owner not in {0, os.geteuid(), *owners}:
            raise _build_untrusted_error(path, Untrusted(f"it belongs to {user_name(owner)}"))
        if opened.status.st_mode & stat.S_IWOTH:
            raise StoreError(f"other users may write in the state directory '{path}'", hint=f"run: chmod go-w '{path}'")
        return opened.status
    finally:
        os.close(opened.fd)


def refuse_moved_dir(path: str, known: os.stat_result | None, found: os.stat_result | None) -> None:
    """Raise StoreError when the directory at `path` was `known` and is now `found`, another one or none."""
    if known and not (found and os.path.samestat(known, found)):
        what = f"the state directory '{path}' was moved or replaced since this command first used it"
        raise StoreError(what, hint="nothing was written there; run it again")


def _build_untrusted_error(path: str, error: Untrusted) -> StoreError:
    hint = error.hint or "remove what somebody else put there, or set `state_dir` to another place"
    return StoreError(f"the state directory '{path}' is not used: {error}", hint=hint)


def _make_dir(path: str) -> None:
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        _make_dir(parent)
    with suppress(FileExistsError):  # another process made it just now, the same way
        os.mkdir(path, PRIVATE_DIR)
        os.chmod(path, PRIVATE_DIR)  # the umask may have taken away what we need ourselves
        sync_dir(parent)


def sync_dir(folder: str | int) -> None:
    """Make the names in a directory durable, a path or an open one; raise OSError when the disk does not confirm it."""
    if isinstance(folder, int):
        os.fsync(folder)
        return
    fd = os.open(folder, _READ_DIR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _refuse_unless_ours(found: os.stat_result, path: str) -> None:
    if found.st_uid != os.geteuid():
        # Also for root: files made by root in another user's directory would lock that user's ticks out.
        owner = user_name(found.st_uid)
        raise StoreError(f"the state directory '{path}' belongs to {owner}", hint=f"run plabctl as {owner}")
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise StoreError(f"other users may write in the state directory '{path}'", hint=f"run: chmod go-w '{path}'")
