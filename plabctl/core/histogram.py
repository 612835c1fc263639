"""A histogram of durations in classes that widen by a fifth: bounded memory, and quantiles from it.

Pure. A tally is a mapping from class to count. `plabctl.core.timeouts` keeps one for each stage of each recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

Histogram = Mapping[int, float]

LEAST_S = 0.1
"""The upper edge of class 0: nothing that is quicker matters for a deadline."""
LAST_CLASS = 200
"""Beyond any stage: its upper edge is 20 million years."""
RATIO = 1.2
"""How much wider than the last each class is; a quantile is at most this much too large, and never too small."""
MEMORY = 1000.0
"""When so many are counted, all counts are halved: what is older weighs less, and the tally stays small."""
_NEGLIGIBLE = 0.25


def find_class(seconds: float) -> int:
    """Return the class that `seconds` fall into."""
    # The logarithm of an edge itself may come out a hair too large.
    return math.ceil(math.log(max(seconds, LEAST_S) / LEAST_S) / math.log(RATIO) - 1e-9)


def compute_edge(number: int) -> float:
    """Return the upper edge of a class, in seconds."""
    return float(LEAST_S * RATIO**number)


def add_sample(histogram: Histogram, seconds: float) -> dict[int, float]:
    """Return `histogram` with one more of `seconds` in it."""
    number = find_class(seconds)
    grown = {**histogram, number: histogram.get(number, 0.0) + 1.0}
    if sum(grown.values()) < MEMORY:
        return grown
    return {number: count / 2 for number, count in grown.items() if count / 2 >= _NEGLIGIBLE}


def count_samples(histogram: Histogram) -> int:
    """Return how many are counted, those that were halved as halves."""
    return round(sum(histogram.values()))


def compute_quantile(histogram: Histogram, share: float) -> float:
    """Return seconds within which `share` of what was counted ended; raise ValueError for an empty tally."""
    wanted = share * sum(histogram.values())
    seen = 0.0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= wanted - 1e-9:
            return compute_edge(number)
    raise ValueError("nothing is counted yet")
