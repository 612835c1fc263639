"""Whether a trace shows each change made durable before it is spoken of, and what a power cut could take.

Pure. The file system is played from the trace as the strictest rules allow: what was written to a file is lost until
the file is synced, what was done to names is lost until the directory is synced, in order, from any point on. A state
is its file with the journal that was made for it: the file must be whole, the journal there with its first record.
What comes after that may be torn, as long as nobody was told of it. What the files say is not in a trace:
`tests.torture.power` looks at that. Go on with `tests.torture.calls`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.lab.strace import Call

_STATE, _KNOWN_HOSTS = "state.json", "known_hosts"
_WHOLE = (_STATE, f"{_STATE}.previous", _KNOWN_HOSTS)
_JOURNAL = "state.journal."
_FD = re.compile(r"^\d+<([^>]*)>")
_WORD = re.compile(r'"([^"]*)"')


@dataclass(slots=True, eq=False)
class _File:
    label: str
    is_safe: bool = True
    is_begun: bool = True
    """Whether it was ever durable."""
    journal: str = ""
    """Of a state file that was made meanwhile: the name of its journal."""


Names = dict[str, _File]


@dataclass(slots=True)
class _Disk:
    """The names of the directory as they are on disk for sure, and what was done to them since."""

    names: Names = field(default_factory=dict)
    safe: Names = field(default_factory=dict)
    pending: list[tuple[str, _File | None]] = field(default_factory=list)
    journal: str = ""
    """The name of the journal that was made last."""

    def name(self, name: str, file: _File | None) -> None:
        self.pending.append((name, file))
        self._set(self.names, name, file)

    def sync(self) -> None:
        self.safe = dict(self.names)
        self.pending.clear()

    def after_power_cut(self) -> Iterator[Names]:
        """Yield the names that may be there, for each number of changes that came through."""
        names = dict(self.safe)
        yield dict(names)
        for name, file in self.pending:
            self._set(names, name, file)
            yield dict(names)

    @staticmethod
    def _set(names: Names, name: str, file: _File | None) -> None:
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
            if any(_takes_back(names, disk.names) for names in disk.after_power_cut()):
                found.append(f"it speaks while a power cut could take the state back: {call.delivered(directory)}")
        elif succeeded and call.touches(directory):
            _play(disk, call, directory)
            if not all(_is_whole(names) for names in disk.after_power_cut()):
                found.append(f"a power cut could leave a state that is not whole: {call.delivered(directory)}")
    return found


def _takes_back(names: Names, seen: Mapping[str, _File]) -> bool:
    """Return whether what was spoken of is not in `names`, or not durable there."""
    return any(names.get(name) is not seen.get(name) for name in (_STATE, _KNOWN_HOSTS)) or not all(
        file.is_safe for name, file in names.items() if name in _WHOLE or name.startswith(_JOURNAL)
    )


def _is_whole(names: Names) -> bool:
    state = names.get(_STATE)
    journal = names.get(state.journal) if state and state.journal else None
    return all(names[name].is_safe for name in _WHOLE if name in names) and (
        not (state and state.journal) or (journal is not None and journal.is_begun)
    )


def _said(call: Call) -> bool:
    return call.arguments.startswith(("1<", "2<")) and not call.result.startswith("0")


def _play(disk: _Disk, call: Call, directory: str) -> None:
    paths = [word.rpartition("/")[2] for word in _WORD.findall(call.arguments)]
    held = _FD.match(call.arguments)
    place = held[1] if held else ""
    name = place.removeprefix(f"{directory}/").removesuffix("(deleted)")
    match call.name:
        case "openat" if "O_CREAT" in call.arguments and paths[0] not in disk.names:
            disk.name(paths[0], _File(paths[0], is_begun=False))
            disk.journal = paths[0] if paths[0].startswith(_JOURNAL) else disk.journal
        case "openat" if paths[0].startswith(_JOURNAL) and paths[0] not in disk.names:
            disk.names[paths[0]] = disk.safe[paths[0]] = _File(paths[0])  # it was there before
        case "write" | "pwrite64" | "ftruncate" if name in disk.names:
            disk.names[name].is_safe = False
        case "fsync" | "fdatasync" if place == directory:
            disk.sync()
        case "fsync" | "fdatasync" if name in disk.names:
            disk.names[name].is_safe = disk.names[name].is_begun = True
        case "link" | "linkat":
            disk.name(paths[1], disk.names.get(paths[0]) or _File(paths[0]))
        case "rename" | "renameat":
            file = disk.names.get(paths[0]) or _File(paths[0])
            file.journal = disk.journal if paths[1] == _STATE else file.journal
            disk.name(paths[1], file)
            disk.name(paths[0], None)
        case "unlink" | "unlinkat":
            disk.name(paths[0], None)
        case _:
            return
