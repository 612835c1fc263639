"""The back-off `exponential`: min(max, base * 2^(n-1)), n equal results in a row.

Pure.
Tests: `tests/core/backoffs/test_base.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import Backoff, CountingKind, WaitBasis
from plabctl.durations import format_duration

_MAX_DOUBLINGS = 60
"""More would overflow, and no cap is so far away."""


class Exponential(CountingKind):
    """Twice the wait after each equal result."""

    name = "exponential"
    help = "base * 2^(n-1)"

    def factor(self, streak: int) -> float:
        """Return 2^(streak - 1)."""
        return 2.0 ** min(streak - 1, _MAX_DOUBLINGS)

    def describe(self, own: Backoff) -> str:
        """Return how it waits."""
        return f"{format_duration(own.base_s)}, doubled by each equal result in a row"

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the formula with its numbers, before the cap."""
        return f"{format_duration(own.base_s)} * 2^{max(0, basis.streak - 1)}"


EXPONENTIAL = Exponential()
