"""Where nodes were at an instant: in which pool, and whether they were usable.

Pure. `plabctl.core.stats.replay` has read the history up to then.
Tests: `tests/cli/test_stats.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one.
from collections.abc import Collection, Mapping
from typing import NamedTuple

from plabctl.core.names import build_sort_key
from plabctl.core.stats.replay import Past, PastNode, PoolRules
from plabctl.views.node import ViewContext


class PlaceView(NamedTuple):
    """Where a node was at an instant. None is unknown, or does not apply."""

    name: str
    pool: str | None
    is_good: bool | None
    is_usable: bool | None
    is_held: bool
    is_absent: bool
    why_not: str | None
    """Why it was not usable."""
    site: str | None


class PlacesHead(NamedTuple):
    """What stands beside the places of nodes at an instant."""

    generated_at: float
    rev: int
    at: float
    history_begins_at: float | None
    skipped_count: int | None
    nodes_count: int
    good_count: int
    usable_count: int


def view_places(
    context: ViewContext, past: Past, nodes: Mapping[str, PastNode], pools: Collection[str] = ()
) -> tuple[PlacesHead, list[PlaceView]]:
    """Return where `nodes` were when the span ended, those in one of `pools` if any are named, unusable ones first."""
    at = past.span.until
    views = [_view_place(name, node, at, past.rules) for name, node in nodes.items() if node.place is not None]
    views = [view for view in views if not pools or view.pool in pools]
    head = PlacesHead(
        context.now,
        context.state.rev,
        at,
        past.begins_at,
        past.skipped_count or None,
        len(views),
        sum(view.is_good or False for view in views),
        sum(view.is_usable or False for view in views),
    )
    return head, sorted(
        views, key=lambda view: (view.is_usable or False, view.is_good or False, build_sort_key(view.name))
    )


def _view_place(name: str, node: PastNode, at: float, rules: PoolRules) -> PlaceView:
    place = node.place
    if place is None or not place.pool:
        return PlaceView(name, None, None, None, False, False, "not known: the history does not say", None)
    why_not = node.explain_unusable(at, rules)
    return PlaceView(
        name,
        place.pool,
        place.pool in rules.good,
        why_not is None,
        place.hold is not None and place.hold.holds(at),
        place.absent_since_at is not None,
        why_not,
        node.variables.get("site"),
    )
