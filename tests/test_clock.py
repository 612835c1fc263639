"""The machine's clock, set to where no plabctl can have run."""

import time

import pytest

from plabctl.clock import PLAUSIBLE_FROM, SystemClock
from plabctl.core.clock_skew import NEVER_BEFORE

UNSET = 100.0


def test_the_clock_and_the_policy_agree_on_what_is_plausible() -> None:
    assert PLAUSIBLE_FROM == NEVER_BEFORE


def set_to(monkeypatch: pytest.MonkeyPatch, wall: float) -> None:
    monkeypatch.setattr("plabctl.clock.time.time", lambda: wall)


@pytest.mark.parametrize("wall", [UNSET, NEVER_BEFORE - 0.002])
def test_a_process_that_has_seen_the_time_goes_on_by_the_uptime_when_the_clock_is_unset(
    monkeypatch: pytest.MonkeyPatch, wall: float
) -> None:
    uptime = 50.0
    machine = SystemClock()
    monkeypatch.setattr(machine, "uptime", lambda: uptime)
    set_to(monkeypatch, NEVER_BEFORE + 1000)
    assert machine.now() == NEVER_BEFORE + 1000

    set_to(monkeypatch, wall)
    uptime += 7.5
    assert machine.now() == NEVER_BEFORE + 1007.5
    uptime += 1.0
    assert machine.now() == NEVER_BEFORE + 1008.5

    set_to(monkeypatch, NEVER_BEFORE)
    assert machine.now() == NEVER_BEFORE, "a plausible clock is followed, wherever it was set to"


def test_a_process_that_has_never_seen_the_time_says_what_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, UNSET)

    assert SystemClock().now() == UNSET


def test_a_clock_that_is_set_back_plausibly_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = SystemClock()
    now = time.time()
    assert machine.now() == pytest.approx(now, abs=60)
    set_to(monkeypatch, now - 86400)

    assert machine.now() == round(now - 86400, 3)
