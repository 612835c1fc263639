"""Instants and waits as text: ISO 8601 for programs, words for people.

Pure, but for the time zone that local times are shown in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import floor

from plabctl.durations import format_duration
from plabctl.typed import TypeVar

_FIRST, _LAST = -62135596800, 253402300799 - 86399
"""Of the years 1 and 9999, the last day left out, which is over in no time zone."""
T = TypeVar("T", int, float)
_DAY_S = 86_400
_TEXTS_KEPT = 16_384


class _Texts(dict[int, str]):
    """Texts by number, each made when it is first asked for: a call of a cached function takes twice as long."""

    def __init__(self, make: Callable[[int], str]) -> None:
        self._make = make

    def __missing__(self, number: int) -> str:
        text = self._make(number)
        if len(self) < _TEXTS_KEPT:
            self[number] = text
        return text


def _format_date(day: int) -> str:
    # The calendar of the system is not asked: in a zone that counts leap seconds it would take them out here, too.
    era, day = divmod(_clamp(day * _DAY_S) // _DAY_S + 719468, 146097)  # of 400 years, from a first of March on
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year += 400 * era + (month > 9)  # January and February come last
    return f"{year:04}-{(month + 2) % 12 + 1:02}-{day + 1:02}T"


def _format_minute(minute: int) -> str:
    day, minute = divmod(minute, _DAY_S // 60)
    return f"{_dates[day]}{minute // 60:02}:{minute % 60:02}:"


_dates = _Texts(_format_date)
# Instants are put together from texts that are few, because a list of 100,000 nodes has 300,000 instants.
MINUTES = _Texts(_format_minute)
"""The beginning of an instant of ISO 8601, by minutes since 1970."""
SECONDS = tuple(f"{number:02}Z" for number in range(60))
"""Its end, by seconds in the minute."""


def format_iso(at: float) -> str:
    """Return the second in which the instant `at` (seconds since 1970) lies as `2026-11-22T12:00:00Z`."""
    second = floor(at)
    return MINUTES[second // 60] + SECONDS[second % 60]


def _clamp(at: T) -> T:
    """Return the instant, or the first or last that the calendar of four digits has: a state can hold any number."""
    return max(min(at, _LAST), _FIRST)


def format_local(at: float) -> str:
    """Return the instant as people on this machine read it: `2026-11-22 13:00:00 CET`.

    Where the zone has no name, its offset stands there: `2026-11-22 13:00:00+0300`. Both are understood by options that
    take an instant.
    """
    moment = time.localtime(_clamp(at))
    has_name = time.strftime("%Z", moment).isalpha()
    return time.strftime("%Y-%m-%d %H:%M:%S %Z" if has_name else "%Y-%m-%d %H:%M:%S%z", moment)


def format_time_of_day(at: float) -> str:
    """Return the time of the day, as clocks on this machine show it: `13:00:00`."""
    return time.strftime("%H:%M:%S", time.localtime(_clamp(at)))


def format_clock(at: float, now: float) -> str:
    """Return the instant as short as it is clear to people on this machine: `14:20`, with the date on another day."""
    moment = time.localtime(_clamp(at))
    is_today = moment[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", moment)


def format_ago(at: float, now: float) -> str:
    """Return how long ago `at` was, as `22s ago`, or when it will be."""
    if at > now:
        return format_until(at, now)
    return f"{format_duration(int(now - at))} ago"


def format_age(at: float, now: float) -> str:
    """Return how long ago `at` was, as `22s`; `0s` for what is yet to come."""
    return format_duration(max(0, int(now - at)))


def format_until(at: float, now: float) -> str:
    """Return how long it is until `at`, as `in 8s`, or `now` when it has come."""
    return "now" if at <= now else f"in {format_duration(int(at - now) or 1)}"


def format_took(seconds: float) -> str:
    """Return how long something took: `0.3 s`, and from a minute on `2m30s`."""
    return f"{seconds:.1f} s" if seconds < 60 else format_duration(seconds)  # a minute has 60 seconds
