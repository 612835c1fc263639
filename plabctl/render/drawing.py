"""Pictures as SVG: the parts that all of them have. No library, no script; readable in any browser and on paper.

Pure, but for the time zone that axes of time are labelled in. A `Drawing` stands in a page, which brings the style and
the patterns once (`STYLE`, `PATTERNS`), or alone in a file. Colours are those that colour-blind people tell apart, on
light and on dark paper, and each state of a node has a pattern and a letter as well. What is drawn is in
`drawing_strips`, `drawing_curves` and `drawing_points`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

from plabctl.core.stats.runs import NodeState
from plabctl.durations import format_duration

COLOURS = {
    "usable": ("#8ec4e8", "#2f6f9f"),
    "suspect": ("#f2c50f", "#e8bd1f"),
    "bad": ("#b3311a", "#f0674a"),
    "held": ("#7b5bb0", "#b79be8"),
    "absent": ("#a9afb7", "#7d858f"),
    "unknown": ("#e9ecef", "#2a3037"),
    "ink": ("#1f2429", "#e6e9ec"),
    "faint": ("#59626b", "#a3abb3"),
    "grid": ("#dfe3e7", "#333a42"),
    "paper": ("#ffffff", "#14181c"),
    "mark": ("#0b5394", "#8ec4e8"),
}
"""Each on light paper and on dark paper."""
LETTERS = {
    NodeState.USABLE: "U",
    NodeState.SUSPECT: "S",
    NodeState.BAD: "B",
    NodeState.HELD: "H",
    NodeState.ABSENT: "A",
    NodeState.UNKNOWN: "?",
}
_PATTERN_LINES = {
    NodeState.SUSPECT: "M2 1v2M5 4v2",
    NodeState.BAD: "M-1 1L1 -1M0 6L6 0M5 7L7 5",
    NodeState.HELD: "M3 0v6",
    NodeState.ABSENT: "M0 3h6",
}
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TICKS = 5
_LEAST = 1e-9
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_TIME_STEPS_S = (
    *(5, 10, 30, 60, 300, 600, 1800),
    *(_HOUR_S * hours for hours in (1, 2, 3, 6, 12)),
    *(_DAY_S * days for days in (1, 2, 5, 10, 30, 60, 90, 180, 360, 1800, 3600)),
)
_MOST_TIMES = 7
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_HEADING = 34
_ROUGH_S = 600.0
LETTER_WIDTH = 0.6
"""Of a letter, in sizes of the font: a guess on the safe side, as nobody measures text here."""


def _list_rules(place: int) -> str:
    rules = []
    for name, colours in COLOURS.items():
        rules.append(f".drawing .f-{name}{{fill:{colours[place]}}}.drawing .s-{name}{{stroke:{colours[place]}}}")
    return "".join(rules)


STYLE = (
    ".drawing text{font:11px system-ui,'DejaVu Sans',Verdana,sans-serif;stroke:none}"
    ".drawing .title{font-size:15px;font-weight:600}.drawing .small{font-size:9px}"
    ".drawing .letter{paint-order:stroke;stroke-width:2.5px}"
    ".drawing .end{text-anchor:end}.drawing .middle{text-anchor:middle}"
    ".drawing .line{fill:none}.drawing .thick{stroke-width:2}.drawing .dashed{stroke-dasharray:4 3}"
    ".drawing .hatch{stroke-opacity:.6}.drawing .veil{fill-opacity:.16}.drawing .hit{fill-opacity:0}"
    ".drawing a:hover .hit,.drawing a:focus .hit{fill-opacity:.35}"
    + "".join(
        f".drawing .p-{state}{{fill:url(#p-{state})}}.drawing .q-{state}{{stroke:url(#p-{state})}}"
        for state in NodeState
    )
    + _list_rules(0)
    + f"@media (prefers-color-scheme:dark){{{_list_rules(1)}}}"
)
"""The style sheet of all pictures; a page has it once."""


def _draw_patterns() -> str:
    pieces = []
    for state in NodeState:
        lines = _PATTERN_LINES.get(state)
        over = f'<path class="line hatch s-paper" d="{lines}"/>' if lines else ""
        pieces.append(
            f'<pattern id="p-{state}" width="6" height="6" patternUnits="userSpaceOnUse">'
            f'<rect class="f-{state}" width="6" height="6"/>{over}</pattern>'
        )
    return "".join(pieces)


PATTERNS = f'<svg class="drawing" width="0" height="0" aria-hidden="true"><defs>{_draw_patterns()}</defs></svg>'
"""What the pictures of a page refer to; a page has it once, before them."""


class Drawing(NamedTuple):
    """A picture: its size in pixels, a title, a sentence that says what is to be seen, and the SVG in it."""

    width: float
    height: float
    title: str
    summary: str
    body: str
    is_image: bool = True
    """False where there are links in it, which are no part of an image for those who do not see it."""

    def format_inline(self) -> str:
        """Return the picture as it stands in a page."""
        role = ' role="img"' if self.is_image else ""
        return (
            f'<svg class="drawing"{role} viewBox="0 0 {self.width:g} {self.height:g}">'
            f"<title>{escape(self.title)}</title><desc>{escape(self.summary)}</desc>{self.body}</svg>"
        )

    def format_file(self) -> str:
        """Return the picture as a file of its own, with its title above it."""
        box = f"0 {-_HEADING} {self.width:g} {self.height + _HEADING:g}"
        size = f'width="{self.width:g}" height="{self.height + _HEADING:g}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" role="img" {size} viewBox="{box}">\n'
            f"<title>{escape(self.title)}</title><desc>{escape(self.summary)}</desc>\n"
            f'<style>{STYLE}</style><defs>{_draw_patterns()}</defs>\n<rect class="f-paper" y="{-_HEADING}" {size}/>\n'
            f"{draw_text(12, -12, self.title, 'title')}\n{self.body}\n</svg>\n"
        )


class Tick(NamedTuple):
    """A place on an axis, and what stands there."""

    value: float
    label: str


def draw_text(x: float, y: float, text: str, names: str = "", colour: str = "ink") -> str:
    """Return `text` at a place; `names` are classes of the style sheet."""
    return f'<text class="{f"f-{colour} {names}".strip()}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def format_rough(seconds: float) -> str:
    """Return a duration as people care for it: from ten minutes on without seconds."""
    return format_duration(round(seconds / 60.0) * 60.0 if seconds >= _ROUGH_S else float(round(seconds)))


def round_places(values: Iterable[float]) -> list[float]:
    """Return places rounded to a tenth of a pixel, so that a picture stays small."""
    return [round(value, 1) for value in values]


def choose_step(most: float) -> float:
    """Return a round distance between ticks from 0 to `most`, so that there are about five."""
    if most < _LEAST:
        return 1.0
    rough = most / _TICKS
    power = 10.0 ** floor(log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * 0.999)


def list_value_ticks(most: float, *, is_count: bool = False) -> list[Tick]:
    """Return round values from 0 to the first that is not below `most`; whole ones for a count."""
    step = max(1.0, ceil(choose_step(most))) if is_count else choose_step(most)
    return [Tick(step * number, f"{step * number:.6g}") for number in range(max(1, ceil(most / step * 0.9999)) + 1)]


def list_time_ticks(since_at: float, until_at: float, most: int = _MOST_TIMES) -> list[Tick]:
    """Return instants at full hours or days, as clocks on this machine show them, about `most` at most."""
    span_s = until_at - since_at
    step_s = next((step for step in _TIME_STEPS_S if span_s / step <= most), _TIME_STEPS_S[-1])
    # Days begin at midnight where we are; the offset of the end holds for all, so that ticks are equally far apart.
    offset_s = time.localtime(until_at).tm_gmtoff
    first = ceil((since_at + offset_s) / step_s)
    ats = [number * step_s - offset_s for number in range(first, floor((until_at + offset_s) / step_s) + 1)]
    return [Tick(at, _format_tick(at, step_s)) for at in ats]


def _format_tick(at: float, step_s: float) -> str:
    moment = time.localtime(at)
    day = f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday}"
    if step_s >= 30 * _DAY_S:
        return f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_year}"
    if step_s >= _DAY_S or moment[3:6] == (0, 0, 0):
        return day
    seconds = f":{moment.tm_sec:02}" if step_s < _MINUTE_S else ""
    return f"{moment.tm_hour:02}:{moment.tm_min:02}{seconds}"


def draw_time_tick(x: float, y: float, tick: Tick, width: float) -> str:
    """Return an instant on an axis of time in a picture of that width, which its label does not leave."""
    side = "end" if x > width - len(tick.label) * 11 * LETTER_WIDTH / 2 else "middle"
    return f'<path class="line s-ink" d="M{x:g} {y:g}v4"/>{draw_text(x, y + 16, tick.label, side, "faint")}'


class LegendEntry(NamedTuple):
    """One line of a legend: the classes of its swatch, a letter in it, and what it means."""

    names: str
    letter: str
    label: str


def build_state_entry(state: NodeState, label: str = "") -> LegendEntry:
    """Return the entry of a legend for a state of nodes."""
    return LegendEntry(f"p-{state}", LETTERS[state], label or str(state))


def draw_legend(left: float, top: float, width: float, entries: Sequence[LegendEntry]) -> tuple[str, float]:
    """Return a legend as wide as `width`, and how high it is: as many lines as it takes."""
    pieces, x, y = [], left, top
    for entry in entries:
        needed = 24 + len(entry.label) * 11 * LETTER_WIDTH
        if x > left and x + needed > left + width:
            x, y = left, y + 18
        pieces.append(f'<rect class="{entry.names}" x="{x:g}" y="{y:g}" width="14" height="12"/>')
        if entry.letter:
            pieces.append(draw_text(x + 7, y + 9.5, entry.letter, "small middle letter s-paper"))
        pieces.append(draw_text(x + 18, y + 10, entry.label))
        x = round(x + needed, 1)
    return "".join(pieces), y + 18 - top
