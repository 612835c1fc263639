"""What the demo shows at one moment, as typed values: each node with its last tests and three opinions about it.

Pure: made from the state, the history and the results of the checks. `live_board` draws it, `sentences` tells the
events, `results` tells the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from plabctl.core.flap import count_passes_to_go
from plabctl.core.model import Event, Member, Outcome
from plabctl.core.names import build_sort_key
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.demo.roles import STAGED
from plabctl.render.listing import Cell
from plabctl.render.styles import GLYPHS


class NodeState(StrEnum):
    """What plabctl says of a node, in the order in which nodes are shown."""

    BAD = "bad"
    SUSPECT = "suspect"
    UNTESTED = "not tested"
    GOOD = "good"


_STYLES = {NodeState.GOOD: "good", NodeState.BAD: "bad", NodeState.SUSPECT: "suspect", NodeState.UNTESTED: ""}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check said: whether it passed, and what it said in a word or two."""

    passed: bool
    words: str


@dataclass(frozen=True, slots=True)
class NodeChecks:
    """The latest results for one node; None for a check that has not ended yet."""

    ping: CheckResult | None = None
    login: CheckResult | None = None

    @property
    def both_pass(self) -> bool:
        """Whether the node answers a ping and lets us log in."""
        return self.ping is not None and self.ping.passed and self.login is not None and self.login.passed


UNCHECKED = NodeChecks()


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node. `tests` are the outcomes of its counted tests, oldest first; `reason` is why the last one failed."""

    name: str
    state: NodeState
    checks: NodeChecks = UNCHECKED
    tests: tuple[Outcome, ...] = ()
    is_testing: bool = False
    reason: str = ""
    passes_needed: int = 0
    """How many more passes in a row bring it back to good; 0 for a node that is there."""
    staged: str = ""

    @property
    def state_cell(self) -> Cell:
        """What plabctl says of it: a sign and a word."""
        style = _STYLES[self.state]
        return Cell(f"{GLYPHS[style]} {self.state}", style)

    @property
    def is_deceptive(self) -> bool:
        """Whether ping and login find nothing wrong with a node that hosts no virtual node."""
        return self.checks.both_pass and self.state in {NodeState.BAD, NodeState.SUSPECT}


@dataclass(frozen=True, slots=True)
class DemoView:
    """All nodes, those that are bad first, and how much is going on."""

    nodes: tuple[NodeView, ...]
    window: int
    left_s: float = 0.0

    @property
    def deceptive_count(self) -> int:
        """The number of nodes that deceive a ping and a login now."""
        return sum(node.is_deceptive for node in self.nodes)

    def find_node(self, name: str | None) -> NodeView | None:
        """Return the node of that name."""
        return next((node for node in self.nodes if node.name == name), None)


def build_demo_view(
    settings: Settings,
    state: State,
    now: float,
    checks: Mapping[str, NodeChecks],
    tests: Mapping[str, tuple[Outcome, ...]],
    left_s: float = 0.0,
) -> DemoView:
    """Return what is to be seen at `now`; `tests` as `list_tests` gives them."""
    testing = {claim.node for claim in state.claims.values() if claim.is_running(now)}
    nodes = []
    for member in state.members():
        node, last = state.node(member.node), member.last
        nodes.append(
            NodeView(
                name=member.node,
                state=_find_state(member, settings),
                checks=checks.get(member.node, UNCHECKED),
                tests=tests.get(member.node, ()),
                is_testing=member.node in testing,
                reason=(last.reason or str(last.cause)) if last and last.outcome is not Outcome.PASS else "",
                passes_needed=_count_passes(member, settings, now),
                staged=node.variables.get(STAGED, "") if node else "",
            )
        )
    ranks = list(NodeState)
    nodes.sort(key=lambda node: (ranks.index(node.state), build_sort_key(node.name)))
    return DemoView(tuple(nodes), settings.window, left_s)


def list_tests(events: Iterable[Event]) -> dict[str, tuple[Outcome, ...]]:
    """Return the outcomes of the counted tests among `events`, oldest first, by node."""
    tests: dict[str, tuple[Outcome, ...]] = {}
    for event in events:
        outcome = str(event.data.get("outcome"))
        if event.kind == "probe" and event.node and outcome in {Outcome.PASS, Outcome.FAIL}:
            tests[event.node] = (*tests.get(event.node, ()), Outcome(outcome))
    return tests


def _is_good(member: Member, settings: Settings) -> bool:
    pool = settings.pools.get(member.pool)
    return pool is not None and pool.is_good


def _find_state(member: Member, settings: Settings) -> NodeState:
    if member.is_suspect:
        return NodeState.SUSPECT
    if _is_good(member, settings):
        return NodeState.GOOD
    return NodeState.BAD if member.last else NodeState.UNTESTED


def _count_passes(member: Member, settings: Settings, now: float) -> int:
    if _is_good(member, settings):
        return 0
    return 1 if member.is_suspect else count_passes_to_go(member, settings.flap, max(now, member.due_at))
