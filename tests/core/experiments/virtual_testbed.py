"""Experiments under a virtual clock, by the functions that a tick calls, on nodes that remember what stands on them.

A real node is what this tells the truth about: `standing` says which vnodes are on each machine, whoever thinks what.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from plabctl.core import claim as claiming
from plabctl.core import enrolment, fairness, node_orders
from plabctl.core.assign import assign
from plabctl.core.assignment import Assignment
from plabctl.core.experiments import membership
from plabctl.core.experiments import swaps as experiment_orders
from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.core.model import Cause, Claim, Event, Goal, Leftover, Outcome, Report, StageRun, TickMark
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import Settings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.views.experiments import ExperimentOverview, read_overview
from tests.builders import NOW, make_node, make_settings
from tests.memory_state import MemoryState


def wanted(name: str = "exp", **fields: object) -> Experiment:
    return replace(Experiment(name, "", "", 0.0), **fields)  # type: ignore[arg-type]  # any field of it


class VirtualTestbed:
    """What has happened so far stands in `events`; `dead` machines answer nobody; a claim runs until it is ended."""

    __test__ = False

    def __init__(self, *names: str, settings: Settings | None = None, **variables: str) -> None:
        self.settings = settings or make_settings()
        self.state = MemoryState()
        self.now = NOW
        self.events: list[Event] = []
        self.dead: set[str] = set()
        self.placement: dict[str, set[str]] = {}
        self.debris: dict[str, tuple[Leftover, ...]] = {}
        self.assignments: dict[str, Assignment] = {}
        self.rng = Random(5)
        self.add(*names, **variables)

    # What people do.

    def order(self) -> node_orders.Order:
        return node_orders.Order("ada", "", self.now, self.rng)

    def add(self, *names: str, **variables: str) -> None:
        """Add nodes, in good at once."""
        nodes = [make_node(name, **variables) for name in names]
        self.apply(enrolment.add_nodes(self.state, self.settings, nodes, self.order()))
        for name in names:
            self.put(name, "good")

    def put(self, name: str, pool: str) -> None:
        member = self.state.member(name)
        assert member is not None
        if member.pool != pool:
            self.apply(node_orders.move(self.state, self.settings, [name], pool, self.order(), None))
            member = self.state.member(name)
            assert member is not None
        self.apply(Changes(members=(replace(member, due_at=self.now + 1e9),)))

    def remove(self, name: str) -> None:
        self.apply(enrolment.remove_nodes(self.state, [name], self.order()))

    def swap_in(self, experiment: Experiment) -> None:
        self.apply(experiment_orders.swap_in(self.state, self.settings, experiment, self.order()))
        self.reconcile()

    def swap_out(self, name: str = "exp") -> None:
        self.apply(experiment_orders.swap_out(self.state, name, self.order()))
        self.reconcile()

    # What ticks do.

    def wait(self, seconds: float) -> None:
        self.now = round(self.now + seconds, 3)

    def reconcile(self) -> None:
        self.apply(membership.reconcile(self.state, self.settings, self.now, self.rng))

    def start(self, count: int = 1000, *, health: bool = False) -> list[Claim]:
        """Claim what is due of experiments, and of the health pools if asked."""
        self.reconcile()
        rows = claiming.list_candidates(self.state, self.settings, self.now)
        rows = [row for row in rows if row.experiment or health]
        shares = fairness.compute_shares(self.state, self.settings, self.now)
        chosen = claiming.choose_rows(rows, self.state.claims.values(), count, self.now, shares).rows
        mark = claiming.Claimant(TickMark("tick", self.now), "boot", self.rng)
        jobs, changes = assign(self.state, self.settings, chosen, range(len(chosen)), mark, self.now)
        self.apply(changes)
        self.assignments.update({job.claim.token: job.assignment for job in jobs})
        return [job.claim for job in jobs]

    def carry_out(self, claim: Claim) -> Report:
        """Do to the machine what a probe would, and say what it would report."""
        vnodes = self.placement.setdefault(claim.node, set())
        leftovers = tuple(piece.vnode for piece, _ in self.assignments[claim.token].leftovers)
        if claim.node in self.dead:
            left = leftovers if claim.goal is Goal.SETUP else (claim.vnode,) * (claim.goal is Goal.TEARDOWN)
            return self.report(claim, "fail", Cause.CONNECT, left=left)
        match claim.goal:
            case Goal.SETUP:
                vnodes.difference_update(leftovers)
                assert claim.vnode not in vnodes, "a vnode was set up where it stood already"
                vnodes.add(claim.vnode)
            case Goal.CHECK:
                if claim.vnode not in vnodes:
                    return self.report(claim, "fail", Cause.CHECK, stages=(StageRun("check", 0.1, 1),))
            case Goal.TEARDOWN:
                vnodes.discard(claim.vnode)
            case _:
                pass
        return self.report(claim, "pass", None)

    def report(self, claim: Claim, outcome: str, cause: Cause | None, **fields: object) -> Report:
        report = Report(
            claim.node,
            claim.token,
            Outcome(outcome),
            cause,
            outcome,
            claim.started_at,
            1.0,
            experiment=claim.experiment,
        )
        return replace(report, **fields)  # type: ignore[arg-type]  # any field of it

    def settle(self, *reports: Report) -> None:
        self.apply(fairness.count_use(self.state, reports, self.now))
        self.apply(settle(self.state, reports, build_pools(self.settings), self.now, self.rng))
        self.reconcile()

    def kill(self, *claims: Claim) -> None:
        """The holder of these claims is gone, whatever it has done to the machines."""
        self.apply(claiming.void_claims(self.state, {claim.key: "its tick is gone" for claim in claims}, self.now))
        self.reconcile()

    def work(self, until: Callable[[], bool] | None = None, *, rounds: int = 20) -> None:
        """Let ticks come until nothing of any experiment is due, each doing all that is."""
        for _ in range(rounds):
            claims = self.start()
            if not claims:
                return
            self.settle(*map(self.carry_out, claims))
            if until and until():
                return

    # What is so.

    def vnode(self, node: str, experiment: str = "exp") -> Vnode:
        vnode = self.state.vnode(f"{experiment}/{node}")
        assert vnode is not None
        return vnode

    def states(self, experiment: str = "exp") -> dict[str, str]:
        return {place.vnode.node: place.state.value for place in self.picture(experiment).vnode_views}

    def picture(self, experiment: str = "exp") -> ExperimentOverview:
        return read_overview(self.state, experiment)

    def on(self, node: str) -> int:
        """How many vnodes stand on the machine."""
        return len(self.placement.get(node, ()))

    def delivered(self) -> list[str]:
        """The events of experiments so far, but for single probes."""
        kinds = {event.kind: event for event in self.events}
        assert all(event.data.get("experiment") for kind, event in kinds.items() if kind.startswith(("vnode", "exp")))
        return [
            f"{event.kind} {event.node}" if event.node else event.kind
            for event in self.events
            if event.kind.startswith(("vnode-", "experiment-")) and event.kind != "vnode-probe"
        ]

    def apply(self, changes: Changes) -> None:
        self.state.apply(changes)
        self.events.extend(changes.events)
