"""Instants as people write them: what each form means, in which zone, and where the clocks change."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.instants import parse_instant
from plabctl.render.times import format_iso, format_local

BERLIN, NEW_YORK, SAO_PAULO, HAVANA = map(
    ZoneInfo, ("Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana")
)
ZONES = [BERLIN, NEW_YORK, SAO_PAULO, HAVANA, ZoneInfo("Asia/Kathmandu"), UTC]
NOW = datetime(2026, 11, 28, 11, 20, tzinfo=UTC).timestamp()  # a Saturday; 12:20 in Berlin, 06:20 in New York


@contextmanager
def local_zone(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


def read(text: str, zone: ZoneInfo | timezone = BERLIN, *, ahead: bool = False) -> str:
    return format_iso(parse_instant(text, NOW, zone=zone, ahead=ahead))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7d", "2026-11-21T11:20:00Z"),
        ("2h30m", "2026-11-28T08:50:00Z"),
        ("0", "2026-11-28T11:20:00Z"),
        ("now", "2026-11-28T11:20:00Z"),
        ("2026-11-20", "2026-11-19T23:00:00Z"),
        ("2026-07-20", "2026-07-19T22:00:00Z"),  # summer time
        ("2026-11-20T10:00", "2026-11-20T09:00:00Z"),
        ("2026-11-20 10:00:30", "2026-11-20T09:00:30Z"),
        ("  2026-11-20   9:00 ", "2026-11-20T08:00:00Z"),
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
        ("2026-11-20T10:00:00.750Z", "2026-11-20T10:00:00Z"),
        ("2026-11-20t10:00z", "2026-11-20T10:00:00Z"),
        ("2026-11-20T10:00+05:30", "2026-11-20T04:30:00Z"),
        ("2026-11-20T10:00-08", "2026-11-20T18:00:00Z"),
        ("2026-11-20 10:00 UTC", "2026-11-20T10:00:00Z"),
        ("2026-11-20 10:00 GMT", "2026-11-20T10:00:00Z"),
        ("2026-11-20 10:00 CET", "2026-11-20T09:00:00Z"),
        ("yesterday", "2026-11-26T23:00:00Z"),
        ("Yesterday 22:15", "2026-11-27T21:15:00Z"),
        ("today", "2026-11-27T23:00:00Z"),
        ("tomorrow", "2026-11-28T23:00:00Z"),
        ("12:00", "2026-11-28T11:00:00Z"),
        ("14:00", "2026-11-27T13:00:00Z"),  # not yet today
        ("23:30Z", "2026-11-27T23:30:00Z"),
        ("@1764000000", "2025-11-24T16:00:00Z"),
    ],
)
def test_forms_of_the_past(text: str, found: str) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2d", "2026-11-30T11:20:00Z"),
        ("2026-12-01", "2026-11-30T23:00:00Z"),
        ("tomorrow", "2026-11-28T23:00:00Z"),
        ("tomorrow 08:00", "2026-11-29T07:00:00Z"),
        ("14:00", "2026-11-28T13:00:00Z"),
        ("12:00", "2026-11-29T11:00:00Z"),  # over today
        ("12:20", "2026-11-29T11:20:00Z"),  # just now
    ],
)
def test_forms_of_the_future(text: str, found: str) -> None:
    assert read(text, ahead=True) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "7", "7 days", "-2d", "T10:00", "2026-11-20T10", "2026-11-20T25:00", "2026-11-20Z"),
        *("2026-13-01", "2026-02-29", "0000-01-01", "2026-11-20 10:00 XYZ", "2026-11-20 10:00 CEST", "10:00+99:00"),
        "@" + "9" * 13,
    ],
)
def test_what_is_no_instant_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an? (instant|duration, date or time)") as caught:
        parse_instant(text, NOW, zone=BERLIN)

    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("ahead", [False, True])
def test_what_is_shown_as_an_example_is_an_instant_on_the_side_that_is_asked_for(*, ahead: bool) -> None:
    with pytest.raises(ValueError, match="write it like") as caught:
        parse_instant("soon", NOW, zone=BERLIN, ahead=ahead)
    examples = str(caught.value).partition("write it like ")[2].split(", ")

    found = {text: parse_instant(text, NOW, zone=BERLIN, ahead=ahead) for text in examples}
    assert all((at > NOW) is ahead for text, at in found.items() if not text.startswith("2026-")), found


def test_the_day_is_that_of_the_zone() -> None:
    late = datetime(2026, 11, 28, 23, 30, tzinfo=UTC).timestamp()  # the 29th in Berlin

    assert format_iso(parse_instant("today", late, zone=BERLIN)) == "2026-11-28T23:00:00Z"
    assert format_iso(parse_instant("today", late, zone=NEW_YORK)) == "2026-11-28T05:00:00Z"
    assert format_iso(parse_instant("today 10:00Z", late, zone=BERLIN)) == "2026-11-28T10:00:00Z"


@pytest.mark.parametrize("ahead", [False, True])
def test_a_time_that_the_clocks_skip_is_later_by_as_much(*, ahead: bool) -> None:
    assert read("2026-03-29T02:30", BERLIN, ahead=ahead) == "2026-03-29T01:30:00Z"  # 03:30 there
    assert read("2026-03-08T02:30", NEW_YORK, ahead=ahead) == "2026-03-08T07:30:00Z"
    assert read("2018-11-04", SAO_PAULO, ahead=ahead) == "2018-11-04T03:00:00Z"  # that day began at 01:00


def test_a_time_that_comes_twice_is_the_first_or_ahead_the_second() -> None:
    assert read("2026-10-25T02:30", BERLIN) == "2026-10-25T00:30:00Z"
    assert read("2026-10-25T02:30", BERLIN, ahead=True) == "2026-10-25T01:30:00Z"
    assert read("2026-10-25 02:30 CET", BERLIN) == "2026-10-25T01:30:00Z"
    assert read("2026-10-25 02:30 CEST", BERLIN, ahead=True) == "2026-10-25T00:30:00Z"
    # A day begins once, also where midnight comes twice.
    assert read("2026-11-01", HAVANA, ahead=True) == read("2026-11-01", HAVANA) == "2026-11-01T04:00:00Z"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC0"])
def test_without_a_zone_times_are_local(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    with local_zone(monkeypatch, zone):
        for text in ("2026-11-20", "2026-07-20T10:00", "yesterday", "14:00", "2026-03-29T02:30", "2026-10-25T02:30"):
            named = ZoneInfo(zone.removesuffix("0"))
            for ahead in (False, True):
                assert parse_instant(text, NOW, ahead=ahead) == parse_instant(text, NOW, zone=named, ahead=ahead), text


@given(st.floats(1_000_000_000, 4_000_000_000), st.sampled_from(ZONES), st.booleans())
def test_what_is_printed_for_programs_is_read_back(at: float, zone: ZoneInfo, ahead: bool) -> None:
    assert parse_instant(format_iso(at), NOW, zone=zone, ahead=ahead) == int(at)


@given(st.integers(1_000_000_000, 4_000_000_000))
def test_local_times_are_read_back_but_for_an_hour_that_comes_twice(at: int) -> None:
    shown = format_local(at)

    assert at in {int(parse_instant(shown, NOW, ahead=ahead)) for ahead in (False, True)}


@given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.sampled_from(ZONES))
def test_a_date_is_the_first_instant_of_its_day(day: date, zone: ZoneInfo) -> None:
    start = parse_instant(day.isoformat(), NOW, zone=zone)

    assert datetime.fromtimestamp(start, zone).date() == day
    assert datetime.fromtimestamp(start - 1, zone).date() < day
