from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import adaptive_scale
from plabctl.core.backoffs.adaptive import ADAPTIVE
from plabctl.core.fair_wait import add_spell, compute_unit_wait
from plabctl.core.model import Member, Outcome, Verdict
from plabctl.core.settings import AdaptiveSettings, Settings
from plabctl.core.state import Changes
from tests.builders import NOW, judged, make_member, make_settings, make_state, played

DAY_S = 86400.0


def make_adaptive(window: int = 40, **fields: float) -> Settings:
    settings = make_settings(window=window, adaptive=AdaptiveSettings(**fields))
    pools = {
        name: replace(pool, backoff=replace(ADAPTIVE.default(is_good=pool.kind.is_good), jitter_s=0.0))
        for name, pool in settings.pools.items()
    }
    return replace(settings, pools=pools)


def with_last_test(member: Member, seconds: float) -> Member:
    return replace(member, last=Verdict(Outcome.PASS, None, "", NOW, seconds))


def unit_after(age_s: float, pool: str, seconds: float) -> float:
    """The wait, were K 1, of a node that has been in `pool` for `age_s` and of which nothing else was seen."""
    return compute_unit_wait(
        with_last_test(make_member(pool=pool, since_at=NOW - age_s), seconds), make_adaptive(), NOW
    )


def test_a_test_that_takes_a_hundred_times_as_long_comes_a_tenth_as_often() -> None:
    assert unit_after(DAY_S, "good", 6000.0) == pytest.approx(10 * unit_after(DAY_S, "good", 60.0))


def test_being_wrong_in_bad_is_half_as_bad() -> None:
    same = {"good_s": 900.0, "good_count": 1.0, "bad_s": DAY_S, "bad_count": 1.0}
    member = with_last_test(make_member(since_at=NOW), 60.0)
    spells = add_spell(member, NOW, NOW, make_adaptive(), is_good=True)
    assert spells is not None
    member = replace(member, uptime=replace(spells, **same))

    assert compute_unit_wait(replace(member, pool="bad"), make_adaptive(), NOW) == pytest.approx(
        2**0.5 * compute_unit_wait(member, make_adaptive(), NOW)
    )


@pytest.mark.parametrize("pool", ["good", "bad"])
def test_the_longer_a_spell_lasts_the_longer_the_wait(pool: str) -> None:
    waits = [unit_after(days * DAY_S, pool, 60.0) for days in (0, 1, 10, 100, 1000)]

    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0]


@pytest.mark.parametrize("pool", ["good", "bad"])
def test_the_wait_of_a_node_that_never_changes_grows_no_faster_than_the_root_of_its_age(pool: str) -> None:
    waits = [unit_after(days * DAY_S, pool, 60.0) for days in (10, 40, 160, 640)]

    for shorter, longer in pairwise(waits):
        assert 1.8 < longer / shorter <= 2


def test_what_was_seen_long_ago_fades() -> None:
    settings = make_adaptive()
    spells = add_spell(make_member(since_at=NOW), NOW - DAY_S, NOW, settings, is_good=False)
    members = [replace(make_member(since_at=NOW + days * DAY_S), uptime=spells) for days in (0, 14, 140)]
    waits = [compute_unit_wait(replace(member, pool="bad"), settings, member.since_at) for member in members]
    unseen = compute_unit_wait(make_member(pool="bad", since_at=NOW), settings, NOW)

    assert waits[0] > waits[1] > waits[2]
    assert waits[2] == pytest.approx(unseen, rel=0.05)


def test_a_node_that_changes_often_is_tested_more_often() -> None:
    settings = make_adaptive()
    steady = played(with_last_test(make_member(since_at=NOW), 2.0), "P" * 20, settings=settings)[-1]
    flapping = played(with_last_test(make_member(since_at=NOW), 2.0), "PFFPPFFPPPFFPPPPPPPPPPP", settings=settings)[-1]

    assert flapping.pool == "good"
    assert flapping.uptime is not None
    assert flapping.interval_s < steady.interval_s / 2


def test_only_confirmed_changes_are_counted() -> None:
    settings = make_adaptive()
    refuted = played(make_member(), "PFPFPFP", settings=settings)[-1]
    confirmed = played(make_member(), "PFF", settings=settings)[-1]

    assert refuted.uptime is None
    assert confirmed.uptime is not None
    assert confirmed.uptime.good_count == 1
    assert confirmed.uptime.at == confirmed.since_at, "the spell in good ended with the first failure"


def test_a_spell_counts_for_the_pool_it_was_spent_in_and_for_no_other() -> None:
    settings = make_adaptive(half_life_s=1e12)
    for is_good, expected in ((True, (3600.0, 1.0, 0.0, 0.0)), (False, (0.0, 0.0, 3600.0, 1.0))):
        spells = add_spell(make_member(), NOW - 3600, NOW, settings, is_good=is_good)

        assert spells is not None
        found = (spells.good_s, spells.good_count, spells.bad_s, spells.bad_count)
        assert found == pytest.approx(expected, rel=1e-3)


def test_one_adaptive_pool_is_enough_to_remember_both_kinds_of_spells() -> None:
    settings = make_settings()
    settings = replace(settings, pools={**settings.pools, "bad": make_adaptive().pools["bad"]})

    assert add_spell(make_member(), NOW - 3600, NOW, settings, is_good=True) is not None


