"""Labelled points in a plane as an SVG picture: no library, no script, readable in any browser and on paper.

Pure, but for `draw_png`, which asks a library for the pixels if there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import import_module
from math import ceil, floor, log10
from typing import Any, NamedTuple

from plabctl.errors import UsageFault

_WIDTH, _HEIGHT = 880, 560
_SIZE = f'width="{_WIDTH}" height="{_HEIGHT}"'
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 840, 60, 490
_FONT = 15
_LETTER = 0.64
_RADIUS = 5
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TICKS = 6
_LEAST = 1e-9
_STYLE = (
    "text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:15px;fill:#222}"
    ".title{font-size:18px;font-weight:bold}"
    ".tick{font-size:13px;fill:#555}.grid{stroke:#ddd}.axis{stroke:#222}.point{fill:#1f5fa8}.lead{stroke:#999}"
)


class Point(NamedTuple):
    """One point, and what to call it."""

    label: str
    x: float
    y: float


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def draw_svg(points: Sequence[Point], *, title: str, x_title: str, y_title: str) -> str:
    """Return the picture; both axes begin at 0, so that lengths can be compared."""
    x_step, y_step = _choose_step(max(point.x for point in points)), _choose_step(max(point.y for point in points))
    x_most, y_most = (
        max(1, ceil(max(values) / step * 1.0001)) * step
        for values, step in (([point.x for point in points], x_step), ([point.y for point in points], y_step))
    )

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (_RIGHT - _LEFT) * x / x_most, _BOTTOM - (_BOTTOM - _TOP) * y / y_most

    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {_SIZE} viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        f'<style>{_STYLE}</style><rect {_SIZE} fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="32">{escape(title)}</text>',
        *(_draw_x_tick(*place(step * x_step, 0), step * x_step) for step in range(round(x_most / x_step) + 1)),
        *(_draw_y_tick(*place(0, step * y_step), step * y_step) for step in range(round(y_most / y_step) + 1)),
        f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>',
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="{_HEIGHT - 18}" text-anchor="middle">{escape(x_title)}</text>',
        f'<g transform="translate(22 {(_TOP + _BOTTOM) / 2}) rotate(-90)">',
        f'<text text-anchor="middle">{escape(y_title)}</text></g>',
        *_draw_points([(point.label, *place(point.x, point.y)) for point in points]),
        "</svg>\n",
    ]
    return "\n".join(pieces)


def refuse_png() -> None:
    """Raise UsageFault where the library that makes pixels is not installed."""
    _load_pixel_library()


def draw_png(overview: str) -> bytes:
    """Return the SVG `overview` as PNG; raise UsageFault where the library for that is not installed."""
    pixels: bytes = bytes(_load_pixel_library().svg_to_bytes(svg_string=overview, zoom=2))
    return pixels


def _load_pixel_library() -> Any:
    try:
        return import_module("resvg_py")
    except ImportError as error:
        raise UsageFault(
            "a PNG needs the Python package resvg-py, which is not installed",
            hint="name the file .svg, which needs no package",
        ) from error


def _choose_step(most: float) -> float:
    """Return a round distance between ticks, so that there are about six."""
    if most < _LEAST:
        return 1.0
    rough = most / _TICKS
    power = 10.0 ** floor(log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * 0.999)


def _draw_x_tick(x: float, y: float, value: float) -> str:
    return (
        f'<path class="grid" d="M{x:.1f} {_TOP}V{y:.1f}"/>'
        f'<text class="tick" x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{value:g}</text>'
    )


def _draw_y_tick(x: float, y: float, value: float) -> str:
    return (
        f'<path class="grid" d="M{x:.1f} {y:.1f}H{_RIGHT}"/>'
        f'<text class="tick" x="{x - 8:.1f}" y="{y + 5:.1f}" text-anchor="end">{value:.6g}</text>'
    )


def _draw_points(places: Sequence[tuple[str, float, float]]) -> list[str]:
    """Return the points, and beside each its label where it covers no other point or label."""
    taken = [_Box(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for _, x, y in places]
    pieces = []
    for label, x, y in places:
        box = _find_free_box(label, x, y, taken)
        taken.append(box)
        middle = (box.left + box.right) / 2
        if abs(box.bottom - _FONT / 2 - y) > _FONT * 1.5:
            pieces.append(f'<path class="lead" d="M{x:.1f} {y:.1f}L{middle:.1f} {(box.top + box.bottom) / 2:.1f}"/>')
        pieces.append(f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}"/>')
        at, anchor = _choose_anchor(box, x)
        pieces.append(f'<text x="{at:.1f}" y="{box.bottom - 4:.1f}" text-anchor="{anchor}">{escape(label)}</text>')
    return pieces


def _choose_anchor(box: _Box, x: float) -> tuple[float, str]:
    """Return the side of the box by which its label is held: the one nearest to the point, as widths are guesses."""
    if box.left > x:
        return box.left, "start"
    if box.right < x:
        return box.right, "end"
    return (box.left + box.right) / 2, "middle"


def _find_free_box(label: str, x: float, y: float, taken: Sequence[_Box]) -> _Box:
    """Return where the label goes: right of its point if that is free, else left, above, below, then further away."""
    width = len(label) * _FONT * _LETTER
    gap = _RADIUS + 4
    for away in range(12):
        lift = away * _FONT
        for left, middle in (
            (x + gap, y - lift),
            (x - gap - width, y - lift),
            (x - width / 2, y - gap - _FONT / 2 - lift),
            (x - width / 2, y + gap + _FONT / 2 + lift),
            (x + gap, y + lift),
            (x - gap - width, y + lift),
        ):
            box = _Box(left, middle - _FONT / 2 - 2, left + width, middle + _FONT / 2 + 2)
            inside = box.left > 0 and box.right < _WIDTH and box.top > _TOP - _FONT and box.bottom < _BOTTOM
            if inside and not any(box.overlaps(other) for other in taken):
                return box
    return _Box(x + gap, y - _FONT / 2 - 2, x + gap + width, y + _FONT / 2 + 2)
