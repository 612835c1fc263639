"""The directory of the page: whether it is ours, and files in it that are replaced whole and read by others.

I/O. A directory is ours when it has our marker, which is put only into an empty one. Nothing is followed that somebody
else may have planted there, and nothing is removed that does not begin with our sign. Who may read the files follows
from the mode of the directory: everybody where everybody may look into it, else only its group.
Go on with `plabctl.app.write_page`.
Tests: `tests/cli/test_report.py`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress

from plabctl.errors import PageFault, Untrusted
from plabctl.files.atomic import read_start, remove, replace_shared
from plabctl.files.locks import poll_lock
from plabctl.files.trusted import is_inside, open_trusted, user_name

MARKER = ".plabctl-page"
"""The file that says that a directory is ours. Its content is the caller's."""
SIGN = b"<!-- plabctl -->"
"""What stands near the beginning of each file that may be removed when nobody needs it any more."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_FOR_ALL = 0o005
_START = 256
_MAX_MARKER = 64 * 1024**2
_PAUSE_S = 0.05
_ELSEWHERE = "name an empty directory, or one that is not there yet"


class PageFolder:
    """An open directory for the page, locked until it is closed; made when it is missing.

    `owners` are the user ids that may own folders on the way to it, besides root and the current user. Every method
    raises OSError, or PageFault for what somebody has to look at.
    """

    def __init__(self, path: str, owners: Collection[int] = (), *, not_in: str = "", wait_s: float = 0.0) -> None:
        self.path = path
        if not_in and is_inside(path, not_in):
            raise PageFault("it is in the state directory, where others may read nothing", hint=_ELSEWHERE)
        self._fd = _open_folder(path, owners)
        self._parts: dict[str, int] = {}
        try:
            found = os.fstat(self._fd)
            _refuse_unsafe(found, owners)
            self._mode = stat.S_IMODE(found.st_mode) & ~0o022
            self._group = found.st_gid
            self.file_mode = 0o644 if found.st_mode & _FOR_ALL == _FOR_ALL else 0o640
            self.is_locked = poll_lock(self._fd, wait_s, _PAUSE_S)
            self._check_marker()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Unlock and close it."""
        for fd in (*self._parts.values(), self._fd):
            os.close(fd)
        self._parts = {}

    def read_marker(self) -> bytes:
        """Return what the marker says; nothing when it is new."""
        return read_start(self._fd, MARKER, _MAX_MARKER) or b""

    def write_marker(self, content: bytes) -> None:
        """Replace what the marker says."""
        replace_shared(self._fd, MARKER, content, self.file_mode)

    def write(self, name: str, content: bytes) -> None:
        """Replace a file, given as `NAME` or `PART/NAME`."""
        part, _, base = name.rpartition("/")
        replace_shared(self._open_part(part), base, content, self.file_mode)

    def find_time(self, name: str) -> float | None:
        """Return when a file was last written; None when it is not there."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime
        except FileNotFoundError:
            return None

    def list_names(self, part: str) -> set[str]:
        """Return the names in a part, without those that begin with a dot."""
        return {name for name in os.listdir(self._open_part(part)) if not name.startswith(".")}

    def remove(self, part: str, names: Collection[str]) -> None:
        """Remove those of these files that are ours."""
        fd = self._open_part(part)
        for name in names:
            if SIGN in (read_start(fd, name, _START) or b""):
                remove(name, dir_fd=fd)

    def _open_part(self, part: str) -> int:
        if not part:
            return self._fd
        if part not in self._parts:
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=self._fd)
            try:
                fd = self._parts[part] = os.open(part, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                    hint = "find out who put it there, then remove it"
                    raise PageFault(f"'{part}' in it is no directory", hint=hint) from error
                raise
            found = os.fstat(fd)
            if found.st_gid != self._group and self.file_mode & 0o004 == 0:
                os.fchown(fd, -1, self._group)
            if stat.S_IMODE(found.st_mode) != self._mode:
                os.fchmod(fd, self._mode)
        return self._parts[part]

    def _check_marker(self) -> None:
        try:
            is_ours = read_start(self._fd, MARKER, 0) is not None
        except FileNotFoundError:
            is_ours = False
            others = sorted(name for name in os.listdir(self._fd) if name != f".{MARKER}.new")
            if others:
                raise PageFault(f"there are other files in it, such as '{others[0]}'", hint=_ELSEWHERE) from None
            if self.is_locked:
                self.write_marker(b"")
            return
        if not is_ours:
            raise PageFault(f"'{MARKER}' in it is no regular file", hint="find out who put it there, then remove it")


def find_marker_time(path: str) -> float:
    """Return when the marker of the directory at `path` was last written; raise OSError."""
    return os.stat(f"{path}/{MARKER}", follow_symlinks=False).st_mtime


def _open_folder(path: str, owners: Collection[int]) -> int:
    try:
        return open_trusted(path, _FOLDER, owners=owners).fd
    except FileNotFoundError:
        os.mkdir(path, 0o750)
        return open_trusted(path, _FOLDER, owners=owners).fd


def _refuse_unsafe(found: os.stat_result, owners: Collection[int]) -> None:
    if found.st_uid not in {os.geteuid(), 0, *owners}:
        raise PageFault(f"it belongs to {user_name(found.st_uid)}", hint=_ELSEWHERE)
    if found.st_mode & stat.S_IWOTH:
        raise PageFault("everybody may write in it", hint="run: chmod o-w on it, or name another directory")


def explain(error: OSError | Untrusted | PageFault) -> tuple[str, str]:
    """Return what is wrong and what to do, in words."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower(), _HINTS.get(error.errno, _HINT)
    return str(error), error.hint or _HINT


_HINT = "its parent must exist, and it must belong to plabctl's user"
_HINTS: Mapping[int | None, str] = {
    errno.EEXIST: "if it is a link to nothing, remove it; else try again, or name another directory",
    errno.ENOTDIR: _ELSEWHERE,
    errno.ENOSPC: "free some space on that file system; the page there is as it was",
    errno.EDQUOT: "free some space within the quota; the page there is as it was",
    errno.EROFS: "mount the file system read-write, or name another directory",
    errno.EPERM: "give it a group that plabctl's user is in, or let everybody read it",
}
