"""What a disk may hold after a power cut: every loss of what was not made durable that a file system may show.

`Disk` is told of the calls on one directory and yields the directories that a power cut at that moment may leave. It
goes by the strictest rules there are: each sector of a file that was written and not synced may be the old one, the new
one or zeros; the size may be any that the file had meanwhile; of what was done to names, any number of steps may be
lost, from the last one back, and with `unordered` any of them. Pure. `watch` tells it of the calls of this process,
of which one may fail or be the last. Go on with `tests.torture.power`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import get_ident
from typing import Any
from unittest import mock

SECTOR = 64
"""Bytes that are lost or kept together: few, so that a small record has several."""
_WHOLE = 6
"""Up to so many lost sectors every combination is tried."""
_DRAWN = 24
_CUTS = 12
CALLS = ("open", "write", "ftruncate", "fsync", "fdatasync", "link", "replace", "unlink")
Names = dict[str, "CutFile"]


@dataclass(eq=False, slots=True)
class CutFile:
    """One file: what is on disk for sure, and each content that it had since."""

    safe: bytes = b""
    later: list[bytes] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        """What the processes see."""
        return self.later[-1] if self.later else self.safe

    def sync(self) -> None:
        """Make it durable."""
        self.safe, self.later = self.content, []

    def after_power_cut(self, dice: Random) -> Iterator[bytes]:
        """Yield what there may be of it."""
        seen = {self.safe}
        yield self.safe
        for content in self.later:
            for found in self._losses(content, dice):
                if found not in seen:
                    seen.add(found)
                    yield found

    def _losses(self, content: bytes, dice: Random) -> Iterator[bytes]:
        """Yield what may be there while the size is that of `content`."""
        yield content
        versions = [self.safe, *self.later]
        places = range(0, len(content), SECTOR)
        choices = [_sectors(versions, place, len(content)) for place in places]
        open_ = [number for number, each in enumerate(choices) if len(each) > 1]
        if len(open_) <= _WHOLE:
            picks: Iterator[tuple[bytes, ...]] = itertools.product(*choices)
        else:
            picks = (tuple(dice.choice(each) for each in choices) for _ in range(_DRAWN))
        for pick in itertools.islice(picks, 200):
            yield b"".join(pick)
        pairs = enumerate(zip(self.safe, content, strict=False))
        start = next((place for place, (old, new) in pairs if old != new), min(len(self.safe), len(content)))
        ends = range(start, len(content))
        for end in ends if len(ends) <= _CUTS else dice.sample(ends, _CUTS):
            yield content[:end]


def _sectors(versions: list[bytes], place: int, size: int) -> list[bytes]:
    end = min(place + SECTOR, size)
    found = {each[place:end].ljust(end - place, b"\0") for each in versions}
    if not versions[0][place:end]:
        found.add(bytes(end - place))
    return sorted(found)


class Disk:
    """The names of one directory and what is in the files, as they are and as they may be after a power cut."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._safe: Names = {name: CutFile(content) for name, content in files.items()}
        self.names: Names = dict(self._safe)
        self._steps: list[Names] = []
        """What one call did to names: each to which file, or to none."""

    def create(self, name: str) -> None:
        """Make an empty file; one that is there stays."""
        if name not in self.names:
            self._rename({name: CutFile()})

    def change(self, file: CutFile, content: bytes) -> None:
        """Let the file have other content."""
        file.later.append(content)

    def link(self, old: str, new: str) -> None:
        self._rename({new: self.names[old]})

    def replace(self, old: str, new: str) -> None:
        if self.names[old] is not self.names.get(new):
            self._rename({new: self.names[old], old: None})  # type: ignore[dict-item]

    def unlink(self, name: str) -> None:
        self._rename({name: None})  # type: ignore[dict-item]

    def sync_names(self) -> None:
        """Make the names durable."""
        self._safe, self._steps = dict(self.names), []

    def _rename(self, step: Names) -> None:
        self._steps.append(step)
        self.names = _apply(self.names, step)

    def after_power_cut(self, dice: Random, *, unordered: bool = False) -> Iterator[dict[str, bytes]]:
        """Yield the directories that may be left, the contents of each file by its name."""
        for names in self._names_after(dice, unordered=unordered):
            files = list(dict.fromkeys(names.values()))
            unsafe = [file for file in files if file.later]
            for losses in _combine([list(file.after_power_cut(dice)) for file in unsafe], dice):
                content = dict(zip(unsafe, losses, strict=True))
                yield {name: content.get(file, file.safe) for name, file in names.items()}

    def _names_after(self, dice: Random, *, unordered: bool) -> Iterator[Names]:
        for count in range(len(self._steps) + 1):
            names = self._safe
            for step in self._steps[:count]:
                names = _apply(names, step)
            yield names
        if unordered and len(self._steps) > 1:
            for _ in range(_CUTS):
                names = self._safe
                for step in self._steps:
                    names = _apply(names, step) if dice.random() < 0.5 else names
                yield names


