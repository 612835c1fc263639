"""The back-off `additive`, the default: min(max, base + n * step), n equal results in a row.

Pure. It is that of Emulab's PlanetLab monitor of August 2006.
Tests: `tests/core/backoffs/test_base.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import Backoff, BackoffKind, WaitBasis
from plabctl.durations import format_duration


class Additive(BackoffKind):
    """A step more for each equal result in a row."""

    name = "additive"
    help = "base + n * step"

    def wait_s(self, own: Backoff, streak: int, age_s: float, fair_s: float) -> float:
        """Return base + streak * step."""
        return own.base_s + max(0, streak) * own.step_s

    def describe(self, own: Backoff) -> str:
        """Return how it waits."""
        return f"{format_duration(own.base_s)} and {format_duration(own.step_s)} for each equal result in a row"

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return the formula with its numbers, before the cap."""
        return f"{format_duration(own.base_s)} + {basis.streak} * {format_duration(own.step_s)}"


ADDITIVE = Additive()
