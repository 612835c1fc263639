"""A small world under a virtual clock: nodes, probes, orders and the guard, by the very functions that a tick calls."""

from random import Random

from plabctl.core import absences, enrolment, node_orders
from plabctl.core import claim as claiming
from plabctl.core.assign import assign
from plabctl.core.guard import evaluate
from plabctl.core.model import Cause, Event, Member, Outcome, Report, TickMark
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import Settings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.errors import Refused
from tests.builders import NOW, make_node, make_settings
from tests.memory_state import MemoryState

CAUSES = {"pass": None, "fail": Cause.SETUP, "unknown": Cause.LOCAL}


class VirtualWorld:
    """What has happened so far stands in `events`, oldest first."""

    def __init__(self, *names: str, settings: Settings | None = None) -> None:
        self.settings = settings or make_settings()
        self.state = MemoryState()
        self.now = NOW
        self.events: list[Event] = []
        self._rng = Random(5)
        nodes = [make_node(name) for name in names]
        self._apply(enrolment.add_nodes(self.state, self.settings, nodes, self._order("add")))

    def member(self, name: str = "n1") -> Member:
        member = self.state.member(name)
        assert member is not None
        return member

    def wait(self, seconds: float) -> None:
        self.now = round(self.now + seconds, 3)

    def until_due(self, name: str = "n1") -> None:
        self.now = max(self.now, self.member(name).due_at)

    def start(self, *names: str) -> None:
        """Claim these nodes, or all that are due."""
        rows = claiming.list_candidates(self.state, self.settings, self.now, only=set(names) or None)
        mark = claiming.Claimant(TickMark("tick", self.now), "boot", self._rng)
        self._apply(assign(self.state, self.settings, rows, range(len(rows)), mark, self.now)[1])

    def end(self, outcome: str, *names: str) -> None:
        """Let the probes of these nodes, or of all that are probed, end with `outcome`."""
        reports = [
            Report(name, claim.token, Outcome(outcome), CAUSES[outcome], f"{outcome}ed", claim.started_at, 1.0)
            for name, claim in self.state.claims.items()
            if not names or name in names
        ]
        watch, changes = evaluate.evaluate(self.state, self.settings, reports, self.now, is_cut_off=None)
        self._apply(changes)
        self._apply(settle(self.state, reports, build_pools(self.settings), self.now, self._rng, watch))

    def probe(self, outcomes: str, name: str = "n1") -> list[str]:
        """Probe the node when it is due, once for each letter of P, F and ?; return its pool after each."""
        pools = []
        for letter in outcomes:
            self.until_due(name)
            self.start(name)
            self.end({"P": "pass", "F": "fail", "?": "unknown"}[letter], name)
            pools.append(self.member(name).pool + "?" * self.member(name).is_suspect)
        return pools

    def move(self, name: str, pool: str, for_s: float | None = None, *, is_once: bool = False) -> None:
        until_at, order = None if for_s is None else self.now + for_s, self._order("move")
        self._apply(node_orders.move(self.state, self.settings, [name], pool, order, until_at, is_once=is_once))

    def hold(self, name: str, for_s: float | None = None) -> None:
        until_at = None if for_s is None else self.now + for_s
        self._apply(node_orders.hold(self.state, self.settings, [name], self._order("hold"), until_at))

    def release(self, name: str) -> None:
        self._apply(node_orders.release(self.state, [name], self._order("release")))

    def retest(self, name: str) -> None:
        self._apply(node_orders.retest(self.state, [name], self._order("retest")))

    def blink(self, name: str) -> None:
        """Let the inventory drop the node, or list it again."""
        is_absent = self.member(name).absent_since_at is not None
        order = self._order("")
        self._apply(
            absences.mark_back(self.state, [name], order)
            if is_absent
            else absences.mark_absent(self.state, [name], order, 86400.0)
        )

    def rename(self, old: str, new: str) -> None:
        """Let the inventory list the node under another name."""
        self._apply(absences.rename_nodes(self.state, {old: make_node(new)}, self._order("")))

    def try_to(self, what: str, *arguments: object) -> bool:
        """Give an order that may be refused; say whether it was not."""
        try:
            getattr(self, what)(*arguments)
        except Refused:
            return False
        return True

    def moves(self, name: str = "n1") -> list[str]:
        """What moved the node so far: `kind from->to actor`."""
        kinds = {"transition", "suspect", "refuted", "guarded"}
        return [
            f"{event.kind} {event.data['from']}->{event.data['to']} {event.actor}"
            for event in self.events
            if event.node == name and event.kind in kinds
        ]

    def _order(self, reason: str) -> node_orders.Order:
        return node_orders.Order("ada", reason, self.now, self._rng)

    def _apply(self, changes: Changes) -> None:
        self.state.apply(changes)
        self.events.extend(changes.events)
