"""Figures that others worked out for real traces come out here too, within the noise of a trace.

Every row of their table that is about a policy which is shipped stands in `ROWS`, the quick ones first. See `traces`
for where the traces are looked for, and for what is left out unless it is asked for.
"""

from random import Random
from typing import NamedTuple

import pytest

from plabctl.sim.compare import Progress, compare
from plabctl.sim.conditions import Conditions
from plabctl.sim.policies import build_named, make_bare
from plabctl.sim.score import Score
from plabctl.sim.trace import read_trace
from plabctl.sim.world import World
from tests.sim.traces import long, needs_traces, path_of

COST, HARM = 0.03, 0.10
"""How far the cost, and the harm, may be off."""
AROUND = Conditions(up_s=60.0, down_s=600.0)

pytestmark = [pytest.mark.timeout(600), needs_traces]


class Row(NamedTuple):
    """What was published of one policy on one trace: tests, slot-seconds per node and day, percent broken, idle."""

    trace: str
    policy: str
    tests: float
    slot_s: float
    broken: float
    idle: float

    def __str__(self) -> str:
        return f"{self.trace} under {self.policy}"


QUICK = [
    Row("webfront-2024", "additive", 25.2, 4214, 0.654, 0.210),
    Row("webfront-2024", "age", 35.9, 4263, 0.516, 0.370),
]
LONG = [
    Row("skype-2005-a", "additive", 29.1, 9946, 1.138, 0.937),
    Row("skype-2005-a", "age", 42.1, 9966, 0.738, 0.901),
    Row("tor-2020", "2007", 19.8, 1501, 0.145, 0.249),
    Row("tor-2020", "fixed", 22.8, 3240, 0.155, 0.143),
    Row("tor-2020", "additive", 23.5, 3403, 0.128, 0.072),
    Row("tor-2020", "age", 23.8, 2334, 0.087, 0.073),
    Row("synthetic-pl05", "additive", 24.1, 3714, 0.231, 0.166),
    Row("synthetic-pl05", "age", 28.7, 3568, 0.177, 0.194),
    Row("lanl-2003", "additive", 23.3, 1415, 0.0108, 0.0039),
    Row("lanl-2003", "age", 23.7, 1440, 0.0106, 0.0039),
]
ROWS = [*QUICK, *(pytest.param(row, marks=long) for row in LONG)]
EVERY = {"lanl-2003": 6}
RESOLUTION_S = {"tor-2020": 3600.0, "skype-2005-a": 1800.0, "webfront-2024": 600.0}


def world_of(trace: str, every: int = 1) -> World:
    shift = Random("shift 1")
    return read_trace(path_of(trace)).thin(every).shift(RESOLUTION_S.get(trace, 0.0), shift)


def score_of(world: World, policy: str, conditions: Conditions, *, is_bare: bool = True) -> Score:
    own = build_named(policy)
    (score,) = compare(world, [make_bare(own) if is_bare else own], conditions, None, Progress(lambda _: None))
    return score


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_cost_and_harm_are_as_published(row: Row) -> None:
    score = score_of(world_of(row.trace, EVERY.get(row.trace, 1)), row.policy, AROUND)

    assert score.tests_per_node_day == pytest.approx(row.tests, rel=COST)
    assert score.slot_seconds_per_node_day == pytest.approx(row.slot_s, rel=COST)
    assert 100 * score.broken_ratio == pytest.approx(row.broken, rel=HARM)
    assert 100 * score.idle_ratio == pytest.approx(row.idle, rel=HARM)


def harm_in_the_graveyard(policy: str, every: int = 2) -> float:
    """The harm in percent where 500 nodes share a window of 40 with 2,000 that never answer; or a part of all."""
    world = world_of("tor-2020", every=every).add_dead(4000 // every)
    assert len(world.lives) == 5000 // every
    return 100 * score_of(world, policy, Conditions(window=80 // every), is_bare=False).harm_ratio


@pytest.mark.parametrize(
    ("policy", "every"),
    [("adaptive", 40), pytest.param("adaptive", 2, marks=long), pytest.param("age", 2, marks=long)],
)
def test_a_graveyard_does_not_starve_the_living(policy: str, every: int) -> None:
    assert harm_in_the_graveyard(policy, every) <= 0.045


def test_a_policy_that_does_not_back_off_starves_them() -> None:
    assert harm_in_the_graveyard("fixed", 40) > 0.045


@long
def test_the_adaptive_back_off_in_a_window_does_as_published() -> None:
    score = score_of(world_of("tor-2020"), "adaptive", Conditions(window=40))

    assert 100 * score.harm_ratio == pytest.approx(0.101, rel=HARM)
    assert score.busy_count == pytest.approx(0.8 * 40, rel=0.05)
