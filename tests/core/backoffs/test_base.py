import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.age import AGE
from plabctl.core.backoffs.base import Backoff, BackoffKind, compute_interval, describe_backoff
from plabctl.core.backoffs.linear import LINEAR
from plabctl.core.backoffs.quadratic import QUADRATIC
from plabctl.kinds import builtin_kinds, find_builtin

backoffs = st.builds(
    Backoff,
    kind=st.sampled_from(list(builtin_kinds("backoff"))),
    base_s=st.floats(1, 1e4),
    step_s=st.floats(0, 1e4),
    max_s=st.floats(1, 1e6),
    jitter_s=st.floats(0, 1e4),
)


@pytest.mark.parametrize(
    ("given_s", "faults"),
    [
        ({}, []),
        ({"base": 3600.0}, []),
        ({"base": 3601.0}, [("base", "base is 1h1s and max is 1h, allowed: at most max")]),
        ({"max": 300.0}, []),
        ({"max": 299.0}, [("max", "base is 5m and max is 4m59s, allowed: at least base")]),
        ({"base": 9.0, "max": 8.0}, [("base", "base is 9s and max is 8s, allowed: at most max")]),
    ],
)
def test_a_base_above_max_is_refused_at_the_key_that_was_given(
    given_s: dict[str, float], faults: list[tuple[str, str]]
) -> None:
    assert list(ADDITIVE.check(given_s, Backoff(ADDITIVE))) == faults


def test_each_back_off_but_half_of_a_pair_is_compared_by_the_simulator() -> None:
    assert [kind.name for kind in builtin_kinds("backoff") if not kind.is_compared] == ["linear"]
    assert BackoffKind.is_compared


@pytest.mark.parametrize(
    ("kind", "streak", "expected"),
    [
        ("additive", 0, 300),
        ("additive", 1, 450),
        ("additive", 2, 600),
        ("additive", 22, 3600),
        ("additive", 23, 3600),
        ("additive", 10**9, 3600),
        ("fixed", 1, 300),
        ("fixed", 99, 300),
        ("exponential", 1, 300),
        ("exponential", 2, 600),
        ("exponential", 5, 3600),
        ("exponential", 10**9, 3600),
        ("quadratic", 1, 300),
        ("quadratic", 3, 2700),
        ("quadratic", 10**9, 3600),
    ],
)
def test_the_wait_follows_the_formula(kind: str, streak: int, expected: float) -> None:
    assert compute_interval(Backoff(find_builtin("backoff", kind)), streak, 0.0) == expected


def test_jitter_comes_on_top_of_the_cap() -> None:
    assert compute_interval(Backoff(ADDITIVE), 1000, 0.5) == 3630


@given(backoffs, st.integers(0, 10**12), st.floats(0, 1, exclude_max=True))
def test_the_wait_stays_between_its_bounds(backoff: Backoff, streak: int, roll: float) -> None:
    least = min(backoff.base_s, backoff.max_s)

    assert least - 0.001 <= compute_interval(backoff, streak, roll) <= backoff.max_s + backoff.jitter_s + 0.001


@given(backoffs, st.integers(0, 10**6))
def test_a_longer_run_never_shortens_the_wait(backoff: Backoff, streak: int) -> None:
    assert compute_interval(backoff, streak, 0.0) <= compute_interval(backoff, streak + 1, 0.0)


@pytest.mark.parametrize(
    ("pool", "age_s", "expected"),
    [("good", 0, 300), ("good", 3 * 3600, 600), ("good", 1e9, 3600), ("bad", 3 * 3600, 1200), ("bad", 1e9, 43200)],
)
def test_the_age_doubles_the_wait_when_it_is_four_times_as_much(pool: str, age_s: float, expected: float) -> None:
    backoff = AGE.default(is_good=pool == "good")

    assert {compute_interval(backoff, streak, 0.0, age_s) for streak in (0, 1, 99)} == {expected}


def test_the_monitor_of_2007_can_be_said() -> None:
    good = LINEAR.default(is_good=True)
    bad = QUADRATIC.default(is_good=False)

    assert [compute_interval(good, n, 0.0) / 60 for n in (1, 2, 3, 4)] == [20, 40, 60, 60]
    assert [compute_interval(bad, n, 0.0) / 60 for n in (1, 2, 3, 11, 12, 13)] == [5, 20, 45, 605, 720, 720]


SAID = [(0.0, 0.0), (0.25, 0.25), (90.0, 90.0), (5000.0, 3600.0), (-0.5, 3600.0), (float("inf"), 3600.0)]


class Saying(BackoffKind):
    """A kind that says the same whatever happens."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def wait_s(self, *_: object) -> float:
        return self._seconds

    def describe(self, _: Backoff) -> str:
        return "as it says"

    def uncapped(self, *_: object) -> str:
        return "what it says"


def test_a_back_off_is_described_with_its_cap_and_its_jitter_if_it_has_one() -> None:
    assert describe_backoff(Backoff(Saying(1.0), jitter_s=0.0)) == "as it says, at most 1h"
    assert describe_backoff(Backoff(Saying(1.0))) == "as it says, at most 1h, jitter up to 1m"


@pytest.mark.parametrize(("said", "waited"), [*SAID, (float("nan"), 3600.0)])
def test_what_a_kind_says_is_waited_for_if_it_can_be(said: float, waited: float) -> None:
    assert compute_interval(Backoff(Saying(said), jitter_s=0.0), 1, 0.0) == waited


def test_a_wait_has_milliseconds_and_no_more() -> None:
    wait_s = compute_interval(Backoff(ADDITIVE, jitter_s=60.0), 1, 1 / 7)

    assert wait_s == round(wait_s, 3) != round(wait_s, 2)


def test_one_kind_is_stretched_to_a_share_of_the_window_and_two_go_by_more_than_the_count() -> None:
    kinds = list(builtin_kinds("backoff"))

    assert {kind.name for kind in kinds if kind.is_budgeted} == {"adaptive"}
    assert {kind.name for kind in kinds if not kind.by_count} == {"age", "adaptive"}


@pytest.mark.parametrize("kind", list(builtin_kinds("backoff")), ids=lambda kind: kind.name)
def test_stretching_multiplies_every_wait_but_that_of_the_budgeted_kind(kind: BackoffKind) -> None:
    own = Backoff(kind, 10.0, 4.0, 100.0, 1.0)
    stretched = kind.stretch(own, 3.0)

    expected = (10.0, 4.0, 100.0) if kind.is_budgeted else (30.0, 12.0, 300.0)
    assert (stretched.base_s, stretched.step_s, stretched.max_s, stretched.jitter_s) == (*expected, 1.0)
