"""Whether a trace shows each change made durable before it is spoken of, and what a power cut could take.

Pure. The file system is played from the trace as the strictest rules allow: what was written to a file is lost until
the file is synced, what was done to names is lost until the directory is synced, in order, from any point on. Go on
with `tests.torture.calls`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.lab.strace import Call

_PROMISED = ("state.json", "known_hosts")
_FD = re.compile(r"^\d+<([^>]*)>")
_WORD = re.compile(r'"([^"]*)"')


@dataclass(slots=True, eq=False)
class _File:
    label: str
    is_safe: bool = True


@dataclass(slots=True)
class _Disk:
    """The names of the directory as they are on disk for sure, and what was done to them since."""

    names: dict[str, _File] = field(default_factory=dict)
    safe: dict[str, _File] = field(default_factory=dict)
    pending: list[tuple[str, _File | None]] = field(default_factory=list)

    def name(self, name: str, file: _File | None) -> None:
        self.pending.append((name, file))
        self._set(self.names, name, file)

    def sync(self) -> None:
        self.safe = dict(self.names)
        self.pending.clear()

    def after_power_cut(self) -> Iterator[dict[str, _File]]:
        """Yield the names that may be there, for each number of changes that came through."""
        names = dict(self.safe)
        yield dict(names)
        for name, file in self.pending:
            self._set(names, name, file)
            yield dict(names)

    @staticmethod
    def _set(names: dict[str, _File], name: str, file: _File | None) -> None:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def disorders(trace: Sequence[Call], directory: str) -> list[str]:
    """Return where a power cut would leave a state that was never whole, or take back one that was spoken of."""
    disk, found = _Disk(), []
    for call in trace:
        succeeded = not call.result.startswith("-1")
        if call.name == "write" and _said(call):
            for names in disk.after_power_cut():
                if any(names.get(name) is not disk.names.get(name) for name in _PROMISED):
                    found.append(f"it speaks while a power cut could take the state back: {call.delivered(directory)}")
                    break
        elif succeeded and call.touches(directory):
            _play(disk, call, directory)
            for names in disk.after_power_cut():
                if not all(names[name].is_safe for name in _PROMISED if name in names):
                    found.append(f"a power cut could leave a state that is not whole: {call.delivered(directory)}")
                    break
    return found


def _said(call: Call) -> bool:
    return call.arguments.startswith(("1<", "2<")) and not call.result.startswith("0")


def _play(disk: _Disk, call: Call, directory: str) -> None:
    paths = [word.rpartition("/")[2] for word in _WORD.findall(call.arguments)]
    held = _FD.match(call.arguments)
    place = held[1] if held else ""
    name = place.removeprefix(f"{directory}/").removesuffix("(deleted)")
    match call.name:
        case "openat" if "O_CREAT" in call.arguments and paths[0] not in disk.names:
            disk.name(paths[0], _File(paths[0]))
        case "write" | "pwrite64" | "ftruncate" if name in disk.names:
            disk.names[name].is_safe = False
        case "fsync" | "fdatasync" if place == directory:
            disk.sync()
        case "fsync" | "fdatasync" if name in disk.names:
            disk.names[name].is_safe = True
        case "link" | "linkat":
            disk.name(paths[1], disk.names.get(paths[0]) or _File(paths[0]))
        case "rename" | "renameat":
            disk.name(paths[1], disk.names.get(paths[0]) or _File(paths[0]))
            disk.name(paths[0], None)
        case "unlink" | "unlinkat":
            disk.name(paths[0], None)
        case _:
            return
