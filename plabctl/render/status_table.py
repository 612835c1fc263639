"""The status as a listing: the nodes with their columns, the warnings above them, and the line under the table.

Pure. `plabctl.views.status` has the facts, `plabctl.render.status_columns` the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from plabctl.durations import format_duration
from plabctl.render.listing import Listing
from plabctl.render.times import format_ago, format_until
from plabctl.typed import TYPE_CHECKING
from plabctl.views.node import NODE_COLUMNS, ViewContext, list_node_views

if TYPE_CHECKING:
    from plabctl.core.model import Outcome
    from plabctl.core.settings import Settings
    from plabctl.views.status import GuardView, StatusView

_TICK_S = 60


def build_listing(
    context: ViewContext,
    names: Sequence[str],
    *,
    by_need: bool = True,
    tests: Mapping[str, Sequence[Outcome]] | None = None,
) -> Listing:
    """Return the status of these nodes for people: with columns, warnings, and the line under the table.

    Nodes that need a person come first, unless the order of `names` is to be kept. `tests` are the outcomes of their
    last tests, by node.
    """
    from plabctl.views.status import build_status_view

    status = build_status_view(context, names)
    return build_status_listing(status, context.settings, by_need=by_need, tests=tests)


def build_status_listing(
    status: StatusView, settings: Settings, *, by_need: bool, tests: Mapping[str, Sequence[Outcome]] | None = None
) -> Listing:
    """Return a status for people, as `build_listing`."""
    from plabctl.render.status_columns import build_columns
    from plabctl.views.status_order import sort_by_need

    has_monitors = status.head.sources is not None
    return Listing(
        plural="nodes",
        rows=sort_by_need(status.nodes) if by_need else status.nodes,
        fields=NODE_COLUMNS,
        columns=build_columns(settings, status.head.generated_at, tests or {}, has_monitors=has_monitors),
        warnings=list_warnings(status),
        footer=format_footer(status),
    )


def list_warnings(status: StatusView) -> tuple[str, ...]:
    """Return what people must see first, a line each: guards that are on, and what keeps plabctl from its work.

    What the line under the table says anyway is left out.
    """
    head = status.head
    problems = [problem.words for problem in head.problems or () if problem.kind != "no-nodes"]
    return (*format_guard_lines(head.guard, head.generated_at), *problems)


def build_data_listing(context: ViewContext, names: Iterable[str], form: str) -> Listing:
    """Return the status of these nodes for programs; what `form` does not show is not worked out."""
    if form == "name":
        return Listing("nodes", ({"name": name} for name in names))
    if form in {"tsv", "csv", "jsonl"}:
        return Listing("nodes", list_node_views(context, names), NODE_COLUMNS)
    from plabctl.views.status import build_status_view

    status = build_status_view(context, names)
    return Listing("nodes", status.nodes, NODE_COLUMNS, head=status.head)


def format_guard_lines(guard: GuardView, now: float) -> list[str]:
    """Return a line for people about each scope that is guarded."""
    if not guard.scopes:
        return []
    from plabctl.core.guard.model import describe_effect

    return [
        f"guard came on for {scope.scope} {format_ago(scope.since_at, now)}, {describe_effect(scope.scope)}: "
        f"{scope.reason}"
        for scope in guard.scopes
    ]


def format_footer(status: StatusView) -> str:
    """Return the totals as one line for people."""
    from plabctl.counts import format_count

    head, totals = status.head, status.totals
    if not totals.nodes:
        return "no nodes yet: plabctl node add NAME" if head.sources is None else "no nodes"
    of_monitors = "" if head.sources is None else f" of {format_count(len(head.sources), 'monitor')}"
    now = head.generated_at
    parts = [f"{count} {pool}" for pool, count in totals.pools.items()]
    stuck = totals.counts.stuck
    counts = (
        (stuck, "needs a person" if stuck == 1 else "need a person"),
        (totals.suspect, "suspect"),
        (totals.held, "held"),
        (totals.absent, "absent"),
        (totals.busy, "busy"),
    )
    extras = [f"{count} {word}" for count, word in counts if count]
    of_these = f" ({', '.join(extras)})" if extras else ""
    line = [
        f"{format_count(totals.nodes, 'node')}{of_monitors}: {', '.join(parts)}{of_these}",
        f"window {head.window.size} ({head.window.in_use} in use)",
        "no tick yet" if head.last_tick_at is None else f"last tick {format_ago(head.last_tick_at, now)}",
    ]
    if totals.counts.next_due_at is not None:
        line.append(_format_next_due(totals.counts.next_due_at, now))
    return " · ".join(line)


def _format_next_due(due_at: float, now: float) -> str:
    if due_at <= now:
        waited_s = int(now - due_at)
        # Less is what it takes until the next tick.
        return f"next due now (for {format_duration(waited_s)})" if waited_s >= _TICK_S else "next due now"
    return f"next due {format_until(due_at, now)}"
