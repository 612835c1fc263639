"""Count at the server: how many connections were in use at once.

I/O. A forced command of sshd writes a line when a remote command begins, and one before it ends. Each line is one
append to one file, so the order of the lines is the order in which things happened at the server, whatever the client
believes. A connection is in use from its first line to its last: never earlier, never longer than it really was, so
that a count above a window proves that the window was exceeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_WRAPPER = """\
#!/bin/sh
# A connection is told by the client's port and by the process that serves it: a port alone may be taken again.
set -- $SSH_CONNECTION
echo "+ $2.$PPID" >>'{ledger}'
sh -c "${{SSH_ORIGINAL_COMMAND:-:}}"
code=$?
echo "- $2.$PPID" >>'{ledger}'
exit $code
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The record of one sshd."""

    path: Path

    def install(self, wrapper: Path) -> str:
        """Write the forced command to `wrapper`; return the line for sshd's configuration."""
        wrapper.write_text(_WRAPPER.format(ledger=self.path))
        self.path.touch(mode=0o666)
        self.path.chmod(0o666)
        return f"ForceCommand exec /bin/sh {wrapper}"

    def lines(self) -> list[tuple[str, str]]:
        """Return what happened, in order: `+` or `-`, and a name for the connection."""
        return [(words[0], words[1]) for line in self.path.read_text().splitlines() if len(words := line.split()) == 2]

    def commands(self) -> int:
        """Return how many remote commands began."""
        return sum(sign == "+" for sign, _ in self.lines())

    def connections(self) -> int:
        """Return how many connections ran a command."""
        return len({name for _, name in self.lines()})

    def open_commands(self) -> int:
        """Return how many commands have begun and not ended."""
        return sum(1 if sign == "+" else -1 for sign, _ in self.lines())

    def most_at_once(self, *, since: int = 0) -> int:
        """Return the largest number of connections that were in use together, of those begun after `since` lines."""
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        running: dict[str, int] = {}
        lines = self.lines()[since:]
        new = {name for sign, name in lines if sign == "+"}
        for index, (sign, name) in enumerate(lines):
            if name not in new:
                continue
            first.setdefault(name, index)
            last[name] = index
            running[name] = running.get(name, 0) + (1 if sign == "+" else -1)
        for name, count in running.items():
            if count:
                last[name] = len(lines)
        steps = sorted([(at, 1) for at in first.values()] + [(at + 0.5, -1) for at in last.values()])
        most = now = 0
        for _, step in steps:
            now += step
            most = max(most, now)
        return most
