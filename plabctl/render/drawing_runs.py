"""What one node was as a picture: a strip for a line of a table, or as large as a page.

Pure, but for the time zone. `plabctl.core.stats.runs` has the facts, `drawing_strips` draws many nodes.
Tests: `tests/render/test_drawing_strips.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from plabctl.core.stats.runs import NodeState, Run
from plabctl.render.drawing import (
    LETTERS,
    Drawing,
    build_state_entry,
    draw_legend,
    draw_text,
    draw_time_tick,
    format_rough,
    list_time_ticks,
)
from plabctl.render.drawing_strips import LAYERS
from plabctl.render.times import format_clock

_WIDTH, _LEFT, _RIGHT = 720, 10, 710
_TOP, _BOTTOM = 6, 30
_STRIP = 288
"""Five minutes of a day are one unit of a strip."""


def draw_strip(runs: Sequence[Run], since_at: float, until_at: float) -> str:
    """Return the strip of one node as it stands in a line of a table: a few hundred bytes, without axis and legend."""
    scale = _STRIP / (until_at - since_at)
    found: dict[NodeState, list[str]] = {}
    for run in _clip(runs, since_at, until_at):
        if run.state is not NodeState.USABLE:
            x, end = round((run.since_at - since_at) * scale), round((run.until_at - since_at) * scale)
            x = min(x, _STRIP - 1)
            found.setdefault(run.state, []).append(f"M{x} 6h{max(1, end - x)}")
    paths = "".join(f'<path class="q-{state}" d="{"".join(found[state])}"/>' for state in LAYERS if state in found)
    return (
        f'<svg class="drawing strip" role="img" viewBox="0 0 {_STRIP} 12" preserveAspectRatio="none">'
        f"<title>{escape(describe_runs(runs, since_at, until_at))}</title>"
        f'<rect class="f-usable" width="{_STRIP}" height="12"/><g stroke-width="12">{paths}</g></svg>'
    )


def draw_runs(name: str, runs: Sequence[Run], since_at: float, until_at: float) -> Drawing:
    """Draw what one node was, with a letter in what is wide enough, and words for each run under the pointer."""
    scale = (_RIGHT - _LEFT) / (until_at - since_at)
    pieces = []
    ends = ""
    for run in _clip(runs, since_at, until_at):
        x = round(_LEFT + (run.since_at - since_at) * scale)
        width = max(1, round(_LEFT + (run.until_at - since_at) * scale) - x)
        took = format_rough(run.until_at - run.since_at)
        begins, ends = ends or format_clock(run.since_at, until_at), format_clock(run.until_at, until_at)
        words = f"{run.state} for {took}, from {begins} to {ends}"
        letter = draw_text(x + width / 2, _TOP + 16, LETTERS[run.state], "middle letter s-paper") if width >= 14 else ""
        pieces.append(
            f'<g><title>{escape(words)}</title><rect class="p-{run.state}" x="{x}" y="{_TOP}" width="{width}" '
            f'height="{_BOTTOM - _TOP}"/>{letter}</g>'
        )
    for tick in list_time_ticks(since_at, until_at):
        x = round(_LEFT + (tick.value - since_at) * scale)
        pieces.append(draw_time_tick(x, _BOTTOM, tick, _WIDTH))
    entries = [build_state_entry(state) for state in NodeState if any(run.state is state for run in runs)]
    legend, height = draw_legend(_LEFT, _BOTTOM + 28, _RIGHT - _LEFT, entries)
    summary = describe_runs(runs, since_at, until_at)
    return Drawing(_WIDTH, _BOTTOM + 32 + height, f"{name} over time", summary, "".join([*pieces, legend]))


def describe_runs(runs: Iterable[Run], since_at: float, until_at: float) -> str:
    """Return in words what a node was: for how long in each state, and what it was at the end."""
    sums: dict[NodeState, float] = {}
    last = NodeState.UNKNOWN
    for run in _clip(runs, since_at, until_at):
        sums[run.state] = sums.get(run.state, 0.0) + run.until_at - run.since_at
        last = run.state
    if len(sums) <= 1:
        return f"{last} all the time"
    told = ", ".join(f"{state} {format_rough(sums[state])}" for state in NodeState if state in sums)
    return f"{told}; {last} at the end"


def _clip(runs: Iterable[Run], since_at: float, until_at: float) -> Iterator[Run]:
    for run in runs:
        if run.until_at > since_at and run.since_at < until_at:
            if run.since_at >= since_at and run.until_at <= until_at:
                yield run  # most are: to make another takes longer than all the rest here
            else:
                yield run._replace(since_at=max(run.since_at, since_at), until_at=min(run.until_at, until_at))
