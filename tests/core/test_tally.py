import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.tally import LEAST_S, MEMORY, RATIO, class_of, counted, edge_of, quantile, total

SECONDS = st.floats(0.0, 30 * 86400.0)


def tally_of(values: list[float]) -> dict[int, float]:
    tally: dict[int, float] = {}
    for seconds in values:
        tally = counted(tally, seconds)
    return tally


@given(SECONDS)
def test_what_is_counted_lies_below_the_edge_of_its_class_and_above_the_one_before(seconds: float) -> None:
    number = class_of(seconds)

    assert seconds <= edge_of(number) * (1 + 1e-6)
    assert number == 0 or seconds > edge_of(number - 1)


@given(st.integers(0, 120))
def test_an_edge_belongs_to_its_own_class(number: int) -> None:
    assert class_of(edge_of(number)) == number


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_never_too_small_and_at_most_a_fifth_too_large(values: list[float], share: float) -> None:
    true = sorted(values)[max(0, math.ceil(share * len(values) - 1e-9) - 1)]

    found = quantile(tally_of(values), share)

    assert true <= found * (1 + 1e-6)
    assert found <= max(LEAST_S, true * RATIO) * (1 + 1e-6)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30))
def test_a_tally_stays_small_however_much_is_counted(values: list[float]) -> None:
    tally = tally_of(values * 100)

    assert sum(tally.values()) < MEMORY
    assert len(tally) <= class_of(100.0) + 1
    assert min(tally.values()) > 0


def test_a_thousand_are_too_many_and_weigh_half_from_then_on() -> None:
    assert total(tally_of([1.0] * 999)) == 999
    assert total(tally_of([1.0] * 1000)) == 500


def test_what_was_halved_to_less_than_a_quarter_is_forgotten() -> None:
    tally = counted({class_of(1.0): 1000.0, class_of(9.0): 0.5, class_of(99.0): 0.25}, 1.0)

    assert tally == {class_of(1.0): 500.5, class_of(9.0): 0.25}


def test_half_of_two_ended_with_the_first_of_them() -> None:
    assert quantile(tally_of([1.0, 9.0]), 0.5) == edge_of(class_of(1.0))


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing is counted"):
        quantile({}, 0.95)


def test_what_is_older_is_forgotten() -> None:
    tally = tally_of([100.0] * 900 + [1.0] * 5000)

    assert quantile(tally, 0.95) < 2
    assert total(tally) >= MEMORY / 2
