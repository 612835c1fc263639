"""What is known of a node from liveness checks, kept with its member.

Pure. `plabctl.core.liveness` writes and reads it; a module of its own because `plabctl.core.model` names it.
Tests: `tests/core/test_liveness.py`.
"""

from __future__ import annotations

from plabctl.values import dataclass

MOST_FALSE_ALARMS = 3
"""So often silence may call a test that passes without a login; then it counts for nothing until one is answered."""


@dataclass(frozen=True, slots=True)
class Liveness:
    """When a login is tried next, and what came of the last ones. Set-up tests count as logins, too."""

    due_at: float | None = None
    """When the next check is due; None: none is planned."""
    spacing_s: float = 0.0
    """How long after the start of one check the next is due."""
    answered_at: float | None = None
    """When the node last let us log in, as far as a check or a test has shown."""
    silences: int = 0
    """How many logins in a row have failed; 0 when it answered last."""
    called: str = ""
    """Why a check was called ahead of its time, in words; it goes before all that merely has become due."""
    silent_from: str | None = None
    """The vantage from which all of these failed; None where none did, or several, or nobody asked."""
    false_alarms: int = 0
    """How many tests in a row passed here on this machine while logins failed; see `is_mute`."""

    @property
    def is_mute(self) -> bool:
        """Return whether its silence tells nothing, as its tests pass without a login time and again."""
        return self.false_alarms >= MOST_FALSE_ALARMS

    @property
    def is_silent(self) -> bool:
        """Return whether it was silent when last seen."""
        return self.silences > 0


@dataclass(frozen=True, slots=True)
class LostWay:
    """The way from a vantage to a node that is reached from elsewhere only: see `plabctl.core.vantage`."""

    vantage: str
    since_at: float
    """When the node was first seen to fail from there."""
    seen_at: float
    """When it was last seen so."""
    look_at: float
    """When it is looked at again, after the next test that passes."""
    reached_from: str = ""
    """From where the node was reached meanwhile."""
    is_told: bool = False
    """Whether it is sure, and told."""
    is_asked: bool = False
    """Whether a check was called that looks at it."""


def name_vantage(vantage: str) -> str:
    """Return what people call a vantage."""
    return vantage or "monitor"


def count_false_alarms(known: Liveness, *, passed: bool | None, by_login: bool) -> int:
    """Return how many tests in a row have passed without a login while logins failed, with one that has just ended.

    `passed` is None for a test that found nothing out.
    """
    if passed and not by_login:
        return known.false_alarms + known.is_silent
    return known.false_alarms if passed is None else 0
