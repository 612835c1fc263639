"""Read the statistics that the page of another monitor has, or work them out from the history of an installation here.

I/O. A page has what `plabctl stats -o json` prints, or why it does not: see `plabctl.app.page_stats`.
`plabctl.app.sources` finds it, `plabctl.app.several_stats` sums up.
Tests: `tests/cli/test_stats_from.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from plabctl.app.json_stream import NotJson, Read, read_object
from plabctl.app.queries import read_context
from plabctl.app.stats_queries import read_past
from plabctl.core.names import MAX_NAME
from plabctl.core.stats.tally import Span
from plabctl.errors import StoreError
from plabctl.probes.clean import clean_line
from plabctl.render.decode import make_object_reader, read_instant
from plabctl.render.listing import SCHEMA_VERSION
from plabctl.values import replace
from plabctl.views.stats import SHARES, StatsHead, StatsView, choose_past_nodes, view_stats

_LONGEST = 2000
_HINT = "it must have what `stats -o json` prints"


class ToldStats(NamedTuple):
    """The statistics of one monitor: what stands beside them, and one for each node."""

    head: StatsHead
    views: Sequence[StatsView]


def read_installation_stats(config: str, monitor: str, span: Span) -> ToldStats:
    """Return what the history of the installation of that configuration says of a span; raise PlabctlError."""
    context = read_context(config)
    past = read_past(context, span)
    head, views = view_stats(context, past, choose_past_nodes(context, past, None), None)
    return ToldStats(head, [replace(view, monitor=monitor or None) for view in views])


def read_page_stats(read: Read, place: str, monitor: str) -> ToldStats:
    """Return the statistics that `read` gives; raise StoreError, which names `place`, when these are none."""
    make_view = make_object_reader(StatsView, _clean)
    views: list[StatsView] = []
    faults: list[Exception] = []

    def take(row: Any) -> None:
        try:
            views.append(_check(make_view(_name_monitor(row, monitor))))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            faults.append(error)

    try:
        document: Mapping[str, Any] = read_object(read, "nodes", take)
        if isinstance(fault := document.get("fault"), str):
            raise StoreError(
                f"'{place}' has no statistics: {_clean(fault)}", hint="name the configuration, on its machine"
            )
        version = document["schema_version"]
        if version.__class__ is int and version != SCHEMA_VERSION:
            raise StoreError(
                f"'{place}' are statistics of version {version}, and this plabctl reads version {SCHEMA_VERSION}",
                hint="bring the older of the two up to date",
            )
        if faults:
            raise faults[0]
        return ToldStats(_read_head(document, _check(make_view(document["total"]), len(views))), views)
    except (NotJson, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise StoreError(f"'{place}' are no statistics of nodes", hint=_HINT) from error


def _name_monitor(row: Any, monitor: str) -> Any:
    if monitor:  # of which that may be the statistics of several
        row["monitor"] = f"{monitor}/{row['monitor']}" if "monitor" in row else monitor
    if row["name"].__class__ is not str:
        raise TypeError
    return row


def _check(view: StatsView, nodes_count: int | None = None) -> StatsView:
    """Return the view; raise ValueError for figures that cannot be, or that are not of so many nodes."""
    if view.nodes_count != nodes_count or len(view.name or "") > MAX_NAME:
        raise ValueError
    if any((getattr(view, share) or 0.0) > 1 for share in SHARES):
        raise ValueError
    return view


def _read_head(document: Mapping[str, Any], total: StatsView) -> StatsHead:
    begins_at = document.get("history_begins_at")
    return StatsHead(
        read_instant(document["generated_at"]),
        int(document["rev"]),
        read_instant(document["since_at"]),
        read_instant(document["until_at"]),
        None if begins_at is None else read_instant(begins_at),
        int(document["skipped_count"]) if "skipped_count" in document else None,
        None,
        total,
    )


def _clean(text: str) -> str:
    return clean_line(text, _LONGEST)
