"""The driver does what a tick does, in worlds small enough to work out by hand."""

from dataclasses import replace

import pytest

from plabctl.core.backoffs.base import Backoff
from plabctl.core.backoffs.fixed import FIXED
from plabctl.core.pools.good import GOOD
from plabctl.sim.compare import Budget, Cost, Progress, fit_budget
from plabctl.sim.conditions import Conditions
from plabctl.sim.driver import run
from plabctl.sim.policies import NAMED, Policy, build_named, make_bare
from plabctl.sim.synthetic import FITS, make_world
from tests.sim import worlds
from tests.sim.worlds import DAY_S, HOUR_S, scored

EVERY_HOUR = Backoff(FIXED, base_s=3540.0, max_s=3540.0, jitter_s=0.0)
"""With a test of 60 s: one at each full hour."""


def make_policy(backoff: Backoff = EVERY_HOUR, name: str = "fixed") -> Policy:
    policy = build_named("fixed")
    pools = {key: replace(pool, backoff=backoff) for key, pool in policy.settings.pools.items()}
    return Policy(name, replace(policy.settings, pools=pools))


def test_a_node_that_is_always_up_is_tested_and_nothing_else() -> None:
    score = scored(worlds.make_world(""), make_policy())

    assert (score.tests_per_node_day, score.failed_tests_per_node_day) == (24, 0)
    assert score.slot_seconds_per_node_day == 24 * 60
    assert (score.broken_ratio, score.idle_ratio, score.moves_per_node_day) == (0, 0, 0)
    assert (score.detect_mean_s, score.readmit_mean_s) == (None, None)
    assert score.busy_count == pytest.approx(1 / 60)


def test_an_outage_is_seen_by_the_next_test_and_its_end_too() -> None:
    # down from 30:30 to 40:30; tests at each hour until 31:00, which fails at 31:10 and again at 31:20
    score = scored(worlds.make_world("30.5 40.5"), make_policy())

    assert score.detect_mean_s == 40 * 60
    assert score.moves_per_node_day * 2 == 2
    assert score.broken_ratio * 2 * DAY_S == pytest.approx(40 * 60)
    assert score.readmit_mean_s is not None
    assert score.idle_ratio * 2 * DAY_S == pytest.approx(score.readmit_mean_s)
    assert score.readmit_mean_s <= HOUR_S + 660 + 60


def test_what_happens_on_the_first_day_does_not_count() -> None:
    assert scored(worlds.make_world("10.5 12.5"), make_policy()).moves_per_node_day == 0


def test_a_short_failure_leaves_good_for_one_retest_and_is_no_move() -> None:
    # down from 30:00 to 30:05: the test at 30:00 fails until 30:10, the retest passes at 30:11
    score = scored(worlds.make_world(f"30 {30 + 5 / 60}"), make_policy())

    assert score.moves_per_node_day == 0
    assert score.idle_ratio * 2 * DAY_S == pytest.approx(60)
    assert score.broken_ratio * 2 * DAY_S == pytest.approx(300)


def test_without_suspects_the_same_is_two_moves() -> None:
    assert scored(worlds.make_world(f"30 {30 + 5 / 60}"), make_bare(make_policy())).moves_per_node_day * 2 == 2


def test_the_chance_of_a_broken_allocation_counts_the_two_hours_before_a_failure() -> None:
    score = scored(worlds.make_world("30 71.9"), make_policy())

    assert score.two_hours_ratio > 2 * HOUR_S / (2 * DAY_S)
    assert scored(worlds.make_world(""), make_policy()).two_hours_ratio == 0


def test_false_failures_are_refuted_and_cost_a_retest() -> None:
    world = worlds.make_world(*[""] * 20, days=10)
    score = scored(world, make_policy(), Conditions(false_ratio=0.01))

    assert score.failed_tests_per_node_day / score.tests_per_node_day == pytest.approx(0.01, rel=0.3)
    assert score.moves_per_node_day < 0.05
    assert score.broken_ratio == 0


