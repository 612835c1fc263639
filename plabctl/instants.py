"""Read instants as people write them: `2026-12-01`, `2026-12-01T10:00Z`, `yesterday`, `14:30`, or a duration from now.

Pure when a zone is given. Instants are seconds since 1970 (UTC) everywhere inside; `plabctl.durations` reads durations.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from plabctl.durations import parse_duration

if TYPE_CHECKING:
    from datetime import date, datetime, time, tzinfo

_EXAMPLES = "2d, 12h, 2026-12-01, 2026-12-01T10:00, 2026-12-01T10:00Z, 14:30"
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
# A day, a time of the day, and where that is; each may be missing. Whether the numbers make a date, `datetime` says.
_FORM = (
    r"(?P<day>\d{4}-\d\d-\d\d|yesterday|today|tomorrow)?"
    r"(?:(?(day)[t ]\s*)(?P<time>\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?)"
    r"(?:(?P<offset>z|[+-]\d\d(?::?\d\d)?)|\s+(?P<name>[a-z]{2,5}))?)?"
)


def parse_instant(text: str, now: float, *, zone: tzinfo | None = None, ahead: bool = False) -> float:
    """Return the instant that `text` names; raise ValueError when it names none.

    A duration counts back from `now`, with `ahead` forward. A date is the start of that day, and a time of the day
    alone is the latest one, with `ahead` the next. What has no zone of its own is in `zone` (None: that of this
    machine). A time that the clocks skip is as much later as they were put forward; one that comes twice is the first,
    with `ahead` the second.
    """
    words = " ".join(text.lower().split())
    if words == "now":
        return now
    if words[:1] == "@" and words[1:].isdecimal() and len(words) <= len("@253402300799"):  # as `date` writes it
        return float(words[1:])
    form = re.fullmatch(_FORM, words)
    if not words or form is None:
        return _count_from(text, now, ahead=ahead)
    try:
        return _find_instant(form, now, zone, ahead=ahead)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is not an instant: {error}"
        raise ValueError(message) from None


def _count_from(text: str, now: float, *, ahead: bool) -> float:
    try:
        seconds = parse_duration(text.lower())
    except ValueError:
        day = "tomorrow" if ahead else "yesterday"
        message = f"{text!r} is not a duration, date or time; write it like {_EXAMPLES}, {day}"
        raise ValueError(message) from None
    return now + seconds if ahead else now - seconds


def _find_instant(form: re.Match[str], now: float, zone: tzinfo | None, *, ahead: bool) -> float:
    from datetime import date, datetime, time, timedelta  # most commands read no instant

    own_zone = _read_zone(form["offset"], form["name"])
    abbreviation = form["name"] if own_zone is None else None
    zone = own_zone or zone
    today = datetime.fromtimestamp(now, zone).date()
    shift = _DAYS.get(form["day"] or "today")
    day = date.fromisoformat(form["day"]) if shift is None else today + timedelta(days=shift)
    if not form["time"]:
        return _resolve(day, time(), zone)
    hour, _, rest = form["time"].replace(",", ".").partition(":")
    moment = time.fromisoformat(f"{hour:0>2}:{rest}")
    at = _resolve(day, moment, zone, abbreviation, ahead=ahead)
    if form["day"] or (at > now if ahead else at <= now):
        return at
    return _resolve(day + timedelta(days=1 if ahead else -1), moment, zone, abbreviation, ahead=ahead)


def _read_zone(offset: str | None, name: str | None) -> tzinfo | None:
    """Return the zone that `z`, `+01:00`, `utc` or `gmt` names; None for any other name, and for none."""
    from datetime import timedelta, timezone

    if offset and offset != "z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        east = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return timezone(east if offset[0] == "+" else -east)
    return UTC if offset or name in {"utc", "gmt"} else None


def _resolve(
    day: date, moment: time, zone: tzinfo | None, abbreviation: str | None = None, *, ahead: bool = False
) -> float:
    """Return the instant at which clocks in `zone` show that; `abbreviation`, such as `cet`, tells two such apart."""
    from datetime import datetime

    shown = datetime.combine(day, moment, zone)
    both = [shown.replace(fold=fold) for fold in (0, 1)]
    if abbreviation:
        both = [each for each in both if _name_zone(each, zone) == abbreviation]
        if not both:
            message = f"local time is not called {abbreviation.upper()} then; write the zone as Z or +01:00"
            raise ValueError(message)
    first, last = both[0].timestamp(), both[-1].timestamp()
    # A skipped time: with fold 0 it is counted from before the change, so it is the later of the two.
    return max(first, last) if ahead else first


def _name_zone(shown: datetime, zone: tzinfo | None) -> str:
    return ((shown if zone else shown.astimezone()).tzname() or "").lower()
