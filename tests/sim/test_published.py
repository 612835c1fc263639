"""Figures that others worked out for real traces come out here too, within the noise of a trace.

Those of liveness checks are means over three seeds; here a trace is run under one, or under as many as its row says.

Every row of their table that is about a policy which is shipped stands in `ROWS`, the quick ones first. See `traces`
for where the traces are looked for, and for what is left out unless it is asked for.
"""

from dataclasses import replace
from random import Random
from statistics import fmean
from typing import NamedTuple

import pytest

from plabctl.sim.compare import Progress, compare
from plabctl.sim.conditions import Conditions
from plabctl.sim.driver import run
from plabctl.sim.logins import draw_silences
from plabctl.sim.policies import Policy, build_named, find_policy, let_one_pass, make_bare
from plabctl.sim.score import Score, compute_score
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


class CheckedRow(NamedTuple):
    """What was published of `age` with liveness checks: tests, checks, slot-seconds per node and day, percent harm."""

    trace: str
    how: str
    tests: float
    checks: float
    slot_s: float
    harm: float
    seed_count: int = 1

    def __str__(self) -> str:
        return f"{self.trace} with checks, {self.how}"


QUICK_CHECKED = [CheckedRow("webfront-2024", "suspects", 37.3, 265, 4775, 0.333)]
LONG_CHECKED = [
    CheckedRow("webfront-2024", "bare", 38.0, 267, 4920, 0.576, 3),
    CheckedRow("webfront-2024", "sparing", 35.9, 255, 4113, 0.334, 3),
    CheckedRow("tor-2020", "bare", 23.9, 185, 2621, 0.0703),
    CheckedRow("tor-2020", "suspects", 23.8, 185, 2601, 0.0402),
    CheckedRow("tor-2020", "sparing", 18.3, 151, 1961, 0.0487),
    CheckedRow("skype-2005-a", "bare", 43.9, 299, 11285, 0.694),
    CheckedRow("skype-2005-a", "suspects", 43.5, 299, 11141, 0.424),
    CheckedRow("skype-2005-a", "sparing", 39.7, 273, 8783, 0.485),
    CheckedRow("lanl-2003", "bare", 23.8, 190, 1638, 0.0062),
    CheckedRow("lanl-2003", "suspects", 23.8, 190, 1637, 0.0038),
    CheckedRow("lanl-2003", "sparing", 16.6, 146, 1159, 0.0043),
    CheckedRow("synthetic-pl05", "bare", 29.4, 221, 4074, 0.1428),
    CheckedRow("synthetic-pl05", "suspects", 29.3, 221, 4040, 0.0930),
    CheckedRow("synthetic-pl05", "sparing", 24.5, 191, 3166, 0.1053),
]
CHECKED_ROWS = [*QUICK_CHECKED, *(pytest.param(row, marks=long) for row in LONG_CHECKED)]


def build_checked(how: str) -> Policy:
    """`age` with eight checks: bare; with suspects; or with suspects and longer waits, which is `sparing`."""
    policy = let_one_pass(find_policy("age+checks"))
    if how == "sparing":
        pools = {
            name: replace(pool, backoff=replace(pool.backoff, base_s=base_s, max_s=max_s))
            for (name, pool), (base_s, max_s) in zip(
                sorted(policy.settings.pools.items()), ((900.0, 43200.0), (300.0, 5400.0)), strict=True
            )
        }
        policy = replace(policy, settings=replace(policy.settings, pools=pools))
    return make_bare(policy) if how == "bare" else policy


@pytest.mark.parametrize("row", CHECKED_ROWS, ids=str)
def test_liveness_checks_cost_and_help_as_published(row: CheckedRow) -> None:
    policy, world = build_checked(row.how), world_of(row.trace, EVERY.get(row.trace, 1))
    scores = [
        compute_score("checked", None, silent, conditions, run(silent, policy, conditions))
        for seed in range(1, row.seed_count + 1)
        for silent, conditions in [(draw_silences(world, 0.8, seed), Conditions(seed=seed))]
    ]

    assert fmean(score.tests_per_node_day for score in scores) == pytest.approx(row.tests, rel=COST)
    assert fmean(score.checks_per_node_day or 0 for score in scores) == pytest.approx(row.checks, rel=COST)
    assert fmean(score.slot_seconds_per_node_day for score in scores) == pytest.approx(row.slot_s, rel=COST)
    assert 100 * fmean(score.harm_ratio for score in scores) == pytest.approx(row.harm, rel=HARM)


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
