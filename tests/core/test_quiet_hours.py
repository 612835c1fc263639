"""Quiet hours by the clock on the wall: past midnight, in a zone, on the days when clocks are changed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from plabctl.core.quiet_hours import find_quiet_end, is_span

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def show_minute(now: float) -> int:
    shown = datetime.fromtimestamp(now, BERLIN)
    return 60 * shown.hour + shown.minute


def find_end(spans: list[str], now: float) -> str:
    end = find_quiet_end(spans, now, show_minute)
    return "" if end is None else datetime.fromtimestamp(end, BERLIN).strftime("%m-%d %H:%M %Z")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-28 21:59:59", ""),
        ("2026-11-28 22:00", "11-29 07:00 CET"),
        ("2026-11-29 00:00", "11-29 07:00 CET"),
        ("2026-11-29 06:59:59", "11-29 07:00 CET"),
        ("2026-11-29 07:00", ""),
        ("2026-11-29 12:30", "11-29 13:00 CET"),
        ("2026-03-28 23:00", "03-29 07:00 CEST"),
        ("2026-10-24 23:00", "10-25 07:00 CET"),
    ],
)
def test_spans_go_past_midnight_and_over_changes_of_the_clock(now: str, end: str) -> None:
    assert find_end(["22:00-07:00", "12:00-13:00"], at(now)) == end


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    assert find_end(["02:00-02:30"], at("2026-10-25 02:10", fold=0)) == "10-25 02:30 CEST"
    assert find_end(["02:00-02:30"], at("2026-10-25 02:10", fold=1)) == "10-25 02:30 CET"


def test_an_hour_that_is_skipped_is_never_quiet() -> None:
    quarter_hours = [at("2026-03-29 00:00") + 900 * n for n in range(20)]
    assert not any(find_end(["02:10-02:50"], now) for now in quarter_hours)


def test_quiet_hours_may_be_the_whole_day() -> None:
    now = at("2026-11-28 21:00")
    assert find_quiet_end(["00:00-24:00"], now, show_minute) == now + 86400
    assert find_quiet_end([], now, show_minute) is None


@pytest.mark.parametrize("text", ["22:00-07:00", "00:00-24:00", "12:00-13:30"])
def test_spans_that_are_read(text: str) -> None:
    assert is_span(text)


@pytest.mark.parametrize("text", ["", "22-7", "22:00", "24:30-07:00", "22:60-07:00", "08:00-08:00", "00:00-24:01"])
def test_texts_that_are_no_span(text: str) -> None:
    assert not is_span(text)
