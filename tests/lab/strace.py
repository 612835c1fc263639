"""What strace saw of the calls on one directory: which call, of whom, the how-manyeth of its kind.

Pure. The lines are those of `strace -f -y -s 0`. Go on with `tests.lab.forked_runs`, whose children are traced.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE = re.compile(r"(\d+) +(\w+)\((.*)")
_RANDOM = re.compile(r"(tmp-|new-|\.known_hosts\.)[\w-]+")
WRITING = frozenset(
    {
        "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "renameat", "link", "linkat", "unlink",
        "unlinkat", "mkdir", "fchmod", "chmod", "fchown", "utimensat",
    }
)  # fmt: skip
READING = frozenset({"read", "pread64", "getdents64", "newfstatat"})


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its process or thread, its name, its arguments as strace shows them, and what came of it.

    `number` counts the calls of this name by the same thread, from 1 on.
    """

    pid: int
    name: str
    arguments: str
    result: str
    number: int

    def touches(self, directory: str) -> bool:
        """Return whether it names the directory or something in it."""
        return f'{directory}"' in self.arguments or f"{directory}>" in self.arguments or f"{directory}/" in self.text

    @property
    def text(self) -> str:
        """Return arguments and result."""
        return f"{self.arguments} = {self.result}"

    @property
    def is_writing(self) -> bool:
        """Return whether it changes something, or opens to change something."""
        if self.name == "openat":
            return any(flag in self.arguments for flag in ("O_CREAT", "O_RDWR", "O_WRONLY"))
        return self.name in WRITING

    @property
    def is_reading(self) -> bool:
        """Return whether it reads from the disk."""
        return self.name in READING or (self.name == "openat" and not self.is_writing)

    @property
    def is_injected(self) -> bool:
        """Return whether strace let it fail."""
        return "(INJECTED)" in self.result

    def delivered(self, directory: str) -> str:
        """Return it for people: without folders and without what is random."""
        shown = _RANDOM.sub(r"\1*", self.arguments.replace(directory, "state"))
        return f"{self.name}({shown[:160]}) [{self.number}]"


def parse_calls(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the calls in the order in which they began; of one that was interrupted by another, the result is lost."""
    counts: Counter[tuple[int, str]] = Counter()
    for line in lines:
        found = _LINE.match(line)
        if not found:
            continue  # a call that is resumed, a signal, an end
        pid, name = int(found[1]), found[2]
        counts[pid, name] += 1
        arguments, _, result = found[3].rpartition(" = ")
        yield Call(pid, name, arguments or found[3], result, counts[pid, name])
