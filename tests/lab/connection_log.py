"""Count at the server: how many connections were in use at once.

I/O. A forced command of sshd writes a line when a remote command begins, and one before it ends. Each line is one
append to one file, so the order of the lines is the order in which things happened at the server, whatever the client
believes. On a busy machine a command may notice late that its client has gone, so a line of a beginning also names the
ports of all clients that are connected at that moment, as the kernel knows them. A connection is in use from its first
line to its last, or to the first line that does not name its port: never earlier, never longer than it really was, so
that a count above a window proves that the window was exceeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_WRAPPER = """\
#!/bin/sh
# A connection is told by the client's port and by the process that serves it: a port alone may be taken again.
set -- $SSH_CONNECTION
me=$2.$PPID port=$(printf %04X "$4") connected=
# 01 is a connection that neither end has closed. The shell would read the list by single bytes.
for each in $(sed -n "s/^ *[0-9]*: [0-9A-F]*:$port [0-9A-F]*:\\([0-9A-F]*\\) 01 .*/\\1/p" /proc/net/tcp); do
	connected="$connected $((0x$each))"
done
echo "+ $me$connected" >>'{ledger}'
sh -c "${{SSH_ORIGINAL_COMMAND:-:}}"
code=$?
echo "- $me" >>'{ledger}'
exit $code
"""


@dataclass(frozen=True, slots=True)
class ConnectionLog:
    """The record of one sshd."""

    path: Path

    def install(self, wrapper: Path) -> str:
        """Write the forced command to `wrapper`; return the line for sshd's configuration."""
        wrapper.write_text(_WRAPPER.format(ledger=self.path))
        self.path.touch(mode=0o666)
        self.path.chmod(0o666)
        return f"ForceCommand exec /bin/sh {wrapper}"

    def lines(self) -> list[tuple[str, str, set[str]]]:
        """Return what happened, in order: `+` or `-`, a name for the connection, and the clients connected at a `+`."""
        whole = [line.split() for line in self.path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [(words[0], words[1], set(words[2:])) for words in whole if len(words) > 1]

    def commands(self) -> int:
        """Return how many remote commands began."""
        return sum(sign == "+" for sign, _, _ in self.lines())

    def connections(self) -> int:
        """Return how many connections ran a command."""
        return len({name for _, name, _ in self.lines()})

    def open_commands(self) -> int:
        """Return how many commands have begun and not ended."""
        return sum(1 if sign == "+" else -1 for sign, _, _ in self.lines())

    def most_at_once(self, *, since: int = 0) -> int:
        """Return the largest number of connections that were in use together, of those begun after `since` lines."""
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        gone: dict[str, int] = {}
        running: dict[str, int] = {}
        lines = self.lines()[since:]
        new = {name for sign, name, _ in lines if sign == "+"}
        for index, (sign, name, connected) in enumerate(lines):
            if name not in new:
                continue
            if sign == "+":
                for each in first:
                    if each != name and each.partition(".")[0] not in connected:
                        gone.setdefault(each, index)
            first.setdefault(name, index)
            last[name] = index
            running[name] = running.get(name, 0) + (1 if sign == "+" else -1)
        for name, count in running.items():
            if count:
                last[name] = len(lines)
        ends = [min(at, gone.get(name, len(lines)) - 1) + 0.5 for name, at in last.items()]
        steps = sorted([(float(at), 1) for at in first.values()] + [(at, -1) for at in ends])
        most = now = 0
        for _, step in steps:
            now += step
            most = max(most, now)
        return most
