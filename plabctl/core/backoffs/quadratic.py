"""The back-off `quadratic`: min(max, base * n^2), n equal results in a row.

Pure. With its defaults it is what Emulab's PlanetLab monitor of 2007 does in its bad pool.
Tests: `tests/core/backoffs/test_base.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import Backoff, CountingKind, WaitBasis
from plabctl.durations import format_duration


class Quadratic(CountingKind):
    """The base times the square of the count."""

    name = "quadratic"
    help = "base * n^2 (up to 12h in a bad pool because only dead nodes get to wait that long)"

    def factor(self, streak: int) -> float:
        """Return the square of the count."""
        return streak**2

    def default(self, *, is_good: bool) -> Backoff:
        """Return at most an hour in good, and half a day in bad."""
        return Backoff(self, max_s=3600.0 if is_good else 43200.0)

    def describe(self, own: Backoff) -> str:
        """Return how it waits."""
        return f"{format_duration(own.base_s)} times the square of the equal results in a row"

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the formula with its numbers, before the cap."""
        return f"{format_duration(own.base_s)} * {max(1, basis.streak)}^2"


QUADRATIC = Quadratic()
