"""Two experiments and a service on twenty machines that come and go, while the ticks are killed.

What must be so in the end is looked up on the machines: each vnode that is wanted runs there once, and no other.
"""

import json
import random
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from plabctl.app.context import open_app
from plabctl.core.experiments.model import Vnode, VnodeState
from plabctl.core.state import State
from plabctl.kinds import Builtin
from plabctl.probes.recipe_snippets import LIFE_S
from tests.e2e.site import Site
from tests.lab.hosts import PORT, Host, Lab
from tests.lab.network import Watch
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("busy"), pytest.mark.timeout(600)]

COUNT = 20
WINDOW = 8
NAMED = 6
COUNTED = 6
LOST_S = 5.0
"""How long there may be no tick, from the end of one that is killed until the next one has begun its work."""
STEPS = 24

SEED = 20061208
KILLED = 0.6
"""In what part of the steps a tick is killed."""
EVERY_S = 8.0
"""Between two tests of a node's health."""

_KEPT = """
[experiment]
recipe = "brief"
retry = {{ kind = "fixed", base = "2s", jitter = "0s" }}
check = {{ kind = "fixed", base = "{check}", jitter = "0s" }}
grace = "2s"
"""
_VNODE = re.compile(r"/plabctl-(plabctl-[0-9a-f]{16})")


def brief() -> str:
    """Return the recipe `process`, slower to set up and with time-outs as short as this test."""
    lines = ["", "[recipe.brief]"]
    for name in ("setup", "up", "check", "teardown"):
        stage = getattr(Builtin("recipe")["process"], name)
        # So that some are killed in the middle of it.
        run = "sleep $(( $$ % 4 ))\n" + stage.run if name == "setup" else stage.run
        every = ', every = "200ms"' if name == "up" else ""
        lines.append(f'{name} = {{ run = {json.dumps(run)}, timeout = "6s"{every} }}')
    return "\n".join(lines)


class Bed:
    """The site with its machines, and what is done to them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.site = Site(folder, network=lab.network)
        self.dice = random.Random(SEED)
        self.hosts = {host.name: host for host in lab.hosts}
        self.cut: list[Host] = []
        self.stopped: list[Host] = []
        self.removed: list[str] = []

    def configure(self, *, every: str, check: str) -> None:
        """Write the configuration with these pauses between tests of nodes, and between looks at vnodes."""
        more = _KEPT.format(check=check) + brief()
        self.site.configure(
            key=self.lab.key, window=WINDOW, recipe="brief", connect_timeout="2s", every=every, more=more
        )

    def state(self) -> State:
        """Return the state as it is now."""
        return open_app(str(self.site.config)).store.snapshot()

    def usable(self) -> list[Host]:
        """Return the machines that answer and have not been removed."""
        return [host for host in self.hosts.values() if host.name not in self.removed and not self.is_dead(host)]

    def is_dead(self, host: Host) -> bool:
        """Return whether this machine does not answer."""
        return host in self.cut or host in self.stopped

    def happen(self) -> None:
        """Let something happen to a machine."""
        host = self.dice.choice(self.usable())
        what = self.dice.choice(["cut", "stop", "reboot", "remove", "mend", "mend", "add"])
        if what == "cut" and len(self.cut) < 3:
            host.cut_link()
            self.cut.append(host)
        elif what == "stop" and len(self.stopped) < 3:
            host.stop_sshd()
            self.stopped.append(host)
        elif what == "reboot":
            host.reboot()
        elif what == "remove" and len(self.removed) < 3:
            self.site.run("node", "rm", host.name, "--yes")
            self.removed.append(host.name)
        elif what == "mend":
            self.mend(self.cut[:1] + self.stopped[:1])
        elif what == "add":
            self.add(self.removed[:1])

    def mend(self, hosts: list[Host]) -> None:
        """Let these machines answer again."""
        for host in list(hosts):
            if host in self.cut:
                host.mend_link()
                self.cut.remove(host)
            else:
                host.continue_sshd()
                self.stopped.remove(host)

    def add(self, names: list[str]) -> None:
        """Add nodes."""
        if names:
            self.site.add({name: {"ssh_host": self.hosts[name].address} for name in names})
            self.removed = [name for name in self.removed if name not in names]

    def strays(self, wanted: list[Vnode]) -> list[str]:
        """Return what is wrong on the machines that answer: vnodes not there, more than once, or not wanted."""
        found = []
        for host in self.hosts.values():
            if self.is_dead(host):
                continue
            own = sorted(vnode.vnode for vnode in wanted if vnode.node == host.name)
            lines = host.processes()
            processes = sorted(match[1] for line in lines if (match := _VNODE.search(line)))
            folders = sorted(match[1] for path in host.files() if (match := _VNODE.fullmatch(f"/{path}")))
            if host.name in self.removed:
                # A test that was under way when its node was removed: what it left is torn down when that comes back.
                passing = {match[1] for line in lines if line.endswith(f" {LIFE_S}") and (match := _VNODE.search(line))}
                processes, folders = ([name for name in names if name not in passing] for names in (processes, folders))
            if not own == processes == folders:
                found.append(f"{host.name}: wanted {own}, processes {processes}, folders {folders}")
        return found

    def faults(self, *, gone: tuple[str, ...] = ()) -> list[str]:
        """Return all that is not yet as it should be."""
        state = self.state()
        usable = sorted(host.name for host in self.usable())
        found = [f"claimed: {claim.key}" for claim in state.claims.values() if claim.node in usable]
        found += [name for name in gone if name in state.experiments]
        up = [vnode for vnode in state.vnodes() if vnode.state is VnodeState.UP]
        nodes = {name: sorted(vnode.node for vnode in up if vnode.experiment == name) for name in state.experiments}
        good = sorted(member.node for member in state.members() if member.pool == "good")
        if good != usable:
            found.append(f"good: {good}, not {usable}")
        for name, own in nodes.items():
            experiment = state.experiments[name]
            wanted = [node for node in usable if node in experiment.nodes] if experiment.nodes else usable
            if experiment.count and set(own) <= set(usable):
                wanted = own if len(own) == COUNTED else [str(COUNTED)]
            if own != wanted:
                found.append(f"{name}: up on {own}, not on {wanted}")
        others = [vnode for vnode in state.vnodes() if vnode.state is not VnodeState.UP]
        found += [f"{vnode.key} is {vnode.state}" for vnode in others if self.hosts[vnode.node] in self.usable()]
        return found + self.strays(up)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with Lab(tmp_path / "lab", COUNT) as lab:
        bed = Bed(lab, tmp_path / "site")
        with bed.site:
            yield bed


class Wait(NamedTuple):
    """A health test that was due and had to wait."""

    node: str
    due: float
    start: float


def waits_of(history: list[dict[str, Any]], began: float, ended: float) -> list[Wait]:
    """Return how long each test of a node's health waited between two instants; what still waits ends then."""
    found: list[Wait] = []
    due: dict[str, float] = {}
    for event in history:
        at, node, kind = _seconds(event["at"]), event.get("node", ""), event["kind"]
        if kind in {"probe", "void"} and not event.get("experiment"):
            found.append(Wait(node, due.pop(node, at), _seconds(event["started_at"])))
            due[node] = at + (EVERY_S if kind == "probe" else 0.0)
        elif kind in {"node-added", "suspect", "transition"}:
            due[node] = at
        elif kind == "node-removed":
            due.pop(node, None)
    found += [Wait(node, at, ended) for node, at in due.items() if at < ended]
    return [wait for wait in found if wait.start >= began and wait.due < wait.start]


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def chaos(bed: Bed) -> None:
    """Let ticks begin every second, and kill some, while things happen to the machines."""
    running = []
    for _ in range(STEPS):
        running.append(bed.site.start("tick"))
        time.sleep(bed.dice.uniform(0.4, 1.2))
        running = [tick for tick in running if tick.poll() is None]
        if running and bed.dice.random() < KILLED:
            victim = bed.dice.choice(running)
            victim.kill()
            victim.wait()
        bed.happen()
        bed.happen()
    for tick in running:
        tick.kill()
        tick.wait()