def _apply(names: Names, step: Names) -> Names:
    return {name: file for name, file in (names | step).items() if file is not None}


def _combine(choices: list[list[bytes]], dice: Random) -> Iterator[tuple[bytes, ...]]:
    """Yield each choice of each with the last of the others, and some at random."""
    if len(choices) <= 1:
        yield from itertools.product(*choices)
        return
    for number, each in enumerate(choices):
        for one in each:
            yield tuple(one if place == number else others[-1] for place, others in enumerate(choices))
    for _ in range(_CUTS):
        yield tuple(dice.choice(each) for each in choices)


def _is_for_writing(flags: int) -> bool:
    return bool(flags & (os.O_CREAT | os.O_RDWR | os.O_WRONLY))


class Died(BaseException):
    """The process was killed: nothing of it reaches the disk any more."""


Fault = Callable[[str], OSError | Died | None]
"""What happens at a call of that name: it fails, it is the last one of the process, or nothing."""


@contextmanager
def watch(folder: str, disk: Disk, fault: Fault, on_read: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Tell `disk` of all that this process does in `folder`, by way of descriptors of it too.

    `on_read` is called before anything there is opened for reading or listed.
    """
    watched = _Watched(Path(folder).resolve(), disk, fault, on_read)
    with ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(mock.patch.object(os, name, watched.wrap(name, getattr(os, name))))
        for name in ("open", "listdir"):
            stack.enter_context(mock.patch.object(os, name, watched.wrap_reading(getattr(os, name))))
        yield


def _path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()


class _Watched:
    def __init__(self, folder: Path, disk: Disk, fault: Fault, on_read: Callable[[], None]) -> None:
        self._folder = folder
        self._disk = disk
        self._fault = fault
        self._on_read = on_read
        self._is_dead = False
        self._asking: set[int] = set()
        """The threads in which `fault` is being asked: what it does itself, in other folders, is not watched."""

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of a call that may change something."""
        play = getattr(self, f"_{name}")

        def call(*args: Any, **kwargs: Any) -> Any:
            thread = get_ident()
            if thread in self._asking or (name == "open" and not _is_for_writing(args[1])):
                return real(*args, **kwargs)
            where = self._find(args[0], kwargs)
            if where is None:
                return real(*args, **kwargs)
            if self._is_dead:
                raise Died
            self._asking.add(thread)
            try:
                found = self._fault(name)
            finally:
                self._asking.discard(thread)
            if name == "write" and found:
                play(real, where, (args[0], bytes(args[1])[: len(args[1]) // 2]), kwargs)
            if isinstance(found, Died):
                self._is_dead = True
            if found:
                raise found
            return play(real, where, args, kwargs)

        return call

    def wrap_reading(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of a call that only looks."""

        def call(*args: Any, **kwargs: Any) -> Any:
            is_writing = len(args) > 1 and _is_for_writing(args[1])
            if not is_writing and get_ident() not in self._asking and self._find(args[0], kwargs) is not None:
                self._on_read()
            return real(*args, **kwargs)

        return call

    def _find(self, what: Any, kwargs: Mapping[str, Any]) -> str | None:
        """Return the name in the folder that a path or a descriptor leads to, empty for itself; None when none."""
        if isinstance(what, int):
            path = _path_of(what)
        else:
            fd = kwargs.get("dir_fd", kwargs.get("src_dir_fd"))
            path = _path_of(fd) / what if fd is not None else Path(what)
        if path == self._folder:
            return ""
        name = str(path).removeprefix(f"{self._folder}/").removesuffix(" (deleted)")
        return name if name.startswith("state.") and name != "state.lock" and "/" not in name else None

    def _open(self, real: Callable[..., Any], where: str, args: Any, kwargs: Any) -> Any:
        fd = real(*args, **kwargs)
        self._disk.create(where)
        return fd

    def _write(self, real: Callable[..., Any], where: str, args: Any, kwargs: Any) -> Any:
        done = real(*args, **kwargs)
        self._note(where, args[0])
        return done

    _ftruncate = _write

    def _note(self, where: str, fd: int) -> None:
        self._disk.change(self._disk.names[where], Path(f"/proc/self/fd/{fd}").read_bytes())

    def _fsync(self, real: Callable[..., Any], where: str, args: Any, kwargs: Any) -> Any:
        if where:
            self._disk.names[where].sync()
        else:
            self._disk.sync_names()

    _fdatasync = _fsync

    def _link(self, real: Callable[..., Any], where: str, args: Any, kwargs: Any) -> Any:
        real(*args, **kwargs)
        self._disk.link(where, args[1])

    def _replace(self, real: Callable[..., Any], where: str, args: Any, kwargs: Any) -> Any:
        real(*args, **kwargs)
        self._disk.replace(where, Path(args[1]).name)

    def _unlink(self, real: Callable[..., Any], where: str, args: Any, kwargs: Any) -> Any:
        real(*args, **kwargs)
        self._disk.unlink(where)
