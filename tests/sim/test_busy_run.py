"""Nodes that are in use: who is spared, what follows a release, and what the score makes of that."""

from dataclasses import replace

import pytest

from plabctl.sim.busy_run import BusyRun
from plabctl.sim.compare import Progress, compare
from plabctl.sim.conditions import Conditions
from plabctl.sim.jobs import Jobs
from plabctl.sim.logins import draw_silences
from plabctl.sim.policies import Policy, find_policy, make_bare
from plabctl.sim.score import Score
from plabctl.sim.world import World
from tests.sim import worlds
from tests.sim.test_driver import make_policy
from tests.sim.worlds import DAY_S, HOUR_S

BUSY = Conditions(busy_ratio=0.5, job_s=HOUR_S)


def scored(world: World, policy: Policy, conditions: Conditions = BUSY, **pool: str) -> Score:
    pools = {name: replace(own, **pool) for name, own in policy.settings.pools.items()}  # type: ignore[arg-type]
    policy = replace(policy, settings=replace(policy.settings, pools=pools))
    (score,) = compare(world, [policy], conditions, None, Progress(lambda _: None))
    return score


@pytest.fixture
def steady() -> World:
    return worlds.make_world(*[""] * 20, days=5)


def test_nodes_are_in_use_as_much_as_asked_for(steady: World) -> None:
    score = scored(steady, make_policy(), at_release="none")

    assert score.offered_ratio == pytest.approx(0.5, abs=0.05)
    assert score.offered_harm_ratio == 0


def test_a_node_in_use_is_spared_unless_its_pool_tests_busy_nodes(steady: World) -> None:
    spared, tested = (scored(steady, make_policy(), busy=busy, at_release="none") for busy in ("spare", "test"))

    assert spared.disturbing_ratio == 0
    assert tested.disturbing_ratio == pytest.approx(0.5, abs=0.05)
    assert tested.tests_per_node_day == 24
    assert spared.tests_per_node_day < 24


def test_a_release_is_followed_by_what_the_pool_says(steady: World) -> None:
    none, check, test = (scored(steady, make_policy(), at_release=what) for what in ("none", "check", "test"))

    assert none.checks_per_node_day is None
    assert check.checks_per_node_day == pytest.approx(12, rel=0.15)
    assert check.tests_per_node_day == pytest.approx(none.tests_per_node_day, rel=0.05)
    assert test.tests_per_node_day > 12
    assert test.checks_per_node_day is None


def test_time_in_which_a_node_is_kept_for_a_test_is_harm(steady: World) -> None:
    none, test = (scored(steady, make_policy(), at_release=what) for what in ("none", "test"))

    assert test.harm_ratio == 0
    # after each of some 12 jobs a day 60 to 120 s, counted half, of some 12 hours that it is free
    assert 30 / HOUR_S < (test.offered_harm_ratio or 0) < 60 / HOUR_S
    assert (test.offered_ratio or 0) < (none.offered_ratio or 0)


def test_a_check_at_release_finds_a_silent_node_before_its_test_does() -> None:
    world = draw_silences(worlds.make_world(*["30 60"] * 20), 1.0, 1)
    often = replace(BUSY, job_s=300.0)
    none, check = (scored(world, make_policy(), often, at_release=what) for what in ("none", "check"))

    assert (check.detect_mean_s or 0) < 0.8 * (none.detect_mean_s or 0)
    assert (check.offered_harm_ratio or 0) < (none.offered_harm_ratio or 0)


def test_checks_go_on_while_a_node_is_in_use_and_make_it_a_suspect() -> None:
    world = draw_silences(worlds.make_world(*["30 60"] * 20), 1.0, 1)
    score = scored(world, find_policy("age+checks"), replace(BUSY, busy_ratio=0.9, job_s=DAY_S))

    assert score.detect_mean_s is not None
    assert score.detect_mean_s < 900
    assert score.disturbing_ratio == 0


def test_a_failure_ends_the_job_and_a_test_that_ran_before_it_goes_on() -> None:
    world = worlds.make_world(*["30 60"] * 20)
    score = scored(world, make_bare(make_policy()), busy="test", at_release="none")

    assert score.moves_per_node_day * 2 == pytest.approx(2)


def test_bad_nodes_are_not_in_use() -> None:
    score = scored(worlds.make_world(*["-"] * 5), make_policy())

    assert (score.offered_ratio, score.disturbing_ratio, score.checks_per_node_day) == (0, 0, None)


def test_jobs_are_the_same_for_all_policies_and_short_on_nodes_that_are_down() -> None:
    lives = worlds.make_world(*[""] * 3).lives
    one, same = (Jobs(lives, 0.5, HOUR_S, 1) for _ in range(2))

    assert [one.draw_free(1) for _ in range(9)] == [same.draw_free(1) for _ in range(9)]
    assert max(one.draw_job(0, is_up=False) for _ in range(50)) == 300
    assert min(one.draw_job(0, is_up=True) for _ in range(500)) == 60
    assert sum(one.draw_job(2, is_up=True) for _ in range(500)) / 500 == pytest.approx(HOUR_S, rel=0.15)


def test_no_test_begins_on_a_node_in_use(steady: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    begin = BusyRun.test

    def note(self: BusyRun, number: int, at: float) -> None:
        begun.append(self.is_spared(number))
        begin(self, number, at)

    monkeypatch.setattr(BusyRun, "test", note)
    scored(steady, find_policy("age+checks"))

    assert len(begun) > 1000
    assert not any(begun)
