"""Uptime statistics: for how long and how often a node was good or bad, as the adaptive back-off needs it.

Pure. `fair_wait` computes the wait from them.
"""

from __future__ import annotations

from plabctl.values import dataclass

_LN_2 = 0.6931471805599453
"""The natural logarithm of 2, without `math`, which is a library of its own to load."""


@dataclass(frozen=True, slots=True)
class UptimeStats:
    """For how long a node was seen in good and in bad, and how often it was seen to leave them, fading with time.

    Kept where a back-off is adaptive; the spell under way is not included. The numbers are as of `at`.
    """

    at: float
    good_s: float
    good_count: float
    bad_s: float
    bad_count: float


def compute_fade(then: float, now: float, half_life_s: float) -> float:
    """Return the weight at `now` of what was seen at `then`, which was 1 then."""
    return float(2.0 ** (-max(0.0, now - then) / half_life_s))


def compute_faded_length(seconds: float, half_life_s: float) -> float:
    """Return the weighted length of a spell at its end: each of its seconds has decayed since it passed."""
    return half_life_s / _LN_2 * (1.0 - compute_fade(0.0, seconds, half_life_s))