def test_nothing_is_kept_of_nodes_while_no_back_off_is_adaptive() -> None:
    assert all(member.uptime is None for member in played(make_member(), "PFFFPPP"))


@given(st.text("PF?", max_size=30))
def test_the_wait_stays_between_its_bounds_whatever_happened(history: str) -> None:
    for member in played(make_member(), history, settings=make_adaptive()):
        assert member.interval_s in {0, 300} or 120 <= member.interval_s <= 345600


def many(count: int, pool: str, seconds: float) -> list[Member]:
    return [
        with_last_test(make_member(f"{pool}{number}", pool, since_at=NOW - number * DAY_S, probed_at=NOW), seconds)
        for number in range(count)
    ]


def test_the_planned_load_comes_to_the_share_of_the_window_that_is_aimed_at() -> None:
    settings = make_adaptive(window=10)
    shares = [
        adaptive_scale.compute_share(member, settings) for member in (*many(90, "good", 60.0), *many(30, "bad", 600.0))
    ]
    scale = adaptive_scale.FIRST_SCALE
    for _ in range(12):
        scale = adaptive_scale.compute_next_scale(scale, shares, settings)

    assert adaptive_scale.compute_load(scale, shares) == pytest.approx(8.0, rel=0.01)


def test_nodes_whose_pool_backs_off_otherwise_count_with_the_wait_they_have() -> None:
    member = with_last_test(make_member(interval_s=540.0), 60.0)

    assert adaptive_scale.compute_load(7.0, [adaptive_scale.compute_share(member, make_settings())]) == pytest.approx(
        0.1
    )


def test_the_scale_is_looked_at_every_ten_minutes_and_by_nobody_who_does_not_adapt() -> None:
    state = make_state(*many(100, "good", 60.0))
    assert not adaptive_scale.adjust_scale(state, make_settings(), NOW)

    state.apply(adaptive_scale.adjust_scale(state, make_adaptive(), NOW))
    first = adaptive_scale.read_scale(state)
    assert first != adaptive_scale.FIRST_SCALE
    assert not adaptive_scale.adjust_scale(state, make_adaptive(), NOW + 599)
    state.apply(adaptive_scale.adjust_scale(state, make_adaptive(), NOW + 600))
    assert adaptive_scale.read_scale(state) != first


def test_what_a_node_asks_of_the_window_is_told_as_of_its_last_test_in_this_pool() -> None:
    settings = make_adaptive()
    member = with_last_test(make_member(since_at=NOW - DAY_S), 60.0)
    for probed_at, seen_at in ((NOW, NOW), (NOW - 9 * DAY_S, member.since_at), (None, member.since_at)):
        asked = adaptive_scale.compute_share(replace(member, probed_at=probed_at), settings)

        assert asked == (60.0, compute_unit_wait(member, settings, seen_at), 120.0, 345600.0)


def test_the_scale_is_looked_at_once_at_an_instant() -> None:
    state = make_state(*many(100, "good", 60.0))
    state.apply(adaptive_scale.adjust_scale(state, make_adaptive(), NOW))

    assert not adaptive_scale.adjust_scale(state, make_adaptive(), NOW)
    assert not adaptive_scale.adjust_scale(state, make_adaptive(), NOW + 0.5)


def test_a_clock_that_was_set_back_does_not_stop_the_scale() -> None:
    state = make_state(*many(3, "good", 60.0))
    state.apply(adaptive_scale.adjust_scale(state, make_adaptive(), NOW + 1e6))

    assert adaptive_scale.adjust_scale(state, make_adaptive(), NOW)


def test_without_nodes_the_scale_stays() -> None:
    state = make_state()
    state.apply(adaptive_scale.adjust_scale(state, make_adaptive(), NOW))

    assert adaptive_scale.read_scale(state) == adaptive_scale.FIRST_SCALE


def test_a_damaged_note_counts_as_none() -> None:
    state = make_state(*many(3, "good", 60.0))
    state.apply(Changes(notes={adaptive_scale.SCALE_NOTE.topic: {"scale": "much", "at": None}}))

    assert adaptive_scale.read_scale(state) == adaptive_scale.FIRST_SCALE
    assert adaptive_scale.adjust_scale(state, make_adaptive(), NOW)


def test_the_scale_stretches_what_is_drawn() -> None:
    from plabctl.core.pools.base import Reading, build_pools
    from tests.builders import make_report

    pool = build_pools(make_adaptive())["good"]
    drawn = [
        pool.judge(make_member(), Reading(make_report(), NOW, 0.0, scale=scale)).member.interval_s for scale in (10, 20)
    ]

    assert drawn[1] == pytest.approx(2 * drawn[0])


def test_a_report_keeps_all_of_a_member_that_it_does_not_change() -> None:
    from dataclasses import fields

    member = with_last_test(
        make_member(ok_streak=3, penalty=1.5, penalty_at=NOW, requested_at=NOW, interval_s=9.0), 1.0
    )
    after = judged(member, "pass", at=NOW + 60).member
    changed = {"due_at", "ok_streak", "fail_streak", "probed_at", "interval_s", "last"}

    for field in fields(Member):
        assert field.name in changed or getattr(after, field.name) == getattr(member, field.name)
