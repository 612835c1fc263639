"""The status in a file for users who may not read the state: written by whoever commits a change, and by every tick.

I/O. It has what `status -o json` prints. It is written beside and renamed, 0640 with the group of its directory; what
is there already is replaced only when it is a status. What goes wrong never ends anything: a tick tells it after all
else is done. Read by `plabctl.app.status_source`.
Tests: `tests/cli/test_status_file.py`.
"""

from __future__ import annotations

import os
from contextlib import suppress

import plabctl.render.compiled_rows  # noqa: F401 - for many nodes, when it may be gone: see `plabctl.app.preload`
from plabctl.app.context import App
from plabctl.app.queries import read_context_of
from plabctl.core.names import sort_names
from plabctl.errors import PlabctlError, ReportFault
from plabctl.files.atomic import read_start, replace_shared
from plabctl.files.locks import poll_lock
from plabctl.files.private import open_private
from plabctl.files.trusted import is_inside, open_trusted
from plabctl.render.data_formats import format_json
from plabctl.render.status_table import build_data_listing

PACE_S = 5.0
"""How often a long tick writes it at most: for very many nodes it costs more than a commit."""
_LOCK_WAIT_S, _PAUSE_S = 2.0, 0.01
_HINT = "its directory must exist, belong to plabctl's user, and have a group that this user may give files to"
_ELSEWHERE = "name another file in `[report] status_file`"
_START = 65_536
_SIGN = b'"generated_at":'
"""What stands in so many bytes at the beginning of a status."""


class StatusFile:
    """Writes the status file of one installation."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._written_at: float | None = None

    def note_commit(self) -> None:
        """Write the file after a commit, unless that was done a moment ago: then the end of the tick does."""
        now = self._app.clock.monotonic()
        if self._written_at is None or now - self._written_at >= PACE_S:
            self._written_at = now
            with suppress(Exception):  # of whatever kind: the end of the next tick meets it again, and tells
                write_status_file(self._app)


def write_status_file(app: App) -> None:
    """Write the status file if one is configured; raise ReportFault when that cannot be done."""
    path = app.settings.report.status_file
    if not path:
        return
    try:
        lock = open_private(f"{app.settings.state_dir}/status-file.lock", os.O_RDWR | os.O_CREAT)
        try:
            # The state is read under the lock: an older status never replaces a newer one.
            poll_lock(lock, _LOCK_WAIT_S, _PAUSE_S)
            context = read_context_of(app)
            text = "".join(format_json(build_data_listing(context, sort_names(context.state.names()), "json")))
            _replace(app, path, text.encode())
        finally:
            os.close(lock)
    except OSError as error:
        raise ReportFault(f"the status file '{path}' cannot be written: {error.strerror}", hint=_HINT) from error
    except PlabctlError as error:
        raise ReportFault(f"the status file '{path}' cannot be written: {error}", hint=error.hint or _HINT) from error


def _is_ours(folder: int, name: str) -> bool:
    """Return whether there is no file, or a status, or what a power failure left of one."""
    try:
        start = read_start(folder, name, _START)
    except FileNotFoundError:
        return True
    return start is not None and (_SIGN in start or not start.strip(b"\0"))


def _replace(app: App, path: str, content: bytes) -> None:
    folder, name = os.path.split(path)
    opened = open_trusted(folder, os.O_RDONLY | os.O_DIRECTORY, owners=app.settings.origin.owners)
    try:
        if is_inside(opened.path, app.settings.state_dir):
            raise ReportFault("it is in the state directory, where others may read nothing", hint=_ELSEWHERE)
        if not _is_ours(opened.fd, name):
            raise ReportFault("there is something else, which is not replaced", hint=_ELSEWHERE)
        replace_shared(opened.fd, name, content)
    finally:
        os.close(opened.fd)
