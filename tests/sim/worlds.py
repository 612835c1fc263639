"""Small worlds whose figures can be worked out by hand. Pure."""

from plabctl.sim.compare import Progress, compare
from plabctl.sim.conditions import Conditions
from plabctl.sim.policies import Policy
from plabctl.sim.score import Score
from plabctl.sim.world import World, build_life

HOUR_S = 3600.0
DAY_S = 86400.0


def make_world(*lives: str, days: float = 3.0) -> World:
    """Nodes that are up at first and change at these hours, as "30 31.5"; a leading "-" is down at first."""
    length_s = days * DAY_S
    made = []
    for number, text in enumerate(lives):
        is_up = not text.startswith("-")
        pieces = [(0.0, is_up)]
        for hour in text.lstrip("-").split():
            is_up = not is_up
            pieces.append((float(hour) * HOUR_S, is_up))
        made.append(build_life(f"n{number}", pieces, length_s))
    return World(tuple(made), length_s)


def scored(world: World, policy: Policy, conditions: Conditions | None = None) -> Score:
    (found,) = compare(world, [policy], conditions or Conditions(), None, Progress(lambda _: None))
    return found
