"""What is known of a node from liveness checks, kept with its member.

Pure. `plabctl.core.liveness` writes and reads it; a module of its own because `plabctl.core.model` names it.
Tests: `tests/core/test_liveness.py`.
"""

from __future__ import annotations

from plabctl.values import dataclass


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

    @property
    def is_silent(self) -> bool:
        """Return whether it was silent when last seen."""
        return self.silences > 0
