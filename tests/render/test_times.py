"""Instants and waits as text."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.render.times import format_ago, format_iso, format_local, format_time_of_day, format_took, format_until


@given(st.integers(-62_000_000_000_000, 253_000_000_000_000))
def test_iso_says_the_second_in_which_the_instant_lies(millis: int) -> None:
    said = datetime.strptime(format_iso(millis / 1000), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)

    assert said.timestamp() == millis // 1000


@pytest.mark.parametrize(
    ("at", "text"),
    [(0.0, "1970-01-01T00:00:00Z"), (1.25, "1970-01-01T00:00:01Z"), (59.9999, "1970-01-01T00:00:59Z")],
)
def test_iso_by_example(at: float, text: str) -> None:
    assert format_iso(at) == text


@pytest.fixture
def set_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the time zone of this process until the test ends."""

    def change(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()


SHOWN = {
    "Europe/Berlin": ["2026-10-25 02:30:00 CEST", "2026-10-25 02:30:00 CET"],
    "America/New_York": ["2026-10-24 20:30:00 EDT", "2026-10-24 21:30:00 EDT"],
    "America/Sao_Paulo": ["2026-10-24 21:30:00-0300", "2026-10-24 22:30:00-0300"],
    "UTC": ["2026-10-25 00:30:00 UTC", "2026-10-25 01:30:00 UTC"],
}
"""Half an hour before and after Germany's clocks are put back."""


@pytest.mark.parametrize("zone", SHOWN)
def test_local_time_is_shown_with_its_zone(zone: str, set_zone: Callable[[str], None]) -> None:
    set_zone(zone)
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()

    assert [format_local(at) for at in (before, before + 3600)] == SHOWN[zone]
    assert format_time_of_day(before) == SHOWN[zone][0][11:19]


@pytest.mark.parametrize(("at", "said"), [(100.0, "0s ago"), (78.0, "22s ago"), (40.5, "59s ago"), (130.0, "in 30s")])
def test_ago(at: float, said: str) -> None:
    assert format_ago(at, 100.0) == said


@pytest.mark.parametrize(("at", "said"), [(100.0, "now"), (50.0, "now"), (100.2, "in 1s"), (580.0, "in 8m")])
def test_until(at: float, said: str) -> None:
    assert format_until(at, 100.0) == said


def test_what_takes_long_is_told_in_other_units() -> None:
    assert [format_took(0.04), format_took(12.34), format_took(150.0)] == ["0.0 s", "12.3 s", "2m30s"]


@pytest.mark.parametrize("at", [-1e18, -6e10, -1.0, 2.0**31, 253_402_300_800.0, 1e18])
def test_any_instant_that_a_state_can_hold_is_said_in_four_digits_of_a_year(at: float) -> None:
    assert datetime.fromisoformat(format_iso(at)).year >= 1
    assert format_local(at)
