"""The status of all nodes, or of some: the list itself, its totals, and the line under the table.

Pure. `node` makes one row, `words` what people read in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from plabctl.core.settings import Settings
from plabctl.core.state import GUARD_TOPIC, State
from plabctl.core.stuck import find_problems
from plabctl.core.summary import NodeSummary
from plabctl.durations import format_duration
from plabctl.render.listing import Listing, Row
from plabctl.render.node_row import build_node_row, find_guests
from plabctl.render.times import format_ago, format_iso, format_until
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.guard.model import GuardedScope
    from plabctl.core.model import Claim
    from plabctl.core.stuck import LockReport, Problem

FIELDS = (
    "name",
    "pool",
    "since_at",
    "due_at",
    "testing",
    "held",
    "suspect",
    "ok_streak",
    "fail_streak",
    "passes_needed",
    "penalty",
    "last.outcome",
    "last.cause",
    "last.at",
    "last.seconds",
    "last.reason",
    "site",
    "labels",
    "experiments",
)
"""The columns of `status -o tsv`: new ones are only ever added at the end."""


@dataclass(frozen=True, slots=True)
class ViewContext:
    """All that the status is made from, read at one instant."""

    settings: Settings
    state: State
    now: float
    last_tick_at: float | None = None
    sight: LockReport | None = None
    """The locks that are held and the ticks that run; None when that is not known."""

    @property
    def claims(self) -> Mapping[str, Claim]:
        """The claims that a probe stands behind, by member: those in a slot that a process holds."""
        claims = self.state.claims
        if self.sight is None:
            return {key: claim for key, claim in claims.items() if claim.is_running(self.now)}
        held = self.sight.held_slots
        return {key: claim for key, claim in claims.items() if claim.slot in held}


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all nodes there are, whatever part of them is listed."""

    nodes: int
    pools: dict[str, int]
    held: int
    suspect: int
    in_use: int
    """The slots that are held, as far as the kernel says; else those that claims name."""
    last_test_at: float
    """When the last test ended; 0 if there was none."""
    next_due_at: float | None


def build_rows(
    context: ViewContext, names: Iterable[str], seen: Mapping[str, NodeSummary] | None = None
) -> Iterator[Row]:
    """Yield the row of each of these nodes; `seen` are all nodes, if they have been read already."""
    state, settings, now = context.state, context.settings, context.now
    claims = context.claims
    summary = state.summary if seen is None else seen.get
    guests = find_guests(state)
    for name in names:
        node = summary(name)
        if node is not None:
            yield build_node_row(node, claims.get(name), settings, now, guests)


def read_all_nodes(context: ViewContext) -> dict[str, NodeSummary]:
    """Return all nodes, by name: reading them twice would cost twice."""
    return {node.node: node for node in context.state.summaries()}


def count_totals(context: ViewContext, seen: Iterable[NodeSummary] | None = None) -> Totals:
    """Count all nodes; `seen` are all of them, if they have been read already."""
    now = context.now
    pools = dict.fromkeys(context.settings.pools, 0)
    held = suspect = nodes = 0
    last_test_at = 0.0
    claims = context.claims
    next_due_at: float | None = None
    for node in context.state.summaries() if seen is None else seen:
        nodes += 1
        pools[node.pool] = pools.get(node.pool, 0) + 1
        held += node.is_held(now)
        suspect += node.is_suspect
        last_test_at = max(last_test_at, node.tested_at)
        if node.node not in claims and (next_due_at is None or node.due_at < next_due_at):
            next_due_at = node.due_at
    # Claims that a tick keeps in hand for its next free slot name one that is in use already: slots are counted.
    slots = {claim.slot for claim in claims.values()} if context.sight is None else context.sight.held_slots
    return Totals(nodes, pools, held, suspect, len(slots), last_test_at, next_due_at)


def problems_of(context: ViewContext, counted: Totals) -> list[Problem]:
    """Return what keeps plabctl from its work now, the gravest first; nothing when that is not known."""
    if context.sight is None:
        return []
    now, last_tick_at = context.now, context.last_tick_at
    return find_problems(context.sight, context.state, context.settings, now, last_tick_at, counted.last_test_at)


def filter_pools(context: ViewContext, names: Iterable[str], pools: Collection[str]) -> Iterator[str]:
    """Yield those of `names` that are in one of `pools`; all of them when no pool is asked for."""
    for name in names:
        if not pools or ((node := context.state.summary(name)) and node.pool in pools):
            yield name


