import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.histogram import (
    LEAST_S,
    MEMORY,
    RATIO,
    add_sample,
    compute_edge,
    compute_quantile,
    count_samples,
    find_class,
)

SECONDS = st.floats(0.0, 30 * 86400.0)


def tally_of(values: list[float]) -> dict[int, float]:
    histogram: dict[int, float] = {}
    for seconds in values:
        histogram = add_sample(histogram, seconds)
    return histogram


@given(SECONDS)
def test_what_is_counted_lies_below_the_edge_of_its_class_and_above_the_one_before(seconds: float) -> None:
    number = find_class(seconds)

    assert seconds <= compute_edge(number) * (1 + 1e-6)
    assert number == 0 or seconds > compute_edge(number - 1)


@given(st.integers(0, 120))
def test_an_edge_belongs_to_its_own_class(number: int) -> None:
    assert find_class(compute_edge(number)) == number


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_never_too_small_and_at_most_a_fifth_too_large(values: list[float], share: float) -> None:
    true = sorted(values)[max(0, math.ceil(share * len(values) - 1e-9) - 1)]

    found = compute_quantile(tally_of(values), share)

    assert true <= found * (1 + 1e-6)
    assert found <= max(LEAST_S, true * RATIO) * (1 + 1e-6)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30))
def test_a_tally_stays_small_however_much_is_counted(values: list[float]) -> None:
    histogram = tally_of(values * 100)

    assert sum(histogram.values()) < MEMORY
    assert len(histogram) <= find_class(100.0) + 1
    assert min(histogram.values()) > 0


def test_a_thousand_are_too_many_and_weigh_half_from_then_on() -> None:
    assert count_samples(tally_of([1.0] * 999)) == 999
    assert count_samples(tally_of([1.0] * 1000)) == 500


def test_what_was_halved_to_less_than_a_quarter_is_forgotten() -> None:
    histogram = add_sample({find_class(1.0): 1000.0, find_class(9.0): 0.5, find_class(99.0): 0.25}, 1.0)

    assert histogram == {find_class(1.0): 500.5, find_class(9.0): 0.25}


def test_half_of_two_ended_with_the_first_of_them() -> None:
    assert compute_quantile(tally_of([1.0, 9.0]), 0.5) == compute_edge(find_class(1.0))


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing is counted"):
        compute_quantile({}, 0.95)


def test_what_is_older_is_forgotten() -> None:
    histogram = tally_of([100.0] * 900 + [1.0] * 5000)

    assert compute_quantile(histogram, 0.95) < 2
    assert count_samples(histogram) >= MEMORY / 2
