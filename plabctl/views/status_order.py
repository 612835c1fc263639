"""Which nodes the status lists and in which order: what needs a person first, or by any field.

Pure. `plabctl.views.node` has the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from plabctl.core.model import Cause, Outcome
from plabctl.core.names import build_sort_key
from plabctl.errors import UsageFault
from plabctl.views.node import NODE_COLUMNS, NODE_FACTS, NodeView, ViewContext, list_node_views

_READABLE = tuple(column for column in NODE_COLUMNS if column not in {"labels", "experiments"})
"""The columns that have one value for a node."""


def sort_by_need(nodes: Iterable[NodeView]) -> list[NodeView]:
    """Return the nodes with those first that need a person, else in the order given.

    Nodes that are stuck come first, then those that fail in a bad pool, then those there that are new or pass again,
    suspects, nodes in a good pool whose last test failed, and absent and held ones, which somebody knows of; usable
    nodes are last.
    """
    return sorted(nodes, key=_rank_need)


def _rank_need(node: NodeView) -> int:
    if node.is_usable:
        return 5
    if node.is_held or node.absent_since_at is not None:
        return 4
    if node.stuck_since_at is not None:
        return -1
    if node.is_suspect:
        return 2
    if node.passes_needed is None:
        return 3
    return 0 if node.last is not None and node.last.outcome is not Outcome.PASS else 1


def filter_cause(context: ViewContext, names: Iterable[str], cause: Cause) -> Iterator[str]:
    """Yield those of `names` whose last test did not pass for this cause."""
    for name in names:
        node = context.state.select_one(NODE_FACTS, name)
        if node is not None and node.last is not None and node.last.cause is cause:
            yield name


def sort_names_by(context: ViewContext, names: Iterable[str], field: str) -> list[str]:
    """Return `names` by a field of their views, the highest first after a `-`; nodes without a value come last.

    `field` is a column of TSV, the same without `_at` or `last.` (`since`, `reason`), or a label. Raise UsageFault for
    anything else.
    """
    return [view.name for view in sort_views_by(list(list_node_views(context, names)), field)]


def sort_views_by(views: Sequence[NodeView], field: str) -> list[NodeView]:
    """Return the views of nodes by a field, as `sort_names_by`."""
    read = find_reader(field.removeprefix("-"), views)
    found = [(build_sort_key(value) if isinstance(value, str) else value, place) for place, view in enumerate(views)
             if (value := read(view)) is not None]  # fmt: skip
    with_value = [place for _, place in sorted(found, key=lambda pair: pair[0], reverse=field.startswith("-"))]
    seen = set(with_value)
    return [*(views[place] for place in with_value), *(view for place, view in enumerate(views) if place not in seen)]


def find_reader(field: str, views: Sequence[NodeView]) -> Callable[[NodeView], Any]:
    """Return what reads this field of a view: a column of TSV, the same without `_at` or `last.`, or a label.

    It returns None where there is no value. Raise UsageFault when there is no such field.
    """
    for column in (field, f"{field}_at", f"last.{field}", f"last.{field.removeprefix('last_')}"):
        if column in _READABLE:
            return _make_reader(column)
    labels = {label for view in views for label in view.labels or ()}
    if field in labels:
        return lambda view: (view.labels or {}).get(field)
    from plabctl.core.selection import suggest_name  # only a typing error needs it

    known = [*_READABLE, *sorted(labels)]
    raise UsageFault(
        f"no column or label is named {field!r}",
        hint=suggest_name(field, known, f"there are: {', '.join(known)}"),
    )


def _make_reader(column: str) -> Callable[[NodeView], Any]:
    if column.startswith("last."):
        part = column.removeprefix("last.")
        return lambda view: getattr(view.last, part, None) or None
    if column == "vantage":  # nodes that are tested from elsewhere, because the way is lost, are told from others
        return lambda view: f"{view.vantage}, not from {view.lost_from}" if view.lost_from else view.vantage
    own = column if column in NodeView._fields else f"is_{column}"
    return lambda view: getattr(view, own)
