from dataclasses import replace

import pytest

from plabctl.core.model import Suspicion
from plabctl.core.steadiness import HALF_LIFE_S, compute_good_ratio, rank_nodes, update_good_ratio
from tests.builders import NOW, judged, make_member, make_settings
from tests.core.virtual_world import VirtualWorld

SETTINGS = make_settings()
DAY_S = 86400.0


def test_a_week_in_good_is_half_of_what_counts() -> None:
    member = make_member(since_at=NOW - HALF_LIFE_S)

    assert compute_good_ratio(member, SETTINGS, NOW) == pytest.approx(0.5)
    assert compute_good_ratio(replace(member, good_ratio=1.0), SETTINGS, NOW) == pytest.approx(1.0)
    assert compute_good_ratio(replace(member, pool="bad", good_ratio=1.0), SETTINGS, NOW) == pytest.approx(0.5)


def test_a_pool_that_the_configuration_lost_counts_as_any_that_is_not_good() -> None:
    lost = make_member(pool="lost", since_at=NOW - HALF_LIFE_S, good_ratio=1.0)

    assert compute_good_ratio(lost, SETTINGS, NOW) == pytest.approx(0.5)


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_stay_of_no_time_changes_nothing(seconds: float) -> None:
    assert update_good_ratio(0.5, seconds, is_good=True) == 0.5
    assert update_good_ratio(0.5, seconds, is_good=False) == 0.5


def test_a_penalty_is_told_once_it_would_not_be_shown_as_nothing() -> None:
    told, untold = (make_member(since_at=NOW, penalty=each, penalty_at=NOW) for each in (0.05, 0.04))

    assert rank_nodes([told], SETTINGS, NOW)[0].reasons == (
        "good 0% of the last week",
        "in good for 0s",
        "flap penalty 0.1",
    )
    assert rank_nodes([untold], SETTINGS, NOW)[0].reasons == ("good 0% of the last week", "in good for 0s")


def test_the_steadiest_comes_first_and_flapping_costs() -> None:
    members = [
        make_member("flaky", good_ratio=0.9, penalty=2.0, penalty_at=NOW),
        make_member("young", since_at=NOW - DAY_S),
        make_member("steady", good_ratio=0.9),
        make_member("twin", good_ratio=0.9),
    ]

    ranked = rank_nodes(members, SETTINGS, NOW)

    assert [each.node for each in ranked] == ["steady", "twin", "flaky", "young"]
    assert ranked[2].score == pytest.approx(ranked[0].score / 3)
    assert ranked[2].reasons == ("good 91% of the last week", "in good for 1d", "flap penalty 2.0")


def test_the_record_goes_with_the_node_through_its_pools() -> None:
    world = VirtualWorld("n1")
    world.probe("P")
    world.wait(3 * HALF_LIFE_S)
    before = compute_good_ratio(world.member(), world.settings, world.now)
    assert before == pytest.approx(1 - 2**-3, abs=0.01)

    world.probe("FF")
    assert world.member().pool == "bad"
    assert world.member().good_ratio == pytest.approx(before, abs=0.01)
    world.wait(HALF_LIFE_S)
    assert compute_good_ratio(world.member(), world.settings, world.now) == pytest.approx(before / 2, abs=0.01)
    world.probe("PP")
    assert world.member().pool == "good"
    assert compute_good_ratio(world.member(), world.settings, world.now) == pytest.approx(before / 2, abs=0.01)


def test_a_refuted_failure_leaves_no_trace_and_a_suspect_is_ranked_as_before() -> None:
    world = VirtualWorld("n1")
    world.probe("P")
    world.wait(HALF_LIFE_S)
    world.probe("F")
    assert world.member().is_suspect
    assert compute_good_ratio(world.member(), world.settings, world.now) == pytest.approx(0.5, abs=0.01)
    world.probe("P")

    assert compute_good_ratio(world.member(), world.settings, world.now) == pytest.approx(0.5, abs=0.01)


def test_a_move_by_a_person_keeps_the_record() -> None:
    world = VirtualWorld("n1")
    world.probe("P")
    world.wait(HALF_LIFE_S)
    world.move("n1", "bad")

    assert compute_good_ratio(world.member(), world.settings, world.now) == pytest.approx(0.5, abs=0.01)
    assert "its last test failed" not in rank_nodes([world.member()], world.settings, world.now)[0].reasons


def test_a_doubted_node_says_so() -> None:
    doubted = make_member("n1", "bad", suspicion=Suspicion("good", NOW - DAY_S, 3, NOW))

    assert rank_nodes([doubted], SETTINGS, NOW)[0].reasons[-1] == "its last test failed"
    assert judged(doubted, "pass").member.good_ratio == doubted.good_ratio
