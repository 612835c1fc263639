"""Quiet hours: spans of the day, by the clock on the wall, in which nothing is sent.

Pure: the caller says what a clock shows. A span may go past midnight. It begins and ends when the clock on the wall
shows so: where the clocks are changed it is an hour longer or shorter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

_DAY = 24 * 60
_FORM = r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)"
_LOOKS = 3 * _DAY
"""How many minutes ahead the end of quiet hours is looked for."""


class Span(NamedTuple):
    """A part of the day, in minutes after midnight; `end` is not part of it, and before `begin` if it is past midnight.

    A span that ends when it begins is the whole day.
    """

    begin: int
    end: int

    def has(self, minute: int) -> bool:
        """Return whether that minute of the day is in it."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


def parse_span(text: str) -> Span | None:
    """Return what `22:00-07:00` means; None for what is no such span, or none at all as it ends when it begins."""
    found = re.fullmatch(_FORM, text)
    if found is None:
        return None
    begin, end = (60 * int(hour) + int(minute) for hour, minute in (found.groups()[:2], found.groups()[2:]))
    if max(begin, end) > _DAY or begin % _DAY == end % _DAY:
        return Span(0, _DAY) if (begin, end) == (0, _DAY) else None
    return Span(begin % _DAY, end)


def is_span(text: str) -> bool:
    """Return whether `text` is such a span."""
    return parse_span(text) is not None


def find_quiet_end(spans: Sequence[str], now: float, show_minute: Callable[[float], int]) -> float | None:
    """Return when the quiet hours at `now` end; None when `now` is in none.

    `show_minute` returns which minute of the day a clock on the wall shows at an instant. Quiet hours without an end
    are looked at again after a day.
    """
    parsed = [span for span in map(parse_span, spans) if span]

    def is_quiet(at: float) -> bool:
        return any(span.has(show_minute(at)) for span in parsed)

    if not is_quiet(now):
        return None
    start = now - now % 60
    # Minute by minute, as clocks may be changed by any number of them.
    return next((start + 60 * n for n in range(1, _LOOKS) if not is_quiet(start + 60 * n)), now + 86400)
