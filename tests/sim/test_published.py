"""Figures that others worked out for real traces come out here too, within the noise of a trace.

The traces are no part of this repository. They are looked for beside it, in `../shared/traces`, or where
`PLABCTL_TRACES` says. A few rows are run always, the others, which take minutes, when `PLABCTL_ALL_TRACES` is set.
"""

import os
from pathlib import Path
from random import Random

import pytest

from plabctl.sim.compare import Progress, compare
from plabctl.sim.policies import bare, named
from plabctl.sim.scenario import Scenario
from plabctl.sim.score import Score
from plabctl.sim.trace import read_trace
from plabctl.sim.world import World

TRACES = Path(os.environ.get("PLABCTL_TRACES", Path(__file__).parents[2].parent / "shared" / "traces"))
HOUR_S, MINUTE_S, DAY_S = 3600.0, 60.0, 86400.0
COST, HARM = 0.03, 0.10
"""How far the cost, and the harm, may be off."""

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not TRACES.is_dir(), reason=f"no availability traces in {TRACES}; see PLABCTL_TRACES"),
]
long = pytest.mark.skipif("PLABCTL_ALL_TRACES" not in os.environ, reason="takes a minute; set PLABCTL_ALL_TRACES")


def world_of(name: str, resolution_s: float, every: int = 1) -> World:
    return read_trace(str(TRACES / f"{name}.csv.gz")).thinned(every).shifted(resolution_s, Random("shift 1"))


def score_of(world: World, policy: str, scenario: Scenario, *, is_bare: bool = True) -> Score:
    own = named(policy)
    (score,) = compare(world, [bare(own) if is_bare else own], scenario, None, Progress(lambda _: None))
    return score


@pytest.mark.parametrize(
    ("trace", "resolution_s", "policy", "tests", "slot_s", "broken", "idle"),
    [
        pytest.param("tor-2020", HOUR_S, "additive", 23.5, 3403, 0.128, 0.072, marks=long),
        ("tor-2020", HOUR_S, "2007", 19.8, 1501, 0.145, 0.249),
        ("tor-2020", HOUR_S, "age", 23.8, 2334, 0.087, 0.073),
        ("skype-2005-a", HOUR_S / 2, "additive", 29.1, 9946, 1.138, 0.937),
        pytest.param("skype-2005-a", HOUR_S / 2, "age", 42.1, 9966, 0.738, 0.901, marks=long),
        ("webfront-2024", 10 * MINUTE_S, "additive", 25.2, 4214, 0.654, 0.210),
        ("webfront-2024", 10 * MINUTE_S, "age", 35.9, 4263, 0.516, 0.370),
        pytest.param("synthetic-pl05", 0.0, "additive", 24.1, 3714, 0.231, 0.166, marks=long),
        pytest.param("synthetic-pl05", 0.0, "age", 28.7, 3568, 0.177, 0.194, marks=long),
        pytest.param("lanl-2003", 0.0, "additive", 23.3, 1415, 0.0108, 0.0039, marks=long),
        pytest.param("lanl-2003", 0.0, "age", 23.7, 1440, 0.0106, 0.0039, marks=long),
    ],
)
def test_cost_and_harm_are_as_published(
    trace: str, resolution_s: float, policy: str, tests: float, slot_s: float, broken: float, idle: float
) -> None:
    every = 6 if trace == "lanl-2003" else 1
    score = score_of(world_of(trace, resolution_s, every), policy, Scenario())

    assert score.tests_per_node_day == pytest.approx(tests, rel=COST)
    assert score.slot_seconds_per_node_day == pytest.approx(slot_s, rel=COST)
    assert 100 * score.broken_ratio == pytest.approx(broken, rel=HARM)
    assert 100 * score.idle_ratio == pytest.approx(idle, rel=HARM)


@pytest.mark.parametrize("policy", [pytest.param("age", marks=long), "adaptive"])
def test_a_graveyard_does_not_starve_the_living(policy: str) -> None:
    world = world_of("tor-2020", HOUR_S, every=2).cut(30 * DAY_S).with_dead(2000)
    score = score_of(world, policy, Scenario(window=40), is_bare=False)

    assert 100 * score.harm_ratio < 0.045
