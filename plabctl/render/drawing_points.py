"""Labelled points in a plane as a picture: what each costs and what harm it does, and which are efficient.

Pure. `plabctl.render.drawing` has the parts of a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from plabctl.counts import format_count
from plabctl.render.drawing import LETTER_WIDTH, Drawing, Tick, draw_text, list_value_ticks

_WIDTH, _HEIGHT = 720, 444
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 700, 8, 366
_FONT, _RADIUS = 11, 4.5
_AWAY = 12


class Point(NamedTuple):
    """One point, and what to call it; `is_here` marks the one where whoever looks at it is now."""

    label: str
    x: float
    y: float
    is_here: bool = False


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class _Place(NamedTuple):
    """A point of the picture."""

    point: Point
    x: float
    y: float
    is_efficient: bool


def find_frontier(points: Iterable[Point]) -> list[Point]:
    """Return the efficient points, from left to right: no other is lower and not further right, or the reverse."""
    frontier: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, point.y)):
        if not frontier or point.y < frontier[-1].y or point[1:3] == frontier[-1][1:3]:
            frontier.append(point)
    return frontier


def draw_points(points: Sequence[Point], *, title: str, x_title: str, y_title: str) -> Drawing:
    """Draw `points`, of which less is better both ways; both axes begin at 0, so that lengths can be compared."""
    x_ticks = list_value_ticks(max(point.x for point in points))
    y_ticks = list_value_ticks(max(point.y for point in points))
    frontier = find_frontier(points)

    def place(point: Point) -> _Place:
        x = _LEFT + (_RIGHT - _LEFT) * point.x / x_ticks[-1].value
        y = _BOTTOM - (_BOTTOM - _TOP) * point.y / y_ticks[-1].value
        return _Place(point, round(x, 1), round(y, 1), point in frontier)

    places = [place(point) for point in points]
    pieces = [
        *_draw_grid(x_ticks, y_ticks),
        draw_text((_LEFT + _RIGHT) / 2, _BOTTOM + 38, x_title, "middle"),
        f'<g transform="translate(14 {(_TOP + _BOTTOM) / 2:g}) rotate(-90)">{draw_text(0, 0, y_title, "middle")}</g>',
        _draw_frontier([place(point) for point in frontier]),
        *_draw_places(places),
        *_draw_key(places),
    ]
    names = ", ".join(point.label for point in frontier)
    here = "".join(f" You are at {point.label}." for point in points if point.is_here)
    summary = f"{format_count(len(points), 'point')}; efficient: {names}.{here}"
    return Drawing(_WIDTH, _HEIGHT, title, summary, "\n".join(pieces))


def _draw_grid(x_ticks: Iterable[Tick], y_ticks: Sequence[Tick]) -> Iterator[str]:
    x_ticks = list(x_ticks)
    for tick in x_ticks:
        x = round(_LEFT + (_RIGHT - _LEFT) * tick.value / x_ticks[-1].value, 1)
        yield f'<path class="line s-grid" d="M{x} {_TOP}V{_BOTTOM}"/>'
        yield draw_text(x, _BOTTOM + 16, tick.label, "middle", "faint")
    for tick in y_ticks:
        y = round(_BOTTOM - (_BOTTOM - _TOP) * tick.value / y_ticks[-1].value, 1)
        yield f'<path class="line s-grid" d="M{_LEFT} {y}H{_RIGHT}"/>'
        yield draw_text(_LEFT - 6, y + 4, tick.label, "end", "faint")
    yield f'<path class="line s-ink" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>'


def _draw_frontier(places: Sequence[_Place]) -> str:
    """Draw the steps between efficient points: what is above and right of them is no better than one of them."""
    steps = "".join(f"H{place.x}V{place.y}" for place in places[1:])
    return f'<path class="line s-mark dashed" d="M{places[0].x} {places[0].y}{steps}"/>'


def _draw_mark(place: _Place) -> str:
    at = f'cx="{place.x}" cy="{place.y}"'
    ring = f'<circle class="line s-bad thick" {at} r="{_RADIUS + 4}"/>' if place.point.is_here else ""
    names = "f-mark s-mark" if place.is_efficient else "f-paper s-faint"
    return f'<circle class="{names}" {at} r="{_RADIUS}"/>{ring}'


def _draw_places(places: Sequence[_Place]) -> Iterator[str]:
    """Yield the points, and beside each its label where it covers no other point or label."""
    taken = [_Box(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for _, x, y, _ in places]
    for place in places:
        label = f"{place.point.label}: you are here" if place.point.is_here else place.point.label
        box = _find_free_box(label, place, taken)
        taken.append(box)
        middle = (box.left + box.right) / 2
        if abs(box.bottom - _FONT / 2 - place.y) > _FONT * 1.5:
            to = f"{middle:.1f} {(box.top + box.bottom) / 2:.1f}"
            yield f'<path class="line s-faint" d="M{place.x} {place.y}L{to}"/>'
        yield f'<g class="point">{_draw_mark(place)}</g>'
        at, anchor = _choose_anchor(box, place.x)
        yield draw_text(round(at, 1), round(box.bottom - 4, 1), label, f"letter s-paper {anchor}")


def _choose_anchor(box: _Box, x: float) -> tuple[float, str]:
    """Return the side of the box by which its label is held: the one nearest to the point, as widths are guesses."""
    if box.left > x:
        return box.left, ""
    if box.right < x:
        return box.right, "end"
    return (box.left + box.right) / 2, "middle"


def _find_free_box(label: str, place: _Place, taken: Sequence[_Box]) -> _Box:
    """Return where the label goes: right of its point if that is free, else left, above, below, then further away."""
    width, x, y = len(label) * _FONT * LETTER_WIDTH, place.x, place.y
    gap = _RADIUS + (8 if place.point.is_here else 4)
    for away in range(_AWAY):
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


def _draw_key(places: Sequence[_Place]) -> Iterator[str]:
    """Yield what the marks mean, below the picture."""
    entries = [(True, False, "efficient: no other costs less and does less harm")]
    entries += [(False, False, "others")] if not all(place.is_efficient for place in places) else []
    entries += [(True, True, "you are here")] if any(place.point.is_here for place in places) else []
    x, y = float(_LEFT + 8), _BOTTOM + 64.0
    for is_efficient, is_here, label in entries:
        yield _draw_mark(_Place(Point(label, 0.0, 0.0, is_here), x, y, is_efficient))
        yield draw_text(x + 14, y + 4, label)
        x = round(x + 40 + len(label) * _FONT * LETTER_WIDTH, 1)
