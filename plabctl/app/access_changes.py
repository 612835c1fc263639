"""Look whether nodes are logged in to in another way than at the last tick, and have those tested that were refused.

I/O: the times of the configuration file, the key and its certificate; the state. What is decided is decided in
`plabctl.core.access`.
Tests: `tests/cli/test_trust.py`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.state import Changes, State


def find_access_change(app: App) -> float | None:
    """Return when the configuration file, the key or its certificate was changed, if after the last tick had begun."""
    since_at = app.store.last_beat()
    if since_at is None:
        return None
    key = app.settings.ssh.key
    changed_at = max(map(_read_change, (app.settings.path, key, f"{key}-cert.pub")))
    # A time that is still to come is not believed: it would stay the latest for as long.
    return changed_at if since_at < changed_at <= app.clock.now() else None


def retest_refused(app: App, changed_at: float) -> None:
    """Make the nodes due that were refused in the way that was configured before."""
    from plabctl.core import access

    ssh = app.settings.ssh
    changed = (round(_read_change(path), 3) for path in (ssh.key, f"{ssh.key}-cert.pub"))
    now_used = access.Access(ssh.user, ssh.port, ssh.key, *changed)

    def decide(state: State) -> Changes:
        return access.retest_refused(state, now_used, changed_at, app.clock.now())

    if decide(app.store.snapshot()):
        with app.store.session() as session:
            session.apply(decide(session))


def _read_change(path: str) -> float:
    """Return when a file was last changed, 0 when there is none: it is somebody else's part to say so.

    What was moved here, or a link leads to since it was switched, may have been written long ago. So the change of
    the status counts, of the file and of the link; a mode by which the file can be read at last is one, too.
    """
    try:
        return max(os.stat(path).st_ctime, os.lstat(path).st_ctime)
    except (OSError, ValueError):
        return 0.0
