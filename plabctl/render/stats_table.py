"""What nodes did in a span of time as rows and columns, with a small bar for the share in which they were usable.

Pure. `plabctl.views.stats` has the facts.
Tests: `tests/cli/test_stats.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plabctl.counts import format_count
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing, build_group_column
from plabctl.render.times import format_local
from plabctl.views.past_places import PlacesHead, PlaceView
from plabctl.views.stats import StatsHead, StatsView

FIELDS = (
    "name",
    "nodes_count",
    "site",
    "removed",
    "known_seconds",
    "usable_ratio",
    "good_ratio",
    "held_ratio",
    "absent_ratio",
    "outages_count",
    "outages_seconds",
    "longest_outage_seconds",
    "flaps_count",
    "refuted_count",
    "detections_count",
    "detect_least_seconds",
    "detect_most_seconds",
    "returns_count",
    "return_least_seconds",
    "return_most_seconds",
    "tests_count",
    "passed_count",
    "failed_count",
    "unknown_count",
    "slot_seconds",
    "causes",
    "login_sees_ratio",
    "monitor",
)
"""The columns of `stats -o tsv`: new ones are only ever added at the end."""
PLACE_FIELDS = ("name", "pool", "good", "usable", "held", "absent", "why_not", "site")
"""The columns of `stats --at INSTANT -o tsv`: new ones are only ever added at the end."""

_BAR_CELLS = 8
_ALL_WELL, _ILL = 0.99, 0.9
_CAUSES_IN_FOOTER = 3


def build_listing(head: StatsHead, views: Sequence[StatsView], notes: Sequence[str] = ()) -> Listing:
    """Return the statistics of nodes or groups as a listing, with what is wrong with monitors above."""
    return Listing(
        plural="nodes" if head.by is None else "groups",
        rows=views,
        fields=FIELDS,
        columns=(
            Column("NODE", lambda view: Cell(view.name or "", "faint" if view.is_removed else ""), is_name=True)
            if head.by is None
            else build_group_column(head.by, lambda view: view.name),
            Column("MONITOR", lambda view: Cell(view.monitor or ""), rank=1),
            Column("NODES", lambda view: Cell(_format_or_blank(view.nodes_count or 0)), rank=1),
            Column("USABLE", lambda view: _build_share_cell(view.usable_ratio)),
            Column("OUTAGES", lambda view: Cell(_format_outages(view)), rank=2),
            Column("LONGEST", lambda view: Cell(_format_seconds(view.longest_outage_seconds)), rank=6),
            Column("SEEN IN", lambda view: Cell(_format_detection(view)), 4),
            Column("BACK IN", lambda view: Cell(_format_return(view)), 4),
            Column("FLAPS", lambda view: Cell(_format_or_blank(view.flaps_count)), rank=5),
            Column("GOOD", lambda view: Cell(_format_share(view.good_ratio)), rank=8),
            Column("HELD", lambda view: Cell(_format_share(view.held_ratio or None)), rank=3),
            Column("ABSENT", lambda view: Cell(_format_share(view.absent_ratio or None)), rank=3),
            Column("TESTS", lambda view: Cell(_format_or_blank(view.tests_count)), rank=7),
            Column("SLOT TIME", lambda view: Cell(_format_seconds(view.slot_seconds)), wide=True),
            Column("REFUTED", lambda view: Cell(_format_or_blank(view.refuted_count)), wide=True),
            Column("KNOWN FOR", lambda view: Cell(_format_seconds(view.known_seconds)), wide=True),
            Column("CAUSES", lambda view: Cell(_format_causes(view.causes)), rank=1, flexible=True),
        ),
        head=head,
        warnings=tuple(notes),
        footer=_format_footer(head),
    )


def build_places_listing(head: PlacesHead, views: Sequence[PlaceView]) -> Listing:
    """Return where nodes were at an instant as a listing."""
    count = format_count(head.nodes_count, "node")
    return Listing(
        plural="nodes",
        rows=views,
        fields=PLACE_FIELDS,
        columns=(
            Column("NODE", lambda view: Cell(view.name), is_name=True),
            Column("POOL", lambda view: Cell(view.pool or "?", "good" if view.is_good else "bad" if view.pool else "")),
            Column("USABLE", lambda view: Cell("yes", "good") if view.is_usable else Cell("no", "bad"), rank=1),
            Column("SITE", lambda view: Cell(view.site or ""), rank=3),
            Column("WHY NOT", lambda view: Cell(view.why_not or ""), rank=2, flexible=True),
        ),
        head=head,
        footer="\n".join(
            [
                f"{format_local(head.at)} · {count} · {head.good_count} good · {head.usable_count} usable",
                *_format_begin(head.history_begins_at, head.at),
            ]
        ),
    )


def _build_share_cell(ratio: float | None) -> Cell:
    if ratio is None:
        return Cell("not known", "faint")
    style = "good" if ratio >= _ALL_WELL else "suspect" if ratio >= _ILL else "bad"
    return Cell(f"{format_bar(ratio)} {_format_share(ratio):>6}", style)


def format_bar(ratio: float) -> str:
    """Return a bar for a share from 0 to 1: full only for all of it, empty only for nothing."""
    cells = round(ratio * _BAR_CELLS)
    cells = min(max(cells, int(ratio > 0)), _BAR_CELLS - int(ratio < 1))
    return "█" * cells + "░" * (_BAR_CELLS - cells)


def _format_share(ratio: float | None) -> str:
    """Return a share in percent; 100 only for all of it."""
    if ratio is None:
        return ""
    percent = 99.9 if 0.999 <= ratio < 1 else 100 * ratio
    return "100%" if ratio == 1 else f"{percent:.1f}%"


def _format_outages(view: StatsView) -> str:
    return f"{view.outages_count}, {_format_seconds(view.outages_seconds)}" if view.outages_count else ""


def _format_or_blank(count: int) -> str:
    return str(count) if count else ""


def _format_seconds(seconds: float | None) -> str:
    return format_duration(round(seconds)) if seconds else ""


def _format_detection(view: StatsView) -> str:
    return _format_bounds(view.detect_least_seconds, view.detect_most_seconds)


def _format_return(view: StatsView) -> str:
    return _format_bounds(view.return_least_seconds, view.return_most_seconds)


def _format_bounds(least: float | None, most: float | None) -> str:
    """Return the bounds of a duration as `<12m`, or `5m-12m`."""
    if least is None or most is None:
        return ""
    low, high = _format_seconds(least), _format_seconds(most) or "0s"
    return f"{low}-{high}" if low and low != high else high if low else f"<{high}"


def _format_causes(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{cause} {count}" for cause, count in causes.items())


def _format_footer(head: StatsHead) -> str:
    total = head.total
    seen, back = _format_detection(total), _format_return(total)
    causes = dict(list(total.causes.items())[:_CAUSES_IN_FOOTER])
    parts = [
        f"usable {_format_share(total.usable_ratio) or 'not known'}",
        format_count(total.outages_count, "outage"),
        f"seen in {seen}" if seen else "",
        f"back in {back}" if back else "",
        format_count(total.tests_count, "test"),
        _format_causes(causes),
        "" if total.login_sees_ratio is None else f"a login sees {_format_share(total.login_sees_ratio)} of failures",
    ]
    span = f"{format_local(head.since_at)} to {format_local(head.until_at)}"
    count = format_count(total.nodes_count or 0, "node")
    if head.sources is not None:
        count += f" of {format_count(sum(each.fault is None for each in head.sources), 'monitor')}"
    lines = [
        f"{span} · {count}",
        " · ".join(filter(None, parts)),
        *_format_begin(head.history_begins_at, head.since_at),
    ]
    return "\n".join(lines)


def _format_begin(begins_at: float | None, since_at: float) -> list[str]:
    if begins_at is None:
        return ["there is no history yet"]
    if begins_at <= since_at:
        return []
    return [f"history begins {format_local(begins_at)}"]
