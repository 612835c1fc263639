"""The back-off `age`: min(max, base * sqrt(1 + hours since the last confirmed change)).

Pure. The chance that a node changes its state falls about as one over the time it has been in it; then the wait that
costs least grows as the square root of that time (`docs/policy.md`).
Tests: `tests/core/backoffs/test_base.py`.
"""

from __future__ import annotations

from math import sqrt

from plabctl.core.backoffs.base import Backoff, BackoffKind, WaitBasis
from plabctl.durations import format_duration

_HOUR_S = 3600.0


class Age(BackoffKind):
    """Twice the wait at four times the age."""

    name = "age"
    help = (
        "base * sqrt(1 + hours since the node last changed) (from 10m to 12h in a bad pool because a failing test "
        "takes ten times as long)"
    )
    by_count = False

    def wait_s(self, own: Backoff, streak: int, age_s: float, fair_s: float) -> float:
        """Return base * sqrt(1 + age in hours)."""
        return own.base_s * sqrt(1.0 + max(0.0, age_s) / _HOUR_S)

    def default(self, *, is_good: bool) -> Backoff:
        """Return five minutes to an hour in good, and ten minutes to half a day in bad."""
        return Backoff(self, base_s=300.0 if is_good else 600.0, max_s=3600.0 if is_good else 43200.0)

    def describe(self, own: Backoff) -> str:
        """Return how it waits."""
        return f"{format_duration(own.base_s)}, twice as long at four times the age"

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the formula with its numbers, before the cap."""
        return f"{format_duration(own.base_s)} * sqrt(1 + {max(0.0, basis.age_s) / _HOUR_S:.1f} hours here)"


AGE = Age()
