"""Write files so that a crash at any moment leaves the old or the new one, whole.

I/O. `replace_file` writes a temporary file beside the one it replaces, makes it durable, gives it the name, and makes
the name durable, before it returns. Go on with `plabctl.store.commit`, which replaces the state this way.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress

from plabctl.files.private import open_private, sync_dir

TEMP_PREFIX = "state.tmp-"
"""How the names of temporary files begin, whatever they are for: the store sweeps them out of the state directory."""
_STALE_AFTER_S = 86_400.0
_NEW = os.O_CREAT | os.O_EXCL
_SHARED = 0o640


class Unconfirmed(OSError):
    """The new content is in place, or may be, but the disk did not confirm that it will survive a power cut."""


def build_temp_name(purpose: str = "") -> str:
    """Return an unpredictable name for a temporary file; it contains the purpose."""
    return f"{TEMP_PREFIX}{purpose and purpose + '-'}{os.getpid()}-{os.urandom(6).hex()}"


def write_new(path: str, *parts: bytes | memoryview, dir_fd: int | None = None, public: bool = False) -> None:
    """Write a file that must not exist yet, durably; raise FileExistsError or another OSError.

    It is made 0600 whatever the umask; a `public` one 0644, less what the umask takes away. With `dir_fd`, `path` is a
    name in that directory. When writing fails, what there is of the file stays.
    """
    if public:
        fd = os.open(path, os.O_WRONLY | _NEW | os.O_NOFOLLOW, 0o644, dir_fd=dir_fd)
    else:
        fd = open_private(path, os.O_WRONLY | _NEW, dir_fd=dir_fd)
    try:
        write_all(fd, *parts)
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(
    path: str,
    *parts: bytes | memoryview,
    dir_fd: int | None = None,
    purpose: str = "",
    before: Callable[[], None] | None = None,
) -> None:
    """Make `parts` the content of the file at `path`, which need not exist; it is 0600 then.

    With `dir_fd`, `path` is a name in that directory. `before` is called when the new content is durable and the old
    one still in place; what it raises leaves the old one there. Raise OSError when nothing was changed, Unconfirmed
    when only the disk's confirmation of the new name is missing.
    """
    folder = os.path.dirname(path)
    temp = os.path.join(folder, build_temp_name(purpose))
    try:
        write_new(temp, *parts, dir_fd=dir_fd)
        if before:
            before()
        os.replace(temp, path, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    finally:
        remove(temp, dir_fd=dir_fd)  # after the replace it is not there any more
    try:
        sync_dir((folder or ".") if dir_fd is None else dir_fd)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unconfirmed(error.errno, f"it was replaced, but the disk did not confirm it: {reason}", path) from error


def replace_shared(folder: int, name: str, content: bytes, mode: int = _SHARED) -> None:
    """Make `content` that of a file which the group of the open directory `folder` may read; raise OSError.

    It is 0640, or of another `mode`, whatever the umask. It is not made durable: it is for those who look at it now.
    One process at a time.
    """
    temp = f".{name}.new"  # always the same: what a killed process left goes
    remove(temp, dir_fd=folder)
    fd = os.open(temp, os.O_WRONLY | _NEW | os.O_NOFOLLOW, mode, dir_fd=folder)
    try:
        os.fchmod(fd, mode)
        group = os.fstat(folder).st_gid
        if not mode & stat.S_IROTH and os.fstat(fd).st_gid != group:
            os.fchown(fd, -1, group)
        write_all(fd, content)
    except BaseException:
        remove(temp, dir_fd=folder)  # what does not fit on a full disk must not fill it
        raise
    finally:
        os.close(fd)
    os.replace(temp, name, src_dir_fd=folder, dst_dir_fd=folder)


def read_start(folder: int, name: str, size: int) -> bytes | None:
    """Return the first `size` bytes of a file in the open directory `folder`; None for what is no regular file."""
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return None
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        return os.read(fd, size)
    finally:
        os.close(fd)


def append_line(path: str, line: str) -> None:
    """Add a line to a file, made when it is missing, durably; the caller holds its lock. Raise OSError."""
    fd = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        size = os.fstat(fd).st_size
        is_torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        write_all(fd, ("\n" * is_torn + f"{line}\n").encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    if not size:
        sync_dir(os.path.dirname(path) or ".")


def append_at(path: str, offset: int, data: bytes, *, dir_fd: int | None = None, drops: bool = False) -> None:
    """Make `data` what an existing file says from `offset` on, durably; the caller holds its lock.

    With `dir_fd`, `path` is a name in that directory. With `drops`, something stands there, and that it is gone is made
    durable first. Raise OSError when the file says nothing from `offset` on, or what there is of `data`; Unconfirmed
    when all of it may be there, at once or after a power cut.
    """
    fd = open_private(path, os.O_WRONLY | os.O_APPEND, dir_fd=dir_fd)
    is_written = False
    try:
        os.ftruncate(fd, offset)
        if drops:
            os.fdatasync(fd)
        try:
            write_all(fd, data)
            is_written = True
            os.fdatasync(fd)
        except BaseException:
            _take_back(fd, offset, is_written=is_written)
            raise
    finally:
        os.close(fd)


def _take_back(fd: int, offset: int, *, is_written: bool) -> None:
    try:
        os.ftruncate(fd, offset)
        if is_written:  # some of it, or all, may be on the disk
            os.fdatasync(fd)
    except OSError as error:
        if is_written:
            reason = (error.strerror or str(error)).lower()
            what = f"the disk confirmed neither what was appended nor that it was taken back: {reason}"
            raise Unconfirmed(error.errno, what) from error


def write_all(fd: int, *parts: bytes | memoryview) -> None:
    """Write all of `parts` to `fd`; raise OSError."""
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]


def remove(path: str, *, dir_fd: int | None = None) -> None:
    """Remove a file if that is possible; failures do not matter."""
    with suppress(OSError):
        os.unlink(path, dir_fd=dir_fd)


def sweep(folder: int | str, purpose: str = "") -> None:
    """Remove temporary files that killed processes left more than a day ago, of one `purpose` or of all.

    `folder` is an open directory or a path. Failures do not matter.
    """
    prefix = TEMP_PREFIX + (purpose and f"{purpose}-")
    dir_fd = folder if isinstance(folder, int) else None
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # By the file's own time and the system's clock: nothing of plabctl's idea of time decides about deletion.
            if entry.name.startswith(prefix) and _is_stale(entry.stat(follow_symlinks=False)):
                remove(entry.path, dir_fd=dir_fd)


def _is_stale(found: os.stat_result) -> bool:
    return time.time() - found.st_mtime > _STALE_AFTER_S
