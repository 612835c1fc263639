"""Look whether nodes are logged in to in another way than at the last tick, and have those tested that were refused.

I/O: the times of the configuration file, the key, its certificate and ssh_config; the state. What is decided is decided
in `plabctl.core.access`.
Tests: `tests/cli/test_trust.py`.
"""

from __future__ import annotations

import os

from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.settings import SshSettings
    from plabctl.core.state import Changes, State


def find_access_change(app: App) -> float | None:
    """Return when the configuration file, the key or its certificate was changed, if after the last tick had begun."""
    since_at = app.store.last_beat()
    if since_at is None:
        return None
    ssh = app.settings.ssh
    changed_at = max(
        _read_change(app.settings.path),
        _read_change(ssh.key),
        _read_certificate_change(ssh),
        _read_ssh_config_change(ssh),
    )
    # A time that is still to come is not believed: it would stay the latest for as long.
    return changed_at if since_at < changed_at <= app.clock.now() else None


def retest_refused(app: App, changed_at: float) -> None:
    """Make the nodes due that were refused in the way that was configured before."""
    from plabctl.core import access

    ssh = app.settings.ssh
    key_at, certificate_at, ssh_config_at = (
        round(at, 3) for at in (_read_change(ssh.key), _read_certificate_change(ssh), _read_ssh_config_change(ssh))
    )
    now_used = access.Access(ssh.user, ssh.port, ssh.key, key_at, certificate_at, " ".join(ssh.jump), ssh_config_at)

    def decide(state: State) -> Changes:
        return access.retest_refused(state, now_used, changed_at, app.clock.now())

    if decide(app.store.snapshot()):
        with app.store.session() as session:
            session.apply(decide(session))


def _read_certificate_change(ssh: SshSettings) -> float:
    """Return when the certificate beside the key was last changed; 0 where an agent is used in place of a key."""
    return _read_change(f"{ssh.key}-cert.pub") if ssh.key else 0.0


def _read_ssh_config_change(ssh: SshSettings) -> float:
    """Return when one of the files of ssh_config was last changed, not what they include; 0 where none is in use."""
    if not ssh.use_ssh_config:
        return 0.0
    from plabctl.probes.ssh_config import find_files

    return max(map(_read_change, find_files()))


def _read_change(path: str) -> float:
    """Return when a file was last changed, 0 when there is none: it is somebody else's part to say so.

    What was moved here, or a link leads to since it was switched, may have been written long ago. So the change of
    the status counts, of the file and of the link; a mode by which the file can be read at last is one, too.
    """
    try:
        return max(os.stat(path).st_ctime, os.lstat(path).st_ctime)
    except (OSError, ValueError):
        return 0.0
