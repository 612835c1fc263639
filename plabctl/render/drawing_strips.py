"""Nodes by time as a picture: a row for each node, those of a site together, so that a dead switch is seen as a block.

Pure, but for the time zone. A row is the colour of usable nodes; on it lies what else the node was,
each state in one path, so that a month of a thousand nodes is a few hundred kilobytes. `plabctl.views.curves` has the
facts; the picture of one node alone is in `drawing_runs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from typing import NamedTuple

from plabctl.core.stats.runs import NodeState, compute_usable_ratio
from plabctl.counts import format_count
from plabctl.render.drawing import (
    LETTER_WIDTH,
    Drawing,
    build_state_entry,
    draw_legend,
    draw_text,
    draw_time_tick,
    list_time_ticks,
)
from plabctl.render.times import format_local
from plabctl.views.curves import NodeStrip

Link = Callable[[str], str]
"""Returns the address of a node's page, by its name."""
LAYERS = (NodeState.UNKNOWN, NodeState.ABSENT, NodeState.HELD, NodeState.SUSPECT, NodeState.BAD)
"""What lies on the colour of usable nodes; the last is on top, however short."""
_WIDTH, _RIGHT, _TOP = 720, 710, 6
_SMALL = 11 * LETTER_WIDTH
_LINE = 11
_SHARE = 46
_LEAST_S = 60.0
_MOST_NAMED, _MOST_HIGH, _MOST_LOW, _MOST_ROWS = 48, 240, 600, 2000


class _Row(NamedTuple):
    """A row of the picture: what is in it, and its place."""

    strip: NodeStrip
    y: int
    """The middle of it; of one that is a pixel high its upper edge."""


class _Sheet(NamedTuple):
    """How rows become places."""

    left: int
    since_at: float
    until_at: float
    high: int
    """Of a row."""
    right: int = _RIGHT

    def find_x(self, at: float) -> int:
        return round(self.left + (self.right - self.left) * (at - self.since_at) / (self.until_at - self.since_at))


def draw_strips(
    strips: Iterable[NodeStrip], since_at: float, until_at: float, *, title: str, link: Link | None = None
) -> Drawing:
    """Draw a row for each of `strips`, in their order; with `link` each row leads to the page of its node.

    Where they are too many to draw them all, those that were usable all the time are left out, and then those that
    were usable most.
    """
    everything = list(strips)
    chosen = _choose(everything, since_at, until_at)
    has_names = len(chosen) <= _MOST_NAMED
    high = 14 if has_names else 4 if len(chosen) <= _MOST_HIGH else 2 if len(chosen) <= _MOST_LOW else 1
    left = _measure_left(chosen, has_names=has_names)
    sheet = _Sheet(left, since_at, until_at, high, _RIGHT - _SHARE if has_names else _RIGHT)
    rows, bottom = _place(chosen, high)
    pieces = [_draw_sites(rows, sheet, has_names=has_names), *_draw_states(rows, sheet)]
    pieces += _draw_names(rows, sheet) if has_names else []
    pieces += [_draw_link(row, sheet, link(row.strip.name)) for row in rows] if link else []
    for tick in list_time_ticks(since_at, until_at):
        x = sheet.find_x(tick.value)
        pieces.append(draw_time_tick(x, bottom, tick, _WIDTH))
    seen = {run.state for row in rows for run in row.strip.runs}
    entries = [build_state_entry(state) for state in NodeState if state in seen]
    legend, height = draw_legend(left, bottom + 28, sheet.right - left, entries)
    summary = _summarize(everything, chosen, since_at, until_at)
    left_out = len(everything) - len(chosen)
    if left_out:
        words = f"{left_out} more nodes, usable most of the time, are left out"
        legend += draw_text(left, bottom + 38 + height, words, colour="faint")
        height += 18
    return Drawing(_WIDTH, bottom + 32 + height, title, summary, "".join([*pieces, legend]), is_image=link is None)


def draw_outages(strips: Iterable[NodeStrip], since_at: float, until_at: float) -> Drawing:
    """Draw what nodes were in a span of time, as a picture that says itself which span that is.

    It begins where something is known of one of them.
    """
    everything = list(strips)
    known = (run.since_at for strip in everything for run in strip.runs if run.state is not NodeState.UNKNOWN)
    begin_at = max(since_at, min(min(known, default=since_at), until_at - _LEAST_S))
    title = f"{format_local(begin_at)} to {format_local(until_at)}"
    title += ", nothing is known before" if begin_at > since_at else ""
    return draw_strips(everything, begin_at, until_at, title=title)


def _choose(strips: Sequence[NodeStrip], since_at: float, until_at: float) -> list[NodeStrip]:
    """Return those that are drawn."""
    if len(strips) <= _MOST_ROWS:
        return list(strips)
    ratios = {strip.name: compute_usable_ratio(strip.runs, since_at, until_at) for strip in strips}
    worst = sorted((1.0 if ratio is None else ratio, name) for name, ratio in ratios.items())
    names = {name for ratio, name in worst[:_MOST_ROWS] if ratio < 1.0}
    return [strip for strip in strips if strip.name in names]


