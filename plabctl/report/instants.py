"""Instants and waits as text: ISO 8601 for programs, words for people.

Pure, but for the time zone that local times are shown in.
"""

from __future__ import annotations

import time
from functools import lru_cache

from plabctl.durations import format_duration

_DAY_S = 86400


def iso(at: float) -> str:
    """Return the instant `at` (seconds since 1970) as `2026-11-22T12:00:00Z`; milliseconds only if there are any."""
    millis = round(at * 1000)
    seconds, millis = divmod(millis, 1000)
    days, rest = divmod(seconds, _DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    fraction = f".{millis:03}" if millis else ""
    return f"{_date(days)}T{hours:02}:{minutes:02}:{rest:02}{fraction}Z"


@lru_cache(maxsize=512)
def _date(days: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(days * _DAY_S))


def local(at: float) -> str:
    """Return the instant as people on this machine read it: `2026-11-22 13:00:00`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def ago(at: float, now: float) -> str:
    """Return how long ago `at` was, as `22s ago`, or when it will be."""
    if at > now:
        return until(at, now)
    return f"{format_duration(float(int(now - at)))} ago"


def until(at: float, now: float) -> str:
    """Return how long it is until `at`, as `in 8s`, or `now` when it has come."""
    return "now" if at <= now else f"in {format_duration(float(int(at - now) or 1))}"
