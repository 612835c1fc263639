"""The back-off `linear`: min(max, base * n), n equal results in a row.

Pure. With its defaults it is what Emulab's PlanetLab monitor of 2007 does in its good pool.
Tests: `tests/core/backoffs/test_base.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import Backoff, CountingKind, WaitBasis
from plabctl.durations import format_duration


class Linear(CountingKind):
    """The base once more for each equal result."""

    name = "linear"
    help = "base * n"
    is_compared = False  # but with `quadratic`, as the policy of 2007

    def factor(self, streak: int) -> float:
        """Return the count."""
        return streak

    def default(self, *, is_good: bool) -> Backoff:
        """Return twenty minutes for each result."""
        return Backoff(self, base_s=1200.0)

    def describe(self, own: Backoff) -> str:
        """Return how it waits."""
        return f"{format_duration(own.base_s)} times the equal results in a row"

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the formula with its numbers, before the cap."""
        return f"{format_duration(own.base_s)} * {max(1, basis.streak)}"


LINEAR = Linear()
