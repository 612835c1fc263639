"""The ways from where tests are made to the sites: each is cut now and then, which is no fault of any node.

Pure. A way is that from one vantage to one site. A test whose way is cut somewhere in its time fails, and a login is
not answered.
Tests: `tests/sim/test_paths.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import inf
from random import Random

from plabctl.sim.conditions import DAY_S, Conditions
from plabctl.sim.sites import join_spans
from plabctl.sim.world import Life, World

_MEDIAN_S, _SIGMA, _LEAST_S = 300.0, 1.0, 30.0
"""How long a cut lasts: lognormal."""


class Paths:
    """When the way from each vantage to each node is cut."""

    def __init__(self, lives: Sequence[Life], cuts_per_day: float, vantages: int, length_s: float, seed: int) -> None:
        rate = cuts_per_day / DAY_S
        edges: dict[tuple[str, int], tuple[float, ...]] = {}
        places = [life.site or life.name for life in lives]  # what has no site has a way of its own
        for place in dict.fromkeys(places):
            for vantage in range(vantages):
                edges[place, vantage] = _draw_edges(Random(f"cuts {seed} {place} {vantage}"), rate, length_s)
        self._ways = [[edges[place, vantage] for vantage in range(vantages)] for place in places]

    def is_cut(self, number: int, vantage: int, at: float) -> bool:
        """Return whether the way to the node is cut at that instant."""
        return bisect_right(self._ways[number][vantage], at) % 2 == 1

    def is_cut_within(self, number: int, vantage: int, at: float, seconds: float) -> bool:
        """Return whether it is cut at some time from then on, for `seconds`."""
        edges = self._ways[number][vantage]
        place = bisect_right(edges, at)
        return place % 2 == 1 or (place < len(edges) and edges[place] < at + seconds)

    def find_next(self, number: int, vantage: int, after: float) -> float:
        """Return when the way is next cut or mended; infinity if it is not."""
        edges = self._ways[number][vantage]
        place = bisect_right(edges, after)
        return edges[place] if place < len(edges) else inf


class Reach:
    """Who can be logged in to, from the vantage that each node is looked at from."""

    def __init__(self, world: World, conditions: Conditions) -> None:
        cuts, vantages = conditions.cuts_per_day, conditions.vantage_count
        self._lives = world.lives
        self._length_s = world.length_s
        self._paths = Paths(world.lives, cuts, vantages, world.length_s, conditions.seed) if cuts else None
        self._vantages = [0] * len(world.lives)
        self._vantage_count = vantages

    def answers(self, number: int, at: float) -> bool:
        """Return whether a login is answered then, by the node and by the way to it."""
        is_reached = self._paths is None or not self._paths.is_cut(number, self._vantages[number], at)
        return is_reached and self._lives[number].answers(at)

    def find_next_answer(self, number: int, after: float) -> float:
        """Return when that may change next, at most the end of the world."""
        at = min(self._lives[number].find_next_answer(after), self._length_s)
        return at if self._paths is None else min(at, self._paths.find_next(number, self._vantages[number], after))

    def is_cut_within(self, number: int, at: float, seconds: float) -> bool:
        """Return whether the way to the node is cut at some time from then on, for `seconds`."""
        paths = self._paths
        return paths is not None and paths.is_cut_within(number, self._vantages[number], at, seconds)

    def change_vantage(self, number: int) -> None:
        """Look at the node from the next vantage from now on."""
        self._vantages[number] = (self._vantages[number] + 1) % self._vantage_count


def _draw_edges(rng: Random, rate: float, length_s: float) -> tuple[float, ...]:
    """Return when a way is cut, mended, cut and so on."""
    spans, at = [], rng.expovariate(rate) if rate else length_s
    while at < length_s:
        spans.append((at, at + max(_LEAST_S, rng.lognormvariate(0.0, _SIGMA) * _MEDIAN_S)))
        at += rng.expovariate(rate)
    return tuple(edge for span in join_spans(spans) for edge in span)
