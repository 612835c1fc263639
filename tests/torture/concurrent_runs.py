"""Ticks and operators that run at once, each a process, and are killed at random.

I/O. Go on with `tests.torture.kills`, which says what must be true afterwards.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.site import Site
from tests.lab.sshd import Sshd

OPERATORS, TICKS = 6, 3
_TICK_LIVES_S, _OPERATOR_LIVES_S = (0.3, 3.0), (0.15, 0.6)
_MERCY = 0.2
"""So many are not killed."""
_PAUSE_S = 0.005


@dataclass(slots=True)
class Run:
    """One process: who, doing what, from when to when by the monotonic clock; `code` is -9 for a killed one."""

    who: str
    argv: Sequence[str]
    process: subprocess.Popen[bytes]
    began_at: float
    kill_at: float
    ended_at: float = 0.0
    code: int | None = None


@dataclass(slots=True)
class ConcurrentRuns:
    """What runs and what ran on one site whose nodes are all at one sshd."""

    site: Site
    sshd: Sshd
    dice: random.Random
    nodes: Sequence[str]
    notes: Path
    running: list[Run] = field(default_factory=list)
    ended: list[Run] = field(default_factory=list)
    most_connections: int = 0
    _count: int = 0

    @property
    def kill_count(self) -> int:
        """How many were killed so far."""
        return sum(run.code == -9 for run in self.ended)

    def rage(self, kills: int, until: float) -> None:
        """Start and kill until so many were killed, or the monotonic clock shows `until`; then let the rest end."""
        while self.kill_count < kills and time.monotonic() < until:
            ticks = sum(run.argv == ("tick",) for run in self.running)
            if ticks < TICKS:
                self.start("tick", lives_s=_TICK_LIVES_S)
            elif len(self.running) < TICKS + OPERATORS:
                self.start(*self._order(), lives_s=_OPERATOR_LIVES_S)
            self._look(may_kill=True)
        for run in self.running:
            run.kill_at = float("inf") if run.argv != ("tick",) else 0.0
        while self.running:
            self._look(may_kill=True)

    def start(self, *argv: str, lives_s: tuple[float, float]) -> None:
        """Start `plabctl ARGV` as an operator of its own, to be killed after a while."""
        self._count += 1
        who = f"op-{self._count}"
        command = [sys.executable, "-m", "tests.torture.notes", str(self.notes), who, *argv]
        root = str(Path(__file__).parents[2])
        with (self.site.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.site.folder,
                env={**self.site.environ, "SUDO_USER": who, "PYTHONPATH": root},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        now = time.monotonic()
        kill_at = float("inf") if self.dice.random() < _MERCY else now + self.dice.uniform(*lives_s)
        self.running.append(Run(who, argv, process, now, kill_at))

    def _look(self, *, may_kill: bool) -> None:
        time.sleep(_PAUSE_S)
        self.most_connections = max(self.most_connections, len(connections(self.sshd) & connections(self.sshd)))
        now = time.monotonic()
        for run in list(self.running):
            if may_kill and now >= run.kill_at and run.process.poll() is None:
                run.process.kill()
                run.process.wait()
            run.code = run.process.poll()
            if run.code is not None:
                run.ended_at = time.monotonic()
                self.running.remove(run)
                self.ended.append(run)

    def _order(self) -> tuple[str, ...]:
        """Return what an operator does next."""
        node, own, dice = self.dice.choice(self.nodes), f"x{self._count}", self.dice
        done = [run for run in self.ended if run.code == 0]
        removed = {run.argv[2] for run in done if run.argv[:2] in {("node", "rm"), ("experiment", "swapout")}}
        added = [run.argv[2] for run in done if run.argv[:2] == ("node", "add") and run.argv[2] not in removed]
        swapped = [
            run.argv[2] for run in done if run.argv[:2] == ("experiment", "swapin") and run.argv[2] not in removed
        ]
        orders: list[Callable[[], tuple[str, ...]]] = [
            lambda: ("move", node, dice.choice(["good", "bad"]), "-r", "x"),
            lambda: ("retest", node),
            lambda: ("hold", node, "-r", "x", "--for", "2s"),
            lambda: ("release", node),
            lambda: ("node", "add", own, "--set", "recipe=nothing"),
            lambda: ("node", "rm", dice.choice(added or [own]), "--yes"),
            lambda: ("experiment", "swapin", f"e{own}", "--nodes", f"{node},{dice.choice(self.nodes)}", "--yes"),
            lambda: ("experiment", "swapout", dice.choice(swapped or [own])),
        ]
        return dice.choice(orders)()


def connections(sshd: Sshd) -> set[str]:
    """Return the connections to the sshd whose both ends live, by the client's port.

    The kernel ends those of a process that dies with it, whatever sshd still does for them.
    """
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if state == "01" and int(local.rpartition(":")[2], 16) == sshd.port:
            found.add(remote)
    return found
