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

from plabctl.sim.conditions import DAY_S
from plabctl.sim.sites import join_spans
from plabctl.sim.world import Life

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


def _draw_edges(rng: Random, rate: float, length_s: float) -> tuple[float, ...]:
    """Return when a way is cut, mended, cut and so on."""
    spans, at = [], rng.expovariate(rate) if rate else length_s
    while at < length_s:
        spans.append((at, at + max(_LEAST_S, rng.lognormvariate(0.0, _SIGMA) * _MEDIAN_S)))
        at += rng.expovariate(rate)
    return tuple(edge for span in join_spans(spans) for edge in span)