def settle(bed: Bed, *, gone: tuple[str, ...] = ()) -> None:
    """Let ticks begin every other second until all is as it should be."""
    until = time.monotonic() + 90
    ticks = []
    while faults := bed.faults(gone=gone):
        assert time.monotonic() < until, "\n".join(faults)
        ticks.append(bed.site.start("tick"))
        wait_until(lambda: not bed.faults(gone=gone), within_s=2, every_s=0.2)  # which looks at all machines
    # One that tries dead machines again and again would not end by itself. Nothing else is due.
    for tick in ticks:
        tick.terminate()
    # The last one may not have got as far as to listen to signals.
    assert {tick.wait(timeout=30) for tick in ticks} <= {0, 143, -15}


def test_every_vnode_that_is_wanted_is_up_once_and_no_other_is_left(bed: Bed) -> None:
    site = bed.site
    bed.configure(every=f"{EVERY_S:g}s", check="6s")
    bed.add(list(bed.hosts))
    site.run("trust", "*", "--yes")
    with Watch([bed.lab.network.pid], PORT) as watch:
        site.start("tick")
        site.run("experiment", "swapin", "named", "--nodes", ",".join(list(bed.hosts)[:NAMED]), "--yes")
        site.run("experiment", "swapin", "everywhere", "--all-nodes")
        assert wait_until(lambda: list(site.pools().values()).count("good") >= COUNTED)
        site.run("experiment", "swapin", "counted", "--count", str(COUNTED))
        began = time.time()
        chaos(bed)
        meanwhile = site.history()
        waits = waits_of(meanwhile, began, time.time())

        bed.configure(every="1h", check="1h")
        site.run("retest", "*", "--yes")
        settle(bed)  # while some machines are still dead, and others removed

        bed.mend([*bed.cut, *bed.stopped])
        bed.add(bed.removed)
        site.run("experiment", "swapout", "named")
        site.run("retest", "*", "--yes")
        settle(bed, gone=("named",))

    assert site.output() == ""
    assert WINDOW // 2 <= watch.most <= WINDOW
    probes = [event for event in meanwhile if event["kind"] in {"probe", "vnode-probe"}]
    longest_s = max(event["seconds"] for event in probes)
    used_s = sum(event["seconds"] for event in probes if _seconds(event["at"]) > began)
    tests_s = sum(event["seconds"] for event in probes if _seconds(event["at"]) > began and event["kind"] == "probe")
    assert tests_s > used_s / 10, "at least a fifth is theirs while they have members due"
    share = WINDOW / 5  # of the two health pools and the three experiments, which weigh the same
    for wait in waits:
        ahead = sum(other.due < wait.start and wait.due < other.start for other in waits) - 1
        assert wait.start - wait.due <= (2 + ahead / share) * longest_s + LOST_S, wait
