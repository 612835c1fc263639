"""Open what is trusted: files and folders that decide what plabctl runs and what it believes.

I/O. `open_trusted` resolves a path once, checks who could make it mean something else, and opens it once. Callers go on
with the descriptor or the resolved path that it returns, never with the name again. Go on with `plabctl.config.locate`,
which reads the configuration this way, and with `plabctl.files.private` for the files that plabctl writes.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection

from plabctl.errors import Untrusted

_ROOT = 0
_MOST_LINKS = 40
"""As many as Linux follows on the way to one file."""
_ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
PLANTED_HINT = "find out who put it there, then remove it"


class PlantedFile(OSError):
    """What stands at `filename` is no file that plabctl may use: not a regular one, or one with another name too."""


class Opened:
    """An open file or directory: its descriptor `fd`, which the caller closes, and what was found out about it.

    `path` is where it really is, absolute and without links. `owners` are the user ids of those who own it or a folder
    that leads there. `is_ours` says whether only root and the current user could make the given name mean another file.
    """

    __slots__ = ("fd", "is_ours", "owners", "path", "status")

    def __init__(self, fd: int, path: str, owners: frozenset[int], *, is_ours: bool) -> None:
        self.fd = fd
        self.path = path
        self.owners = owners
        self.is_ours = is_ours
        self.status = os.fstat(fd)


def open_trusted(
    path: str,
    flags: int = os.O_RDONLY | os.O_NONBLOCK,
    *,
    owners: Collection[int] = (),
    anyone: bool = False,
    file_only: bool = False,
) -> Opened:
    """Resolve `path`, check everything that leads to it, and open it with `flags`.

    Each folder on the way, those that hold links included, must belong to root, to the current user or to one of
    `owners` (user ids), and must not be writable by everybody. In a folder where everybody may put files but only take
    away their own, such as /tmp, the entry itself must belong to one of them as well. So must the file, and not
    everybody may write to it. A directory asked for by O_DIRECTORY is for the caller to judge. With `anyone`, for a
    path that a person named, and so trusts, owners are not checked. With `file_only` nothing but a regular file is
    opened.

    Raise Untrusted, in whose message `it` is the file, PlantedFile, or another OSError as open(2) does.
    """
    walk = _Walk(frozenset({_ROOT, os.geteuid(), *owners}), anyone=anyone)
    try:
        name = walk.go_to(path)
        if name == "." and not flags & os.O_DIRECTORY:
            walk.judge_folder()
        is_listed = walk.is_list_of_descriptors
        fd = os.open(name, flags | os.O_CLOEXEC | (0 if is_listed else os.O_NOFOLLOW), dir_fd=walk.fd)
        try:
            found = os.fstat(fd)
            if not stat.S_ISDIR(found.st_mode):
                walk.judge_file(found, path)
            if file_only:
                refuse_planted_file(found, path)
            return Opened(fd, walk.resolve(name), walk.owners, is_ours=walk.is_ours)
        except BaseException:
            os.close(fd)
            raise
    finally:
        walk.close()


def refuse_planted_file(found: os.stat_result, path: str, *, single_name: bool = False) -> None:
    """Raise PlantedFile unless `found`, at `path`, is a regular file, and with `single_name` one without hard links."""
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise PlantedFile(errno.EINVAL, f"it is {what}", path)
    # Somebody else's file, perhaps, with a name of ours: what we write would be written into that one.
    if single_name and found.st_nlink > 1:
        raise PlantedFile(errno.EMLINK, "it has another name as well (a hard link)", path)


def user_name(uid: int) -> str:
    """Return what to call a user in a message: the name in quotes, or the number of one without a name."""
    import pwd

    try:
        return f"'{pwd.getpwuid(uid).pw_name}'"
    except KeyError:
        return f"user {uid}"


def is_inside(path: str, folder: str) -> bool:
    """Return whether `path` is `folder` or something below it, wherever links lead; neither has to be there."""
    real = os.path.realpath(folder)
    return os.path.commonpath([os.path.realpath(path), real]) == real


class _Walk:
    """The way from the root folder to a file, one name at a time; `fd` is the folder reached so far."""

    def __init__(self, trusted: frozenset[int], *, anyone: bool) -> None:
        self._trusted = trusted
        self._anyone = anyone
        self._ours = {_ROOT, os.geteuid()}
        self._names: list[str] = []
        self._owners: list[int] = []
        self._file_owner: list[int] = []
        self.is_ours = True
        self.fd = -1
        self._begin()

    @property
    def owners(self) -> frozenset[int]:
        """The owners of the folders on the resolved way, and of the file once it was judged."""
        return frozenset(self._owners + self._file_owner)

    @property
    def is_list_of_descriptors(self) -> bool:
        """Return whether this is /proc/PID/fd: its links lead to open files, which need not have a name."""
        return self._names[:1] == ["proc"] and self._names[-1:] == ["fd"]

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def resolve(self, name: str) -> str:
        """Return the resolved path of `name` in the folder reached; `.` is the folder itself."""
        return "/" + "/".join(self._names if name == "." else [*self._names, name])

    def go_to(self, path: str) -> str:
        """Go to the folder that holds the file at `path`, and return the file's name there; `.` for a folder."""
        left = (path if path.startswith("/") else f"{os.getcwd()}/{path}").split("/")[::-1]
        links = 0
        while left:
            name = left.pop()
            if name in {"", "."}:
                continue
            self.judge_folder()
            entry = self._open_entry(name)
            found = os.fstat(entry)
            if stat.S_ISDIR(found.st_mode):
                self._enter(name, entry)
                continue
            is_link = stat.S_ISLNK(found.st_mode) and not self.is_list_of_descriptors
            target = os.readlink("", dir_fd=entry) if is_link else ""
            os.close(entry)
            if not is_link:
                if left:
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
                return name
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            self._judge_link(found, name)
            if target.startswith("/"):
                self._begin()
            left += target.split("/")[::-1]
        return "."

    def judge_folder(self) -> None:
        """Raise Untrusted when a stranger could change what the names in this folder mean."""
        path = self.resolve(".")
        if self._folder.st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            raise Untrusted(f"any user may write in '{path}'", hint=f"run: chmod o-w '{path}'")
        self._judge_owner(self._folder, f"'{path}'")

    def judge_file(self, found: os.stat_result, path: str) -> None:
        """Raise Untrusted for a file that a stranger owns or everybody may write."""
        if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IWOTH:
            raise Untrusted("any user may write it", hint=f"run: chmod o-w '{path}'")
        self._judge_owner(found, "it")
        if found.st_nlink > 1 and not self.owners <= self._ours | {found.st_uid}:
            # A second name for somebody else's file, made by a stranger: what it says was meant for another folder.
            raise Untrusted("it has another name as well (a hard link), in somebody else's folder", hint=PLANTED_HINT)
        self._file_owner = [found.st_uid]

    def _open_entry(self, name: str) -> int:
        try:
            # As a directory first: this mounts what is mounted on demand, which O_PATH alone does not.
            return os.open(name, _ENTRY | os.O_DIRECTORY, dir_fd=self.fd)
        except NotADirectoryError:
            return os.open(name, _ENTRY, dir_fd=self.fd)

    def _begin(self) -> None:
        self._names, self._owners = [], []
        self._reach(os.open("/", _ENTRY | os.O_DIRECTORY))

    def _enter(self, name: str, folder: int) -> None:
        if name != "..":
            self._names.append(name)
        else:
            del self._names[-1:], self._owners[-2:]
        self._reach(folder)

    def _reach(self, folder: int) -> None:
        self.close()
        self.fd = folder
        self._folder = os.fstat(folder)
        self._owners.append(self._folder.st_uid)

    def _judge_link(self, found: os.stat_result, name: str) -> None:
        """Raise Untrusted for a link that a stranger put where everybody may put files."""
        if self._folder.st_mode & stat.S_IWOTH:
            self._judge_owner(found, f"the link '{self.resolve(name)}'")

    def _judge_owner(self, found: os.stat_result, what: str) -> None:
        self.is_ours = self.is_ours and found.st_uid in self._ours
        if found.st_uid not in self._trusted and not self._anyone:
            raise Untrusted(f"{what} belongs to {user_name(found.st_uid)}, who is neither you nor root")
