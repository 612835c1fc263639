"""A failure calls its neighbours in a simulated run, by the rule that holds in a tick."""

from dataclasses import replace

import pytest

from plabctl.sim.conditions import Conditions
from plabctl.sim.driver import run
from plabctl.sim.logins import draw_silences
from plabctl.sim.policies import Policy, find_policy, let_one_pass
from plabctl.sim.sites import number_sites
from plabctl.sim.totals import Totals
from plabctl.sim.world import World
from tests.sim import worlds
from tests.sim.test_driver import make_policy

OUTAGE = "30.5 40.5"


def hourly(neighbours: int) -> Policy:
    """Tests every hour; the first failure calls so many neighbours."""
    policy = make_policy()
    guard = replace(policy.settings.guard, neighbours=neighbours)
    return Policy("hourly", replace(policy.settings, guard=guard))


def played(world: World, policy: Policy, size: int = 10, **conditions: float) -> Totals:
    around = Conditions(**conditions)  # type: ignore[arg-type]  # floats by name
    return run(number_sites(draw_silences(world, 1.0, 1), size), policy, around)


@pytest.fixture
def site() -> World:
    """Ten nodes that fail together."""
    return worlds.make_world(*[OUTAGE] * 10)


def test_each_failure_calls_so_many_neighbours_and_each_of_them_the_next(site: World) -> None:
    alone, two = (played(site, let_one_pass(find_policy(name))) for name in ("age", "age+neighbours"))

    assert len(two.detections) == len(alone.detections) == 10
    assert max(two.detections) < max(alone.detections)
    assert sum(two.detections) < sum(alone.detections)


def test_a_failure_elsewhere_calls_nobody() -> None:
    world = worlds.make_world(OUTAGE, *[""] * 9)
    alone, together, apart = (
        played(world, hourly(count), size).pass_count for count, size in ((0, 10), (2, 10), (2, 1))
    )

    assert together in {alone + 1, alone + 2}
    assert apart == alone


def test_with_checks_all_neighbours_are_checked_and_none_is_tested_for_it() -> None:
    world = worlds.make_world(OUTAGE, *[""] * 9)
    plain = let_one_pass(find_policy("age+checks"))
    alone, called = (played(world, policy) for policy in (plain, let_one_pass(find_policy("age+checks+neighbours"))))

    assert called.pass_count == pytest.approx(alone.pass_count, abs=3)
    assert called.check_count > alone.check_count + 5


def test_checks_of_neighbours_find_a_common_failure_in_one_round(site: World) -> None:
    alone, called = (played(site, let_one_pass(find_policy(name))) for name in ("age+checks", "age+checks+neighbours"))

    assert max(called.detections) - min(called.detections) < 60 < max(alone.detections) - min(alone.detections)


def test_a_node_in_use_is_not_tested_for_its_neighbour(site: World) -> None:
    totals = played(site, hourly(2), busy_ratio=0.9, job_s=86400.0)

    assert totals.disturbing_count == 0
    assert totals.detections