def test_a_false_failure_costs_at_most_a_few_tests_more() -> None:
    world = worlds.make_world(*[""] * 20, days=10)
    quiet, noisy = (scored(world, build_named("age"), Conditions(false_ratio=ratio)) for ratio in (0.0, 0.01))

    assert noisy.tests_per_node_day < 1.05 * quiet.tests_per_node_day


@pytest.mark.parametrize("name", NAMED)
def test_the_same_seed_gives_the_same_figures_and_another_one_others(name: str) -> None:
    world = make_world(FITS["skype06"], count=8, length_s=4 * DAY_S, seed=1)
    one, same, other = (scored(world, build_named(name), Conditions(seed=seed, false_ratio=0.01)) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_a_wide_window_is_as_good_as_none() -> None:
    world = make_world(FITS["pl05"], count=20, length_s=4 * DAY_S, seed=1)
    free, wide = (scored(world, build_named("additive"), Conditions(window=window)) for window in (None, 1000))

    assert wide.tests_per_node_day == pytest.approx(free.tests_per_node_day, rel=0.01)
    assert wide.wait_longest_s <= 60
    assert (free.window, wide.window) == (None, 1000)


def test_a_window_holds_and_is_filled_while_members_wait() -> None:
    world = worlds.make_world(*["-"] * 30)
    score = scored(world, make_policy(), Conditions(window=3))

    assert score.busy_count == pytest.approx(3.0, rel=0.01)
    assert score.wait_longest_s > 1000
    assert score.tests_per_node_day == pytest.approx(3 * 144 / 30, rel=0.02)


def test_a_full_window_starves_no_pool() -> None:
    world = worlds.make_world(*["-"] * 30, *[""] * 30)
    score = scored(world, make_policy(), Conditions(window=2))
    up = score.tests_per_node_day - score.failed_tests_per_node_day

    assert up > 5
    assert score.failed_tests_per_node_day > 1


def test_the_adaptive_back_off_fills_the_share_of_the_window_it_aims_at() -> None:
    world = make_world(FITS["pl05"], count=100, length_s=6 * DAY_S, seed=1)
    score = scored(world, build_named("adaptive"), Conditions(window=5))

    assert score.busy_count == pytest.approx(0.8 * 5, rel=0.1)


def test_a_node_that_comes_late_and_goes_early_is_tested_while_it_is_there() -> None:
    from plabctl.sim.world import World, build_life

    life = build_life("n", [(1.5 * DAY_S, True)], 2.5 * DAY_S)
    score = scored(World((life,), 3 * DAY_S), make_policy())

    assert score.node_days == 1
    assert score.tests_per_node_day == 24


@pytest.mark.parametrize(("cost", "amount"), [(Cost.TESTS, 12.0), (Cost.SLOTS, 5000.0)])
@pytest.mark.parametrize("name", ["additive", "age", "adaptive"])
def test_a_budget_is_met_by_stretching_all_delays(name: str, cost: Cost, amount: float) -> None:
    world = make_world(FITS["pl05"], count=30, length_s=5 * DAY_S, seed=2)
    budget = Budget(cost, amount)
    score = fit_budget(world, build_named(name), Conditions(), budget, Progress(lambda _: None))

    assert budget.compute_spent(score) == pytest.approx(amount, rel=0.03)
    assert score.scale is not None


def test_a_run_says_how_far_it_is() -> None:
    told: list[float] = []
    run(
        make_world(FITS["pl05"], count=20, length_s=40 * DAY_S, seed=2), build_named("fixed"), Conditions(), told.append
    )

    assert told == sorted(told)
    assert told[0] < 0.01
    assert 0.5 < told[-1] <= 1


def test_all_pools_of_a_configuration_take_part() -> None:
    policy = make_policy()
    pools = dict(policy.settings.pools)
    pools = {
        "fine": replace(pools["good"], name="fine", goes_to="broken"),
        "broken": replace(pools["bad"], name="broken", goes_to="fine"),
    }
    other = Policy("other", replace(policy.settings, pools=pools))

    assert other.settings.pools["fine"].kind is GOOD
    assert replace(scored(worlds.make_world("30.5 40.5"), other), policy="fixed") == scored(
        worlds.make_world("30.5 40.5"), policy
    )
