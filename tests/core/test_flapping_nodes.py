"""How often a swinging node moves, and what false failures cost: the numbers that docs/policy.md states."""

from collections import Counter
from random import Random

import pytest

from plabctl.core.model import Outcome
from tests.builders import make_settings
from tests.core.virtual_world import VirtualWorld

DAY = 86400.0
SUSPECTS_A_DAY = 33
RHYTHM_A_DAY = 36
WORST_A_DAY = 66
"""Confirmed moves in any 24 hours, there and back taken together."""


def most_in_a_day(instants: list[float]) -> int:
    """The most of these within any 24 hours."""
    return max((sum(at <= later < at + DAY for later in instants) for at in instants), default=0)


def instants(world: VirtualWorld, *kinds: str) -> list[float]:
    return [event.at for event in world.events if event.kind in kinds and event.node == "n1"]


def test_a_node_that_alternates_every_test_for_a_thousand_rounds_is_moved_once() -> None:
    world = VirtualWorld("n1")
    world.probe("PF" * 1000)

    assert len(instants(world, "transition")) == 1, "into good, by its first pass"
    assert most_in_a_day(instants(world, "suspect")) <= SUSPECTS_A_DAY
    assert len(instants(world, "suspect")) == len(instants(world, "refuted")) + 1 == 1000


@pytest.mark.parametrize("pattern", ["FFP", "FFPP", "FP", "FFFPPP", "FFPPPPP", "FPFFPP"])
def test_a_node_that_swings_in_any_rhythm_makes_few_moves(pattern: str) -> None:
    world = VirtualWorld("n1")
    world.probe("P" + pattern * 400)

    assert most_in_a_day(instants(world, "transition")) <= RHYTHM_A_DAY


def test_a_node_that_fails_whenever_that_costs_most_makes_few_moves() -> None:
    """It fails twice whenever it is in good and passes whenever it is in bad, for 1,000 tests."""
    world = VirtualWorld("n1")
    for _ in range(1000):
        member = world.member()
        world.probe("F" if member.pool == "good" or member.is_suspect else "P")

    counts = Counter(event.kind for event in world.events)
    assert counts["transition"] > 100
    assert most_in_a_day(instants(world, "transition")) <= WORST_A_DAY


@pytest.mark.parametrize("confirm", [0, 1])
def test_one_false_failure_in_a_hundred_costs_few_more_tests(confirm: int) -> None:
    tests = {}
    for ratio in (0.0, 0.01):
        rng, world = Random(11), VirtualWorld("n1", settings=make_settings(confirm=confirm))
        start, count = world.now, 0
        while world.now < start + 100 * DAY:
            world.until_due()
            world.start("n1")
            world.end(str(Outcome.FAIL if rng.random() < ratio else Outcome.PASS))
            count += 1
        tests[ratio] = count

    assert tests[0.0] > 2000
    assert tests[0.01] <= 1.05 * tests[0.0]
