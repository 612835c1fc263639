"""Every command that writes the state, each with a state to begin from and the sign that it was carried out.

I/O: makes those states by running plabctl. Go on with `tests.torture.calls`.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plabctl.clock import SystemClock
from plabctl.history.database import History
from plabctl.store.store import Store
from tests.lab.forked_runs import seeded_server

PLABCTL = Path(sys.executable).with_name("plabctl")
# Nothing becomes due again by itself, however long all of it lasts.
CONFIG = """
state_dir = "state"
window = 4
[pool.good]
kind = "good"
on_fail = "bad"
backoff = { kind = "fixed", base = "1d", max = "1d", jitter = "0s" }
[pool.bad]
kind = "bad"
on_pass = "good"
backoff = { kind = "fixed", base = "1d", max = "1d", jitter = "0s" }
[recipe.process]
transport = "local"
setup = { run = "true", timeout = "10s" }
teardown = { run = "true", timeout = "10s" }
"""
ENVIRON = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "USER": "ada",
    "LOGNAME": "ada", "PYTHONPATH": str(Path(__file__).parents[2]),
}  # fmt: skip
_DEADLINE_S = 100.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a state says, without instants and without what is random."""

    rev: int = 0
    nodes: dict[str, str] = field(default_factory=dict)
    rest: tuple[str, ...] = ()

    def has(self, name: str, *words: str) -> bool:
        """Return whether there is a node of that name and its line has all the words."""
        return name in self.nodes and all(word in self.nodes[name] for word in words)

    def list_known(self) -> list[str]:
        """Return the lines of known_hosts."""
        return [line for line in self.rest if line.startswith("known ")]


def look(state_dir: Path) -> Look:
    """Return what the state there says, every document of it decoded; raise StoreError."""
    state = Store(state_dir, SystemClock()).snapshot()
    nodes, known = {}, state_dir / "known_hosts"
    for member in state.members():
        node = state.node(member.node)
        pin = f"held: {member.hold.reason}" if member.hold else ""
        asked = "asked" if member.requested_at is not None else ""
        streaks = f"{member.ok_streak}/{member.fail_streak} {len(member.leftovers)}"
        variables = dict(node.variables) if node else None
        nodes[member.node] = f"{member.pool} {pin} {asked} {streaks} {variables}"
    rest = [
        *(f"claim {key}" for key in state.claims),
        *(f"event {event.kind} {event.node}" for event in state.outbox),
        *(f"experiment {each.name} {each.leaving_at is not None}" for each in state.experiments.values()),
        *(f"vnode {vnode.key} {vnode.state}" for vnode in state.vnodes()),
        *(f"known {line}" for line in (known.read_text().splitlines() if known.exists() else ())),
    ]
    return Look(state.rev, nodes, tuple(sorted(rest)))


def happened(state_dir: Path) -> Counter[tuple[str, str | None]]:
    """Return how often what happened to which node, by the history."""
    with History(state_dir) as history:
        return Counter((record.event.kind, record.event.node) for record in history.read())


