"""The record that a member had in good, kept while its failure may still turn out to be no fault of the node.

Pure. `plabctl.core.pools` writes a suspicion, which the next test confirms or refutes; a confirmed one becomes a flap,
which `plabctl.core.guard.rollback` may still undo.
Tests: `tests/core/guard/test_rollback.py`.
"""

from __future__ import annotations

from plabctl.core.uptime import UptimeStats
from plabctl.values import dataclass

SILENCE = "silence"
"""The cause of a suspect that failed no test: logins between tests failed, several in a row."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The record of a node as it was in good before a first failure; a refuted failure puts all of it back."""

    pool: str
    since_at: float
    ok_streak: int
    failed_at: float
    by_silence: bool = False
    """It failed no test: see `SILENCE`."""
    vantage: str | None = None
    """The vantage from which alone it was seen to fail; None where that was several, or nobody asked."""


@dataclass(frozen=True, slots=True)
class Flap:
    """A confirmed move out of good, and the record that it ended: see `plabctl.core.guard.rollback`."""

    before: Suspicion
    at: float
    """When it was confirmed."""
    penalty: float = 0.0
    penalty_at: float = 0.0
    uptime: UptimeStats | None = None
    good_ratio: float = 0.0
