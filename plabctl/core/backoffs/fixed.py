"""The back-off `fixed`: always base.

Pure.
Tests: `tests/core/backoffs/test_base.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import Backoff, CountingKind, WaitBasis
from plabctl.durations import format_duration


class Fixed(CountingKind):
    """The same wait after every test."""

    name = "fixed"
    help = "base"

    def factor(self, streak: int) -> float:
        """Return 1."""
        return 1.0

    def default(self, *, is_good: bool) -> Backoff:
        """Return an hour."""
        return Backoff(self, base_s=3600.0)

    def describe(self, own: Backoff) -> str:
        """Return how it waits."""
        return f"{format_duration(own.base_s)} always"

    def formula(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the wait: a cap means nothing to it."""
        return self.uncapped(own, basis)

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the wait."""
        return format_duration(own.base_s)


FIXED = Fixed()