def build_listing(context: ViewContext, names: Sequence[str]) -> Listing:
    """Return the status of these nodes for people: with columns and the line under the table."""
    from plabctl.render.status_cells import build_columns

    seen = read_all_nodes(context)
    counted = count_totals(context, seen.values())
    return Listing(
        plural="nodes",
        rows=build_rows(context, names, seen),
        fields=FIELDS,
        columns=build_columns(context.settings, context.now),
        warnings=tuple(problem.reason for problem in problems_of(context, counted)),
        footer=format_footer(context, counted),
    )


def build_data_listing(context: ViewContext, names: Sequence[str], form: str) -> Listing:
    """Return the status of these nodes for programs; what `form` does not show is not worked out."""
    if form == "name":
        return Listing("nodes", ({"name": name} for name in names), FIELDS)
    if form == "tsv":
        from plabctl.render.status_tsv import format_status_lines

        lines = format_status_lines(context.state, context.settings, context.claims, names, context.now)
        return Listing("nodes", (), FIELDS, tsv_lines=lines)
    if form == "jsonl":
        return Listing("nodes", build_rows(context, names), FIELDS)
    seen = read_all_nodes(context)
    head = _build_head(context, count_totals(context, seen.values()))
    return Listing("nodes", build_rows(context, names, seen), FIELDS, head=head)


def _build_head(context: ViewContext, counted: Totals) -> Row:
    head: dict[str, object] = {
        "generated_at": format_iso(context.now),
        "rev": context.state.rev,
        "window": {"size": context.settings.window, "in_use": counted.in_use},
        "guard": _build_guard_row(context),
        "counts": counted.pools,
    }
    if found := problems_of(context, counted):
        head["problems"] = [_problem(problem) for problem in found]
    if context.last_tick_at is not None:
        head["last_tick_at"] = format_iso(context.last_tick_at)
    return head


def _problem(problem: Problem) -> Row:
    row: dict[str, object] = {"kind": problem.kind.value, "reason": problem.reason, "remedy": problem.remedy}
    if problem.pid is not None:
        row["pid"] = problem.pid
    if problem.since_at is not None:
        row["since_at"] = format_iso(problem.since_at)
    if problem.slot_count is not None:
        row["slot_count"] = problem.slot_count
    return row


def _build_guard_row(context: ViewContext) -> Row:
    watches = _list_scopes(context.state)
    if not watches:
        return {"state": "off"}
    scopes = [{"scope": watch.scope, "since_at": format_iso(watch.since_at), "reason": watch.why} for watch in watches]
    return {"state": "on", "scopes": scopes}


def format_guard_lines(context: ViewContext) -> list[str]:
    """Return a line for people about each scope whose moves to bad are held now."""
    return [
        f"guard on for {watch.scope} since {format_ago(watch.since_at, context.now)}, "
        f"moves to bad are held: {watch.why}"
        for watch in _list_scopes(context.state)
    ]


def _list_scopes(state: State) -> Collection[GuardedScope]:
    if GUARD_TOPIC not in state.notes:
        return ()
    from plabctl.core.guard.model import read_guard

    return read_guard(state).scopes.values()


def format_footer(context: ViewContext, counted: Totals) -> str:
    """Return the totals as one line for people, after a line for each guard that is on."""
    now = context.now
    parts = [f"{count} {pool}" for pool, count in counted.pools.items()]
    extras = [f"{count} {word}" for count, word in ((counted.suspect, "suspect"), (counted.held, "held")) if count]
    of_these = f" ({', '.join(extras)})" if extras else ""
    window = f"window {context.settings.window} ({counted.in_use} in use)"
    last = "no tick yet" if context.last_tick_at is None else f"last tick {format_ago(context.last_tick_at, now)}"
    if not counted.nodes:
        return "no nodes yet: plabctl node add NAME"
    count = f"{counted.nodes} node{'' if counted.nodes == 1 else 's'}"
    line = [f"{count}: {', '.join(parts)}{of_these}", window, last]
    if counted.next_due_at is not None:
        line.append(_format_next_due(counted.next_due_at, now))
    return "\n".join([*format_guard_lines(context), " · ".join(line)])


def _format_next_due(due_at: float, now: float) -> str:
    if due_at <= now:
        return f"next due now (for {format_duration(float(int(now - due_at)))})"
    return f"next due {format_until(due_at, now)}"
