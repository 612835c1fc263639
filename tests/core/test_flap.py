from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.flap import (
    add_flap,
    compute_penalty,
    count_needed_passes,
    count_passes_to_go,
    count_required_passes,
    keep_relevant,
)
from plabctl.core.settings import FlapSettings, GuardSettings
from plabctl.core.suspicion import Flap, Suspicion
from tests.builders import NOW, make_member, played

FLAP = FlapSettings()
HALF = FLAP.half_life_s


def test_the_penalty_halves_every_half_life() -> None:
    member = make_member(penalty=4.0, penalty_at=NOW)

    assert [compute_penalty(member, FLAP, NOW + n * HALF) for n in range(3)] == [4.0, 2.0, 1.0]


def test_a_steady_node_needs_one_pass() -> None:
    assert count_required_passes(make_member(), FLAP, NOW) == 1


def test_one_flop_long_ago_costs_nothing() -> None:
    assert count_required_passes(make_member(penalty=1.0, penalty_at=NOW), FLAP, NOW + 60) == 1


def test_each_whole_point_asks_for_one_more_pass() -> None:
    member = make_member(penalty=2.5, penalty_at=NOW, ok_streak=1)

    assert count_required_passes(member, FLAP, NOW) == 3
    assert count_needed_passes(member, FLAP, NOW) == 2


def test_a_clock_set_back_does_not_raise_the_penalty() -> None:
    assert compute_penalty(make_member(penalty=1.0, penalty_at=NOW), FLAP, NOW - 1e9) == 1.0


@given(st.text("PF?", max_size=120))
def test_penalty_and_passes_stay_within_bounds_over_any_history(outcomes: str) -> None:
    for member in played(make_member(), outcomes):
        assert 0.0 <= member.penalty <= FLAP.max_passes
        assert 1 <= count_required_passes(member, FLAP, member.penalty_at) <= FLAP.max_passes


@given(st.floats(0, 12), st.floats(0, 1e7))
def test_one_more_flop_never_passes_the_ceiling(before: float, age_s: float) -> None:
    after = add_flap(make_member(penalty=before, penalty_at=NOW), FLAP, NOW + age_s)

    assert 1.0 <= after <= FLAP.max_passes


@given(st.text("PF", max_size=80))
def test_passes_in_a_row_always_lead_back_to_good(outcomes: str) -> None:
    member = played(make_member(), outcomes + "F")[-1]

    assert any(after.pool == "good" for after in played(member, "P" * (FLAP.max_passes + 1)))


def test_passes_to_go_counts_on_the_penalty_that_wears_off_meanwhile() -> None:
    flap = FlapSettings(half_life_s=600.0, apart_s=600.0)
    member = make_member(penalty=8.0, penalty_at=NOW)

    # Nine are needed now; after 0, 10 and 20 minutes the penalty is 8, 4 and 2.
    assert count_needed_passes(member, flap, NOW) == 9
    assert count_passes_to_go(member, flap, NOW) == 3
    assert count_passes_to_go(make_member(), flap, NOW) == 1


def test_passes_to_go_goes_by_the_moments_of_the_tests() -> None:
    flap = FlapSettings(half_life_s=600.0, apart_s=0.0)
    member = make_member(penalty=4.0, penalty_at=NOW)

    assert count_passes_to_go(member, flap, NOW) == count_needed_passes(member, flap, NOW) == 5


def test_one_more_flop_is_one_more_point() -> None:
    flap = FlapSettings(half_life_s=600.0, apart_s=600.0)

    assert add_flap(make_member(), flap, NOW) == 1.0
    assert count_passes_to_go(make_member(penalty=1.9, penalty_at=NOW), flap, NOW) == 2


def test_a_flap_is_kept_to_the_last_moment_that_the_guard_looks_back_to() -> None:
    guard = GuardSettings()
    flap = Flap(Suspicion("good", NOW - 900, 7, NOW - 300), NOW - 290)

    assert keep_relevant((flap,), guard, flap.at + guard.within_s) == (flap,)
    assert keep_relevant((flap,), guard, flap.at + guard.within_s + 0.001) == ()
