"""The status: the nodes, the totals over all of them, and what keeps plabctl from its work.

Pure. Go on with `plabctl.views.node`, where the view of one node is made.
Tests: `tests/render/test_status_table.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from plabctl.core.model import Outcome
from plabctl.core.state import GUARD_TOPIC, State
from plabctl.core.surroundings import NodeCounts, Surroundings
from plabctl.core.usable import explain_unusable
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass
from plabctl.views.node import NODE_FACTS, NodeFacts, NodeView, ViewContext, list_node_views

if TYPE_CHECKING:
    from typing import Literal

    from plabctl.core.problems import Problem


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all nodes there are, whatever part of them is listed."""

    nodes: int
    held: int
    suspect: int
    absent: int
    in_use: int
    """The slots that are held, as far as the kernel says; else those that claims name."""
    counts: NodeCounts
    busy: int = 0

    @property
    def pools(self) -> Mapping[str, int]:
        """The number of nodes in each pool."""
        return self.counts.pools


def count_totals(context: ViewContext, seen: Iterable[NodeFacts] | None = None) -> Totals:
    """Count all nodes; `seen` are the facts of all of them, if they have been read already."""
    now, claims, good_pools = context.now, context.claims, context.settings.good_pools
    pools = dict.fromkeys(context.settings.pools, 0)
    held = suspect = absent = stuck = nodes = unknown = untested = 0
    last_test_at = 0.0
    is_any_usable = False
    unknown_outcome = Outcome.UNKNOWN
    next_due_at: float | None = None
    # Those that nobody waits for, or that wait until they are released.
    busy = {name for name in context.state.names() if name in uses} if (uses := context.busy) else ()
    taken = {*claims, *busy} if busy else claims
    for node in context.state.select(NODE_FACTS) if seen is None else seen:
        name, _, pool, _, due_at, _, _, _, _, suspicion, hold, _, absent_since_at, stuck_since_at, _, last, *_ = node
        nodes += 1
        pools[pool] = pools.get(pool, 0) + 1
        # Most nodes have none of these: a call for each would take longer than all the rest here.
        held += hold is not None and hold.holds(now)
        suspect += suspicion is not None and suspicion.pool != pool
        absent += absent_since_at is not None
        if stuck_since_at is not None:
            stuck += 1
        if last is None:
            untested += absent_since_at is None  # those are not tested
        else:
            unknown += last.outcome is unknown_outcome
            last_test_at = max(last_test_at, last.at)
        # One is enough.
        is_any_usable = is_any_usable or explain_unusable(node, now, is_in_good=pool in good_pools) is None
        if (next_due_at is None or due_at < next_due_at) and absent_since_at is None and name not in taken:
            next_due_at = due_at
    # Claims that a tick keeps in hand for its next free slot name one that is in use already: slots are counted.
    slots = {claim.slot for claim in claims.values()} if context.sight is None else context.sight.held_slots
    counts = NodeCounts(pools, unknown, untested, is_any_usable, last_test_at, next_due_at, stuck)
    return Totals(nodes, held, suspect, absent, len(slots), counts, len(busy))


@dataclass(frozen=True, slots=True)
class WindowView:
    """How many tests may run at once, and how many do."""

    size: int
    in_use: int


@dataclass(frozen=True, slots=True)
class ScopeView:
    """One scope in which moves to bad are held now."""

    scope: str
    since_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class GuardView:
    """The guard; None for the scopes when it is off."""

    state: Literal["on", "off"]
    scopes: Sequence[ScopeView] | None


@dataclass(frozen=True, slots=True)
class SourceView:
    """One of several monitors. None is unknown: nothing could be read."""

    monitor: str
    source: str
    """The path or the address."""
    is_stale: bool
    """Whether the status is older than it may be, or of a time to come."""
    generated_at: float | None = None
    rev: int | None = None
    last_tick_at: float | None = None
    nodes_count: int | None = None
    fault: str | None = None
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class StatusHead:
    """What stands beside the nodes."""

    generated_at: float
    rev: int
    window: WindowView
    guard: GuardView
    counts: Mapping[str, int]
    problems: Sequence[Problem] | None
    """What keeps plabctl from its work, the gravest first."""
    last_tick_at: float | None
    last_success_at: float | None
    """When a tick last ended without an error."""
    good_pools: Sequence[str]
    """The pools whose nodes are offered."""
    every_seconds: float | None = None
    """How old it gets before it is written anew; None where that is done with every tick."""
    sources: Sequence[SourceView] | None = None
    """The monitors that it is about; None for this one."""


@dataclass(frozen=True, slots=True)
class StatusView:
    """The status: the head, the totals over all nodes, and the nodes that were asked for; they are walked once."""

    head: StatusHead
    totals: Totals
    nodes: Iterable[NodeView]


def build_status_view(context: ViewContext, names: Iterable[str]) -> StatusView:
    """Return the status with these nodes."""
    seen = {node.node: node for node in context.state.select(NODE_FACTS)}  # reading them twice would cost twice
    totals = count_totals(context, seen.values())
    head = StatusHead(
        generated_at=context.now,
        rev=context.state.rev,
        window=WindowView(context.settings.window, totals.in_use),
        guard=build_guard_view(context.state),
        counts=totals.pools,
        problems=find_current_problems(context, totals) or None,
        last_tick_at=context.last_tick_at,
        last_success_at=context.around.last_success_at if context.around else None,
        good_pools=sorted(context.settings.good_pools),
    )
    return StatusView(head, totals, list_node_views(context, names, seen))


def build_guard_view(state: State) -> GuardView:
    """Return what the guard holds now."""
    if GUARD_TOPIC not in state.notes:
        return GuardView("off", None)
    from plabctl.core.guard.model import read_guard

    scopes = [ScopeView(each.scope, each.since_at, each.why) for each in read_guard(state).scopes.values()]
    return GuardView("on", scopes) if scopes else GuardView("off", None)


def find_current_problems(context: ViewContext, totals: Totals, max_age_s: float | None = None) -> list[Problem]:
    """Return what keeps plabctl from its work now, the gravest first; a tick is late when older than `max_age_s`."""
    from plabctl.core.find_problems import TICKS_COME_S, find_problems

    if context.told is not None:
        return context.told
    return find_problems(
        context.state,
        context.settings,
        context.now,
        context.last_tick_at,
        totals.counts,
        context.around or Surroundings(),
        context.sight,
        max_age_s=TICKS_COME_S if max_age_s is None else max_age_s,
    )
