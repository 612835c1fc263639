"""What is remembered halves with each half-life, and a spell fades while it lasts."""

from math import log

import pytest

from plabctl.core.uptime import compute_fade, compute_faded_length


def test_what_was_seen_halves_with_each_half_life_and_never_grows() -> None:
    assert [compute_fade(100.0, now, 50.0) for now in (0.0, 100.0, 150.0, 250.0)] == [1.0, 1.0, 0.5, 0.125]


@pytest.mark.parametrize("seconds", [0.0, 0.5, 60.0, 900.0])
def test_a_spell_is_worth_the_sum_of_its_seconds_each_faded_since(seconds: float) -> None:
    steps = 10_000
    width = seconds / steps
    summed = sum(width * compute_fade(0.0, (number + 0.5) * width, 600.0) for number in range(steps))

    assert compute_faded_length(seconds, 600.0) == pytest.approx(summed, rel=1e-6)


def test_what_a_spell_is_worth_has_a_bound() -> None:
    assert compute_faded_length(1e12, 600.0) == pytest.approx(600.0 / log(2.0))
