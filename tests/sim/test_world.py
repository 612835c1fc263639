from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.sim.synthetic import FITS, make_world
from plabctl.sim.totals import Spans
from plabctl.sim.world import build_life
from tests.sim import worlds
from tests.sim.worlds import DAY_S, HOUR_S

spans = st.lists(st.tuples(st.integers(0, 99), st.integers(1, 20)), max_size=9).map(
    lambda pairs: sorted((float(start), float(start + length)) for start, length in pairs)
)


def test_a_state_holds_from_its_instant_on() -> None:
    life = build_life("n", [(0.0, True), (10.0, False), (20.0, True)], 30.0)

    assert [life.is_up(at) for at in (0.0, 9.9, 10.0, 19.9, 20.0, 29.0)] == [True, True, False, False, True, True]
    assert [life.find_change(at) for at in (5.0, 10.0, 25.0)] == [0.0, 10.0, 20.0]
    assert life.list_downs() == [(10.0, 20.0)]


def test_a_test_sees_a_node_up_only_if_it_is_up_all_the_while() -> None:
    life = build_life("n", [(0.0, True), (100.0, False)], 200.0)

    assert [life.is_up_through(at, 60.0) for at in (0.0, 40.0, 41.0, 100.0)] == [True, True, False, False]


def test_equal_neighbours_are_one_spell() -> None:
    assert build_life("n", [(0.0, True), (5.0, True), (9.0, False), (11.0, False)], 20.0).changes == (9.0,)


def test_a_shift_moves_all_changes_of_a_node_by_the_same_part_of_the_resolution() -> None:
    world = worlds.make_world("30 31 40", "30", "-30")
    shifted = world.shift(HOUR_S, Random(1))
    by = [life.changes[0] - 30 * HOUR_S for life in shifted.lives]

    assert all(0 <= each < HOUR_S for each in by)
    assert len(set(by)) == 3
    assert shifted.lives[0].changes == tuple(hour * HOUR_S + by[0] for hour in (30, 31, 40))


def test_a_cut_world_ends_earlier_and_forgets_what_came_after() -> None:
    cancellation = worlds.make_world("30 50", "60").truncate(2 * DAY_S)

    assert cancellation.length_s == 2 * DAY_S
    assert [(life.changes, life.gone_at) for life in cancellation.lives] == [
        ((30 * HOUR_S,), 2 * DAY_S),
        ((), 2 * DAY_S),
    ]


def test_every_third_node_and_the_dead() -> None:
    world = worlds.make_world(*["30"] * 7).thin(3).add_dead(2)

    assert [life.name for life in world.lives] == ["n0", "n3", "n6", "dead00000", "dead00001"]
    assert not any(life.is_up(at) for life in world.lives[3:] for at in (0.0, 1e5))


@given(spans, st.integers(0, 120), st.integers(0, 120))
def test_spans_cover_what_a_count_of_seconds_says(given_spans: list[tuple[float, float]], a: int, b: int) -> None:
    start, end = min(a, b), max(a, b)
    counted = sum(any(lo <= second < hi for lo, hi in given_spans) for second in range(start, end))

    assert Spans(given_spans).measure_within(start, end) == counted


@pytest.mark.parametrize("name", FITS)
def test_a_made_up_testbed_has_whole_minutes_and_alternates(name: str) -> None:
    world = make_world(FITS[name], count=5, length_s=5 * DAY_S, seed=3)

    for life in world.lives:
        assert list(life.changes) == sorted(set(life.changes))
        assert all(0 < at < world.length_s and at % 60 == 0 for at in life.changes)
    assert world == make_world(FITS[name], count=5, length_s=5 * DAY_S, seed=3)


def test_a_made_up_testbed_is_up_about_as_much_as_its_fit() -> None:
    world = make_world(FITS["pl05"], count=200, length_s=90 * DAY_S, seed=7)
    down_s = sum(end - start for life in world.lives for start, end in life.list_downs())

    assert 0.10 < down_s / (200 * world.length_s) < 0.30


def test_spread_makes_nodes_unlike_each_other() -> None:
    def counts(spread: float) -> list[int]:
        world = make_world(FITS["skype06"], count=50, length_s=30 * DAY_S, seed=7, spread=spread)
        return sorted(len(life.changes) for life in world.lives)

    spread, alike = counts(1.5), counts(0.0)
    assert spread[-1] > 2 * alike[-1]
    assert spread[0] < alike[0]


def test_the_dead_have_names_of_their_own() -> None:
    twice = worlds.make_world("30").add_dead(2).add_dead(2)

    assert [life.name for life in twice.lives[1:]] == ["dead00000", "dead00001", "dead00002", "dead00003"]
