"""Several policies in the same world: each as it is, or each stretched until it costs the same.

Pure.
Tests: `tests/sim/test_driver.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from math import exp, log

from plabctl.sim.conditions import Conditions
from plabctl.sim.driver import run
from plabctl.sim.policies import Policy, stretch
from plabctl.sim.score import Score, compute_score
from plabctl.sim.world import World
from plabctl.values import dataclass

ROUNDS = 8
_CLOSE = 0.003
_STEEPEST = 8.0
"""A round changes the delays by at most this factor."""


class Cost(StrEnum):
    """What may be held equal: the number of tests, or the slot time they take, per node and day."""

    TESTS = "tests"
    SLOTS = "slots"


@dataclass(frozen=True, slots=True)
class Budget:
    """So much of a cost per node and day: tests, or seconds."""

    cost: Cost
    amount: float

    def compute_spent(self, found: Score) -> float:
        """Return how much of it a policy spent."""
        return found.tests_per_node_day if self.cost is Cost.TESTS else found.slot_seconds_per_node_day


class Progress:
    """How far a comparison has come: `show` is called with the number of policies done."""

    def __init__(self, show: Callable[[float], None]) -> None:
        self.show = show
        self.probe_count = 0
        """All that were simulated, also in rounds that led nowhere."""


def compare(
    world: World, policies: Iterable[Policy], conditions: Conditions, budget: Budget | None, progress: Progress
) -> Iterator[Score]:
    """Yield the figures of each policy, as they come."""
    for number, policy in enumerate(policies):
        if budget is None:
            yield _run_scored(world, policy, conditions, progress, number, 1.0)
        else:
            yield fit_budget(world, policy, conditions, budget, progress, number)
        progress.show(number + 1.0)


def fit_budget(
    world: World, policy: Policy, conditions: Conditions, budget: Budget, progress: Progress, number: int = 0
) -> Score:
    """Return the figures of the policy with all its delays multiplied by the factor at which it spends the budget.

    The nearest found in a few rounds: tests that follow at once on a change cannot be stretched away.
    """
    scale = 1.0
    tried: list[tuple[float, float]] = []
    found: list[tuple[float, Score]] = []
    for count in range(ROUNDS):
        result = _run_scored(world, stretch(policy, scale), conditions, progress, number + count / ROUNDS, 1 / ROUNDS)
        off = log(max(1e-9, budget.compute_spent(result)) / budget.amount)
        found.append((abs(off), result))
        if abs(off) < _CLOSE:
            break
        tried.append((log(scale), off))
        scale *= min(_STEEPEST, max(1 / _STEEPEST, exp(-off / _estimate_slope(tried))))
    return min(found, key=lambda pair: pair[0])[1]


def _estimate_slope(tried: list[tuple[float, float]]) -> float:
    """Return how steeply the cost fell with the latest delays: by 1, if nothing is known, it falls in proportion."""
    if len(tried) < 2:  # a slope needs two points
        return -1.0
    (x0, y0), (x1, y1) = tried[-2:]
    slope = (y1 - y0) / (x1 - x0) if x1 != x0 else -1.0
    return min(-0.2, max(-2.0, slope))


def _run_scored(
    world: World, policy: Policy, conditions: Conditions, progress: Progress, start: float, weight: float
) -> Score:
    totals = run(world, policy, conditions, lambda share: progress.show(start + weight * share))
    progress.probe_count += totals.probe_count
    return compute_score(policy.name, policy.scale, world, conditions, totals)
