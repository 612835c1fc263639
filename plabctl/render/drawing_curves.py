"""Curves over time as pictures: how many nodes were what, how full the window was, and how long things took.

Pure, but for the time zone. `plabctl.views.curves` has the facts, `plabctl.render.drawing` the parts of a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from statistics import median
from typing import NamedTuple

from plabctl.core.stats.outages import Bounds
from plabctl.counts import format_count
from plabctl.durations import format_duration
from plabctl.render.drawing import (
    Drawing,
    LegendEntry,
    Tick,
    build_state_entry,
    draw_legend,
    draw_text,
    draw_time_tick,
    format_rough,
    list_time_ticks,
    list_value_ticks,
    round_places,
)
from plabctl.views.curves import Band, Curves, GuardSpan, WindowUse

_WIDTH = 360.0
"""Narrow, so that its text can be read where several stand side by side."""
_MOST_TIMES = 5
_LEFT, _RIGHT, _TOP, _BOTTOM = 36.0, 350.0, 14.0, 150.0
EDGES_S = (*(60.0 * minutes for minutes in (1, 2, 5, 10, 20, 30)), *(3600.0 * hours for hours in (1, 2, 4, 8, 24)))
"""Where the classes of a distribution end; the last is open."""


class _Axes(NamedTuple):
    """What a place in a picture means: instants from left to right, values from the bottom to the top."""

    since_at: float
    until_at: float
    most: float

    def find_x(self, at: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (at - self.since_at) / (self.until_at - self.since_at)

    def find_y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * value / self.most


def draw_pools(curves: Curves) -> Drawing:
    """Draw how many nodes were usable, suspect, bad, held and absent, one above the other, with guards shaded."""
    curve = curves.pools
    totals = [sum(counts) for counts in zip(*(band.counts for band in curve.bands), strict=True)]
    ticks = list_value_ticks(max(totals, default=1), is_count=True)
    axes = _Axes(curves.since_at, curves.until_at, ticks[-1].value)
    step_s = (axes.until_at - axes.since_at) / max(1, len(curve.sampled_ats))
    edges = round_places(axes.find_x(axes.since_at + step_s * number) for number in range(len(curve.sampled_ats) + 1))
    pieces, below = [], [0] * len(curve.sampled_ats)
    for band in curve.bands:
        above = [low + count for low, count in zip(below, band.counts, strict=True)]
        upper, lower = (round_places(map(axes.find_y, values)) for values in (above, below))
        pieces.append(f'<path class="p-{band.state}" d="{_outline(edges, upper, lower)}"/>')
        below = above
    entries = [build_state_entry(band.state, f"{band.counts[-1]} {_describe_band(band)}") for band in curve.bands]
    if curves.guards:
        entries.append(LegendEntry("f-ink veil", "G", "guard"))
    pieces += [*_draw_guards(axes, curves.guards), *_draw_axes(axes, ticks)]
    legend, height = draw_legend(_LEFT, _BOTTOM + 28, _RIGHT - _LEFT, entries)
    latest = ", ".join(f"{band.counts[-1]} {_describe_band(band)}" for band in curve.bands) or "nothing is known yet"
    guards = f"; {format_count(len(curves.guards), 'guard')}" if curves.guards else ""
    return Drawing(
        _WIDTH, _BOTTOM + 32 + height, "Nodes over time", f"At the end: {latest}{guards}.", "".join([*pieces, legend])
    )


def draw_window(window: WindowUse) -> Drawing:
    """Draw how many slots of the window tests held."""
    until_at = window.since_at + window.step_s * len(window.in_use)
    ticks = list_value_ticks(max(window.size, *window.in_use), is_count=True)
    axes = _Axes(window.since_at, until_at, ticks[-1].value)
    edges = round_places(
        axes.find_x(window.since_at + window.step_s * number) for number in range(len(window.in_use) + 1)
    )
    upper = round_places(map(axes.find_y, window.in_use))
    y = round(axes.find_y(window.size), 1)
    mean, most = sum(window.in_use) / len(window.in_use), max(window.in_use)
    words = f"{mean:.1f} on average, at most {most:.1f}"
    pieces = [
        f'<path class="f-mark" d="{_outline(edges, upper, [_BOTTOM] * len(upper))}"/>',
        f'<path class="line dashed s-bad thick" d="M{_LEFT} {y}H{_RIGHT}"/>',
        *_draw_axes(axes, ticks),
        draw_text(_RIGHT, y - 4 if y > _TOP + 8 else y + 13, f"window of {window.size}", "end"),
    ]
    entries = [LegendEntry("f-mark", "", f"slots in use: {words}")]
    legend, height = draw_legend(_LEFT, _BOTTOM + 28, _RIGHT - _LEFT, entries)
    summary = f"Of a window of {window.size} slots tests held {words}."
    return Drawing(_WIDTH, _BOTTOM + 32 + height, "Slots in use", summary, "".join([*pieces, legend]))


def draw_latencies(detections: Sequence[Bounds], returns: Sequence[Bounds]) -> Drawing:
    """Draw how long it took to see failures and returns, each in the middle between the bounds that tests give."""
    high = 70.0
    pieces, words = [], []
    for number, (what, found) in enumerate((("broken until seen", detections), ("repaired until back", returns))):
        middles = [(bounds.least_s + bounds.most_s) / 2 for bounds in found]
        told = f"{what}: half within {format_rough(median(middles))}" if middles else f"{what}: none yet"
        told += f", of {len(middles)}" if middles else ""
        words.append(told)
        pieces.append(_draw_distribution(16 + number * (high + 46), high, middles, told))
    return Drawing(_WIDTH, 2 * (high + 46) + 2, "Time to see and to return", f"{'; '.join(words)}.", "".join(pieces))


def count_classes(seconds: Iterable[float]) -> list[int]:
    """Return how many of `seconds` are in each class of `EDGES_S`, and beyond the last."""
    counts = [0] * (len(EDGES_S) + 1)
    for own in seconds:
        counts[next((number for number, edge in enumerate(EDGES_S) if own <= edge), len(EDGES_S))] += 1
    return counts


def _draw_distribution(top: float, high: float, seconds: Sequence[float], heading: str) -> str:
    counts = count_classes(seconds)
    bottom, step = top + high, (_RIGHT - _LEFT) / len(counts)
    ticks = list_value_ticks(max(1, *counts), is_count=True)
    pieces = [draw_text(_LEFT, top - 4, heading)]
    for tick in (ticks[0], ticks[-1]):
        y = bottom - high * tick.value / ticks[-1].value
        pieces.append(f'<path class="line s-grid" d="M{_LEFT} {y:g}H{_RIGHT}"/>')
        pieces.append(draw_text(_LEFT - 5, y + 4, tick.label, "end", "faint"))
    for number, count in enumerate(counts):
        x, y = round(_LEFT + step * number + 2, 1), round(bottom - high * count / ticks[-1].value, 1)
        if count:
            pieces.append(f'<rect class="f-mark" x="{x}" y="{y}" width="{step - 4:.1f}" height="{bottom - y:.1f}"/>')
        if number < len(EDGES_S):
            label = format_duration(EDGES_S[number])
            pieces.append(draw_text(round(_LEFT + step * (number + 1), 1), bottom + 12, label, "small middle", "faint"))
    pieces.append(f'<path class="line s-ink" d="M{_LEFT} {bottom:g}H{_RIGHT}"/>')
    return "".join(pieces)


def _draw_guards(axes: _Axes, guards: Iterable[GuardSpan]) -> Iterator[str]:
    for guard in guards:
        x = round(axes.find_x(guard.since_at), 1)
        width = max(1.5, round(axes.find_x(guard.until_at), 1) - x)
        took = format_rough(guard.until_at - guard.since_at)
        words = f"guard of {guard.scope}, {took}{' so far' if guard.is_on else ''}"
        yield (
            f'<g><title>{escape(words)}</title><rect class="f-ink veil" x="{x}" y="{_TOP}" width="{width:g}" '
            f'height="{_BOTTOM - _TOP}"/><rect class="f-ink" x="{x}" y="{_TOP - 4}" width="{width:g}" height="4"/></g>'
        )


def _draw_axes(axes: _Axes, ticks: Sequence[Tick]) -> Iterator[str]:
    for tick in ticks:
        y = round(axes.find_y(tick.value), 1)
        yield f'<path class="line s-grid hatch" d="M{_LEFT} {y}H{_RIGHT}"/>'
        yield draw_text(_LEFT - 5, y + 4, tick.label, "end", "faint")
    for tick in list_time_ticks(axes.since_at, axes.until_at, _MOST_TIMES):
        yield draw_time_tick(round(axes.find_x(tick.value), 1), _BOTTOM, tick, _WIDTH)
    yield f'<path class="line s-ink" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>'


def _outline(edges: Sequence[float], upper: Sequence[float], lower: Sequence[float]) -> str:
    """Return the path around what lies between two lines of steps; equal steps are one."""
    return f"M{edges[0]:g} {lower[0]:g}{_step(edges, upper)}{_step(edges[::-1], lower[::-1])}Z"


def _step(edges: Sequence[float], values: Sequence[float]) -> str:
    pieces = []
    for number, value in enumerate(values):
        if number == 0 or value != values[number - 1]:
            pieces.append(f"V{value:g}" if number == 0 else f"H{edges[number]:g}V{value:g}")
    return f"{''.join(pieces)}H{edges[-1]:g}"


def _describe_band(band: Band) -> str:
    return f"{band.state} in {band.pool}" if band.pool else str(band.state)
