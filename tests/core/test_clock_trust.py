"""From which moment on a clock is believed, and until when not."""

import pytest

from plabctl.core.clock_trust import NEVER_BEFORE, SETTLES_S, SLACK_S, explain_distrust, is_set_back
from tests.builders import NOW


def test_a_clock_may_lie_a_second_behind_without_having_been_set_back() -> None:
    assert not is_set_back(NOW - SLACK_S, NOW)
    assert is_set_back(NOW - SLACK_S - 0.001, NOW)


@pytest.mark.parametrize(("uptime_s", "is_believed"), [(SETTLES_S - 0.001, False), (SETTLES_S, True)])
def test_ten_minutes_after_a_boot_a_clock_that_lies_behind_is_believed(uptime_s: float, *, is_believed: bool) -> None:
    assert bool(explain_distrust(NOW - 3600, NOW, uptime_s)) is not is_believed


@pytest.mark.parametrize("uptime_s", [0.0, SETTLES_S - 0.001])
def test_a_clock_that_lies_behind_a_change_of_the_same_boot_was_corrected(uptime_s: float) -> None:
    assert not explain_distrust(NOW - 3600, NOW, uptime_s, is_same_boot=True)
    assert explain_distrust(NEVER_BEFORE - 1, NOW, uptime_s, is_same_boot=True), "but not to where it cannot be"


@pytest.mark.parametrize(("now", "is_believed"), [(NEVER_BEFORE - 0.001, False), (NEVER_BEFORE, True)])
def test_a_clock_is_believed_from_the_year_on_in_which_it_can_have_been_set(now: float, *, is_believed: bool) -> None:
    assert bool(explain_distrust(now, 0.0, 1e6)) is not is_believed
