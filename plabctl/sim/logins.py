"""Which failures a login sees: a node that is down may still let people log in.

Pure. Each down time is silent, or is not, for as long as it lasts; that depends on the seed and the node alone, so that
all policies meet the same.
Tests: `tests/sim/test_world.py`.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from plabctl.sim.world import Life, World


def draw_silences(world: World, share: float, seed: int) -> World:
    """Return a world in which this share of the down times is silent: no login is answered while they last."""
    return replace(world, lives=tuple(_draw(life, share, Random(f"silent {seed} {life.name}")) for life in world.lives))


def _draw(life: Life, share: float, rng: Random) -> Life:
    edges = [edge for span in life.list_downs() if rng.random() < share for edge in span]
    return replace(life, silences=tuple(edges))
