"""The back-off `adaptive`: min(max, max(base, K * sqrt(s * T / (N * h)))).

Pure. What it knows of a node, and the formula, are in `plabctl.core.fair_wait`; K, the same for all nodes, is in
`plabctl.core.adaptive_scale`.
Tests: `tests/core/test_fair_wait.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import Backoff, BackoffKind, WaitBasis
from plabctl.durations import format_duration


class Adaptive(BackoffKind):
    """The wait that costs least, stretched so that a share of the window is used."""

    name = "adaptive"
    help = (
        "by what a test costs and how long states last, see `[adaptive]` (from 2m because less would be testing "
        "without a pause, to 96h because only dead nodes get to wait that long)"
    )
    by_count = False
    is_budgeted = True

    def wait_s(self, own: Backoff, streak: int, age_s: float, fair_s: float) -> float:
        """Return the wait that the core computed, at least base."""
        return max(own.base_s, fair_s)

    def default(self, *, is_good: bool) -> Backoff:
        """Return two minutes to four days."""
        return Backoff(self, base_s=120.0, max_s=345600.0)

    def describe(self, own: Backoff) -> str:
        """Return how it waits."""
        return f"at least {format_duration(own.base_s)}, by how long its states last and what a test costs"

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return what it aims at."""
        return f"its fair part of {basis.load_ratio:.0%} of the window"

    def stretch(self, own: Backoff, scale: float) -> Backoff:
        """Return `own`: the simulator stretches it by K."""
        return own


ADAPTIVE = Adaptive()
