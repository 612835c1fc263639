"""The status: the nodes, the totals over all of them, and what keeps plabctl from its work.

Pure. Go on with `plabctl.views.node`, where the view of one node is made.
Tests: `tests/render/test_status_table.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from plabctl.core.state import GUARD_TOPIC, State
from plabctl.values import dataclass
from plabctl.views.node import NODE_FACTS, NodeFacts, NodeView, ViewContext, list_node_views

if TYPE_CHECKING:
    from typing import Literal

    from plabctl.core.stuck import Problem


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all nodes there are, whatever part of them is listed."""

    nodes: int
    pools: dict[str, int]
    held: int
    suspect: int
    absent: int
    in_use: int
    """The slots that are held, as far as the kernel says; else those that claims name."""
    last_test_at: float
    """When the last test ended; 0 if there was none."""
    next_due_at: float | None


def count_totals(context: ViewContext, seen: Iterable[NodeFacts] | None = None) -> Totals:
    """Count all nodes; `seen` are the facts of all of them, if they have been read already."""
    now = context.now
    pools = dict.fromkeys(context.settings.pools, 0)
    held = suspect = absent = nodes = 0
    last_test_at = 0.0
    claims = context.claims
    next_due_at: float | None = None
    for node in context.state.select(NODE_FACTS) if seen is None else seen:
        nodes += 1
        pools[node.pool] = pools.get(node.pool, 0) + 1
        held += node.is_held(now)
        suspect += node.is_suspect
        absent += node.absent_since_at is not None
        if node.last is not None and node.last.at > last_test_at:
            last_test_at = node.last.at
        is_waiting = node.node not in claims and node.absent_since_at is None
        if is_waiting and (next_due_at is None or node.due_at < next_due_at):
            next_due_at = node.due_at
    # Claims that a tick keeps in hand for its next free slot name one that is in use already: slots are counted.
    slots = {claim.slot for claim in claims.values()} if context.sight is None else context.sight.held_slots
    return Totals(nodes, pools, held, suspect, absent, len(slots), last_test_at, next_due_at)


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
    )
    return StatusView(head, totals, list_node_views(context, names, seen))


def build_guard_view(state: State) -> GuardView:
    """Return what the guard holds now."""
    if GUARD_TOPIC not in state.notes:
        return GuardView("off", None)
    from plabctl.core.guard.model import read_guard

    scopes = [ScopeView(each.scope, each.since_at, each.why) for each in read_guard(state).scopes.values()]
    return GuardView("on", scopes) if scopes else GuardView("off", None)


def find_current_problems(context: ViewContext, totals: Totals) -> list[Problem]:
    """Return what keeps plabctl from its work now, the gravest first; nothing when that is not known."""
    if context.sight is None:
        return []
    from plabctl.core.stuck import find_problems

    now, last_tick_at = context.now, context.last_tick_at
    return find_problems(context.sight, context.state, context.settings, now, last_tick_at, totals.last_test_at)
