"""Hostile outputs on their way in: from the bytes that a node prints to reports, the state, the history and the outbox.

I/O: a store and a history in a folder. What a probe does with what it reads is done by the real `ProbeRun`; only the
connection is made up. Go on with `hostile_views`, which shows what came in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from plabctl.app.record_events import record_events
from plabctl.clock import SystemClock
from plabctl.core import enrolment, node_orders
from plabctl.core.assignment import Assignment
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Cause, Claim, Event, Goal, Node, Report
from plabctl.core.pools.base import build_pools
from plabctl.core.recipe import Become, Recipe, Stage, Transport
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.frame import MARK, StageFrame, build_end_mark
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.probe_run import ProbeRun
from plabctl.probes.shell import Shell, StageFault, StageResult
from plabctl.values import replace
from tests.app.installation import Installation
from tests.builders import make_claim

LIMIT = 4096
CLOCK = SystemClock()
_STAGE = Stage(run="true", timeout_s=10.0, every_s=100.0)
RECIPE = Recipe("process", Transport.SSH, _STAGE, _STAGE, _STAGE, _STAGE, teardown_required=False)
_FAILING = ("setup", "up", "check", "teardown", "login", "late", "lost")
"""Where the output turns up: in a stage that fails, in a remark, in what a server says in place of a login."""


class MadeUp:
    """A shell in which the stage `failing` prints `output` and does not pass."""

    def __init__(self, output: bytes, failing: str) -> None:
        self._output = output
        self._failing = failing
        self._ran = 0

    def run(
        self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
    ) -> StageResult:
        del text, variables, timeout_s, become
        stage = ("setup", "up", "check", "teardown")[min(self._ran, 3)]
        self._ran += 1
        fails = stage == self._failing or (stage == "setup" and self._failing in {"late", "lost"})
        fault = {"late": StageFault.LATE, "lost": StageFault.LOST}.get(self._failing) if fails else None
        frame = StageFrame(LIMIT, 1)
        whole = MARK + self._output + (b"" if fault else build_end_mark(1, int(fails)))
        for start in range(0, len(whole), 1000):
            frame.add(whole[start : start + 1000])
        output = frame.finish()
        said = self._output.decode("latin-1") if fault is StageFault.LOST else ""
        return StageResult(None if fault else frame.exit_code, output.text(), output.truncated, fault, said)

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        """Hold nothing."""


def report_on(job: Assignment, output: bytes, failing: str) -> Report:
    """Return the report of a probe whose node prints `output`."""

    def open_shell(transport: Transport, end: float) -> Shell:
        del transport, end
        if failing == "login":
            said = output.decode("utf-8", "surrogateescape")
            raise ProbeError(Cause.PROTOCOL, f"connection closed before the SSH banner, twice: {said}")
        return MadeUp(output, failing)

    return ProbeRun(job, open_shell, Cancellation(), CLOCK).run()


@dataclass(frozen=True, slots=True)
class Batch:
    """An installation to which nodes have said what they say, and the events that came of it."""

    installation: Installation
    names: tuple[str, ...]
    events: tuple[Event, ...]
    reports: tuple[Report, ...]


def take_in(folder: Path, said: Sequence[bytes], labels: Sequence[Mapping[str, str]]) -> Batch:
    """Settle a probe, and the set-up of a vnode, for each output; each node has the labels at its place."""
    installation = Installation(folder, recipes={"process": RECIPE})
    nodes = [Node(f"n{number:05d}", label) for number, label in enumerate(labels)]
    now = CLOCK.now()
    with installation.store.session() as state:
        settings, rng = installation.settings, Random(1)
        state.apply(enrolment.add_nodes(state, settings, nodes, node_orders.Order("ann", "", now, rng)))
        good = [replace(member, pool="good") for number, member in enumerate(state.members()) if number % 2]
        options = Experiment("web", "process", "ann", now - 60.0, nodes=tuple(node.name for node in nodes))
        vnodes = [Vnode("web", node.name, VnodeState.PENDING, now, now, vnode=f"web-{node.name}") for node in nodes]
        tests, setups = list(_reports(nodes, said)), list(_reports(nodes, said, "web"))
        claims = [_claim_of(report, now) for report in (*tests, *setups)]
        state.apply(Changes(members=tuple(good), experiments=(options,), vnodes=tuple(vnodes), claims=tuple(claims)))
        state.apply(settle(state, (*tests, *setups), build_pools(settings), now, rng))
        events = tuple(state.outbox)
    record_events(installation.app, events)
    return Batch(installation, tuple(node.name for node in nodes), events, (*tests, *setups))


def _reports(nodes: Sequence[Node], said: Sequence[bytes], experiment: str = "") -> Iterator[Report]:
    for number, (node, output) in enumerate(zip(nodes, said, strict=True)):
        job = Assignment(
            node=node,
            token=f"{experiment}-token-{node.name}",
            recipe=RECIPE,
            vnode=f"{experiment or 'test'}-{node.name}",
            pool=experiment or "good",
            deadline_s=600.0,
            experiment=experiment,
            goal=Goal.SETUP if experiment else Goal.TEST,
        )
        yield report_on(job, output, _FAILING[(number + bool(experiment)) % len(_FAILING)])


def _claim_of(report: Report, now: float) -> Claim:
    goal = Goal.SETUP if report.experiment else Goal.TEST
    vnode = f"{report.experiment or 'test'}-{report.node}"
    more = {"experiment": report.experiment, "goal": goal, "token": report.token, "vnode": vnode}
    return make_claim(report.node, started_at=now - 1, deadline_at=now + 600, **more)
