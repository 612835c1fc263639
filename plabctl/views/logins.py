"""What liveness checks have shown of one node: when it last answered, and when it is asked again.

Pure. `plabctl.views.node` and `plabctl.views.node_record` have the rest.
Tests: `tests/views/test_logins.py`.
"""

from __future__ import annotations

from plabctl.core.model import Member
from plabctl.core.settings import Settings
from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class LoginView:
    """The liveness checks of a node. None is unknown, or does not apply."""

    answered_at: float | None
    """When it last let us log in, for a test or a check."""
    due_at: float | None
    """When the next check is due."""
    spacing_seconds: float
    silences_count: int
    """How many logins in a row have failed."""
    called_because: str | None
    """Why the next check was called ahead of its time."""


def view_login(member: Member, settings: Settings) -> LoginView | None:
    """Return what is known by checks of the node of `member`; None where its pool makes none and none is called."""
    own, pool = member.liveness, settings.pools.get(member.pool)
    if own is None or pool is None or not (pool.liveness or own.called):
        return None
    due_at = None if member.absent_since_at is not None else own.due_at
    return LoginView(own.answered_at, due_at, own.spacing_s, own.silences, own.called or None)