def _measure_left(strips: Sequence[NodeStrip], *, has_names: bool) -> int:
    """Return how much room the names of sites take, and where rows are high enough for them those of nodes."""
    texts = [[_shorten(strip.site or "") for strip in strips]]
    if has_names:
        texts.append([_shorten(strip.name) for strip in strips])
    return sum(round(max(map(len, own), default=0) * _SMALL) + 12 for own in texts)


def _place(strips: Sequence[NodeStrip], high: int) -> tuple[list[_Row], int]:
    """Return the rows, and where the last ends; a little room is between sites."""
    rows, y = [], _TOP
    gap = 2
    for number, strip in enumerate(strips):
        if number:
            y += gap if strip.site != strips[number - 1].site else int(high > 4)
        rows.append(_Row(strip, y + high // 2))
        y += high
    return rows, y + 2


def _draw_sites(rows: Sequence[_Row], sheet: _Sheet, *, has_names: bool) -> str:
    """Draw what lies below the rows of each site, and its name if there is room for it."""
    pieces = []
    free_y = -_LINE
    for site, own in groupby(rows, lambda row: row.strip.site):
        block = list(own)
        top, bottom = block[0].y - sheet.high // 2, block[-1].y + (sheet.high + 1) // 2
        size = f'width="{sheet.right - sheet.left}" height="{bottom - top}"'
        pieces.append("" if has_names else f'<rect class="f-usable" x="{sheet.left}" y="{top}" {size}/>')
        y = block[0].y + 4 if has_names else (top + bottom) // 2 + 4
        if site and y - free_y >= _LINE:
            x, names = (4, "") if has_names else (sheet.left - 6, "end")
            pieces.append(draw_text(x, y, _shorten(site), names, "faint" if has_names else "ink"))
            free_y = y
    return "".join(pieces)


def _draw_names(rows: Iterable[_Row], sheet: _Sheet) -> Iterator[str]:
    for row in rows:
        yield draw_text(sheet.left - 6, row.y + 4, _shorten(row.strip.name), "end")
        yield draw_text(_RIGHT, row.y + 4, _format_share(row.strip, sheet), "end", "faint")


def _format_share(strip: NodeStrip, sheet: _Sheet) -> str:
    """Return the share of the time in which the node was usable."""
    return format_percent(compute_usable_ratio(strip.runs, sheet.since_at, sheet.until_at))


def format_percent(ratio: float | None) -> str:
    """Return a share as people read it, `66.7 %`, never rounded to all or nothing; empty when it is not known."""
    if ratio is None:
        return ""
    return f"{100 * ratio:.0f} %" if ratio in {0.0, 1.0} else f"{min(99.9, max(0.1, 100 * ratio)):.1f} %"


def _draw_states(rows: Sequence[_Row], sheet: _Sheet) -> Iterator[str]:
    found: dict[NodeState, list[str]] = {}
    for row in rows:
        if sheet.high > 4:
            found.setdefault(NodeState.USABLE, []).append(f"M{sheet.left} {row.y}H{sheet.right}")
        for run in row.strip.runs:
            if run.state is not NodeState.USABLE:
                x = min(sheet.find_x(run.since_at), sheet.right - 1)
                found.setdefault(run.state, []).append(f"M{x} {row.y}h{max(1, sheet.find_x(run.until_at) - x)}")
    kind = "q" if sheet.high > 4 else "s"
    shift = ' transform="translate(0 .5)"' if sheet.high % 2 else ""
    for state in (NodeState.USABLE, *LAYERS):
        if state in found:
            yield f'<path class="{kind}-{state}" stroke-width="{sheet.high}"{shift} d="{"".join(found[state])}"/>'


def _draw_link(row: _Row, sheet: _Sheet, address: str) -> str:
    words = f"{row.strip.name}: usable {_format_share(row.strip, sheet) or 'not known'}"
    return (
        f'<a href="{escape(address)}"><rect class="hit f-paper" x="{sheet.left}" y="{row.y - sheet.high // 2}" '
        f'width="{sheet.right - sheet.left}" height="{sheet.high}"><title>{escape(words)}</title></rect></a>'
    )


def _summarize(everything: Sequence[NodeStrip], chosen: Sequence[NodeStrip], since_at: float, until_at: float) -> str:
    ended: dict[NodeState, int] = {}
    for strip in everything:
        state = strip.runs[-1].state if strip.runs else NodeState.UNKNOWN
        ended[state] = ended.get(state, 0) + 1
    told = ", ".join(f"{ended[state]} {state}" for state in NodeState if state in ended)
    drawn = f", {len(chosen)} drawn" if len(chosen) < len(everything) else ""
    return f"{format_count(len(everything), 'node')}{drawn}, by site and name; at the end: {told or 'none'}."


def _shorten(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:27]}…"