@dataclass(frozen=True, slots=True)
class Scenario:
    """`plabctl ARGV` in a folder that `steps` lead to; `is_done` tells by the state whether it was carried out.

    `then` is a command that must work afterwards, whatever happened. A tick `goes_on`: some of it may be done. What
    changes another file before the state `is_beside`. With `folds` each commit folds the journal. Of a state that is to
    be restored, `damaged` is the file that is damaged first.
    """

    name: str
    argv: Sequence[str]
    steps: Sequence[Sequence[str]]
    is_done: Callable[[Look], bool]
    then: Sequence[str] = ("node", "add", "zz9")
    goes_on: bool = False
    is_beside: bool = False
    folds: bool = False
    damaged: str = ""

    def prepare(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir(parents=True)
        (folder / "plabctl.toml").write_text(CONFIG)
        (folder / "more.csv").write_text("name,site\nnew1,north\nnew2,south\n")
        for step in self.steps:
            run(folder, *step)
        if self.damaged:
            _damage(folder / "state", self.damaged)

    @property
    def is_damaged(self) -> bool:
        """Return whether the state has to be restored."""
        return bool(self.damaged)


def _damage(state_dir: Path, what: str) -> None:
    """Make the state file, or the last record of its journal, one that plabctl never wrote."""
    path = state_dir / "state.json"
    if what == "state file":
        path.write_text("{}")
        return
    rev = json.loads(path.read_bytes())["plabctl"]["rev"]
    journal = state_dir / f"state.journal.{rev}"
    whole = journal.read_text()
    begin, found, end = whole.rpartition('"put"')
    assert found, "there is no commit in the journal"
    journal.write_text(f'{begin}"pat"{end}')


def run(folder: Path, *argv: str) -> str:
    """Run `plabctl ARGV` in the folder, insist that it works, and return what it said."""
    done = seeded_server().run(argv, folder, ENVIRON, None, _DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


_ADD, _TICK = ("node", "add", "pc1", "pc2", "pc3"), ("tick",)
_TESTED = (_ADD, _TICK)
_IN = ("experiment", "swapin", "web", "--nodes", "pc1", "--yes")
ALL = (
    Scenario("node add, the first of all", ("node", "add", "new1"), (), lambda look: look.has("new1", "bad")),
    Scenario("node add", ("node", "add", "new1"), _TESTED, lambda look: look.has("new1", "bad")),
    Scenario("node import", ("node", "import", "more.csv"), _TESTED, lambda look: look.has("new2", "south")),
    Scenario("node rm", ("node", "rm", "pc3", "--yes"), _TESTED, lambda look: "pc3" not in look.nodes),
    Scenario("move", ("move", "pc1", "bad", "-r", "x"), _TESTED, lambda look: look.has("pc1", "bad")),
    Scenario("retest", ("retest", "pc1"), _TESTED, lambda look: look.has("pc1", "asked")),
    Scenario("hold", ("hold", "pc1", "-r", "mine"), _TESTED, lambda look: look.has("pc1", "held: mine")),
    Scenario(
        "release",
        ("release", "pc1"),
        (*_TESTED, ("hold", "pc1", "-r", "mine")),
        lambda look: look.has("pc1") and not look.has("pc1", "held"),
    ),
    Scenario("experiment swapin", _IN, _TESTED, lambda look: "experiment web False" in look.rest),
    Scenario(
        "experiment swapout",
        ("experiment", "swapout", "web"),
        (*_TESTED, (*_IN, "--wait")),
        lambda look: "experiment web True" in look.rest,
    ),
    Scenario(
        "doctor --restore",
        ("doctor", "--restore"),
        (*_TESTED, ("hold", "pc1", "-r", "mine"), ("hold", "pc2", "-r", "lost")),
        lambda look: look.has("pc1", "held: mine"),
        damaged="state file",
    ),
    Scenario(
        "doctor --restore, of a damaged journal",
        ("doctor", "--restore"),
        (*_TESTED, ("hold", "pc1", "-r", "mine"), ("hold", "pc2", "-r", "lost")),
        lambda look: look.has("pc1", "held: mine"),
        damaged="journal",
    ),
    Scenario(
        "tick",
        _TICK,
        (*_TESTED, ("node", "add", "pc9")),
        lambda look: look.has("pc9", "good", "2/0") and not look.rest,
        then=_TICK,
        goes_on=True,
    ),
    Scenario(
        "tick, with an experiment",
        _TICK,
        (*_TESTED, _IN),
        lambda look: "vnode web/pc1 up" in look.rest,
        then=_TICK,
        goes_on=True,
    ),
    Scenario(
        "move, and fold", ("move", "pc1", "bad", "-r", "x"), _TESTED, lambda look: look.has("pc1", "bad"), folds=True
    ),
    Scenario(
        "tick, and fold",
        _TICK,
        (*_TESTED, ("node", "add", "pc9")),
        lambda look: look.has("pc9", "good", "2/0") and not look.rest,
        then=_TICK,
        goes_on=True,
        folds=True,
    ),
)


def trusting(port: int) -> Scenario:
    """Return the one for which an sshd has to listen: it changes known_hosts, and then the state."""
    where = ("--set", "ssh_host=127.0.0.1", "--set", f"ssh_port={port}")
    other = ("node", "add", "pc5", "--set", "ssh_host=localhost", "--set", f"ssh_port={port}")
    steps = (_ADD, ("node", "add", "pc4", *where), other, ("trust", "pc5", "--yes"), _TICK)  # none is due any more
    return Scenario(
        "trust",
        ("trust", "pc4", "--yes"),
        steps,
        lambda look: any(f"[127.0.0.1]:{port}" in line for line in look.rest),
        is_beside=True,
    )


def generations(folder: Path, base: Look) -> dict[int, Look]:
    """Return what each state says that a run kept in the folder, by its `rev`; and the one that it began with."""
    found = {base.rev: base}
    for place in folder.glob("generation-*"):
        place.chmod(0o700)
        each = look(place)
        found[each.rev] = each
    return found


def list_untold(state_dir: Path) -> set[str]:
    """Return the ids of the events of the outbox that the history does not have.

    A command writes what happened into the history and leaves the outbox, and whom else to tell, to the next tick.
    """
    outbox = {event.id for event in Store(state_dir, SystemClock()).snapshot().outbox}
    with History(state_dir) as history:
        return outbox - {record.event.id for record in history.read()}


def list_outbox(state_dir: Path) -> list[str]:
    """Return the kinds of the events that wait in the outbox."""
    return [event.kind for event in Store(state_dir, SystemClock()).snapshot().outbox]
