"""Instants and waits as text."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.render.times import format_ago, format_iso, format_local, format_took, format_until


@given(st.integers(-62_000_000_000_000, 253_000_000_000_000))
def test_iso_says_the_instant_to_the_millisecond(millis: int) -> None:
    text = format_iso(millis / 1000)

    assert round(datetime.fromisoformat(text).timestamp() * 1000) == millis
    assert datetime.fromisoformat(text).tzinfo == UTC
    assert ("." in text) == bool(millis % 1000)


@pytest.mark.parametrize(
    ("at", "text"),
    [(0.0, "1970-01-01T00:00:00Z"), (1.25, "1970-01-01T00:00:01.250Z"), (59.9999, "1970-01-01T00:01:00Z")],
)
def test_iso_by_example(at: float, text: str) -> None:
    assert format_iso(at) == text


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
