"""Write the page when it is due, at the end of a tick: in a process of its own, at low priority, within a deadline.

I/O. That process is `plabctl.app.page_process`. Everything else is done by then: no lock is held, no slot is taken, and
a tick that claims runs beside it. The page is due when something was committed since it was written, or it is `every`
old; it takes a tenth of the time at most.
Tests: `tests/app/test_due_page.py`.
"""

from __future__ import annotations

import json
import sys

from plabctl.app.context import App
from plabctl.contexts import suppress
from plabctl.errors import PageFault
from plabctl.typed import NamedTuple

DEADLINE_S = 120.0
NOTE_NAME = "page-written.json"
_MOST_OF_TIME = 0.1
BUSY = 75
"""The exit code when another process is writing the page."""
_KEPT_BYTES = 4096
_CODE = "import sys; sys.path[:] = {path}; from plabctl.app.page_process import main; main({config})"


class _Note(NamedTuple):
    """What was written last: where, when, which state, and how long that took."""

    folder: str
    at: float
    rev: int
    seconds: float


def is_page_due(app: App) -> bool:
    """Return whether a tick is to write the page now; raise StoreError when the state is damaged."""
    report = app.settings.report
    note = _read_note(app)
    if note is None or note.folder != report.dir:
        return True
    age_s = app.clock.now() - note.at
    if not 0 <= age_s < report.every_s:
        return True
    head = app.store.head()
    has_changed = head is not None and head.rev != note.rev
    return has_changed and age_s >= note.seconds / _MOST_OF_TIME


def find_written_time(app: App) -> float | None:
    """Return when the page was last written where ticks write it; None when that never was. Raise StoreError."""
    note = _read_note(app)
    return note.at if note and note.folder == app.settings.report.dir else None


def write_due_page(app: App) -> None:
    """Write the page if it is due; raise PageFault when that cannot be done."""
    if not is_page_due(app):
        return
    from plabctl.process import run

    code = _CODE.format(path=ascii(sys.path), config=ascii(app.settings.path))
    done = run(
        # -P: the current directory may be anybody's. The path is ours, so that it finds what we would find.
        [sys.executable, "-P", "-c", code],
        timeout_s=DEADLINE_S,
        keep_bytes=_KEPT_BYTES,
        flood_bytes=2**20,
    )
    if done.exit_code != BUSY and (done.fault or done.exit_code):
        raise _read_fault(app, done.fault or f"it ended with exit code {done.exit_code}", done.errors)


def record_page(app: App, folder: str, rev: int, seconds: float) -> None:
    """Remember that the page was written just now, if `folder` is where ticks write it; raise StoreError or OSError."""
    if folder == app.settings.report.dir:
        from plabctl.files.atomic import replace_file

        note = _Note(folder, app.clock.now(), rev, seconds)
        replace_file(f"{app.settings.state_dir}/{NOTE_NAME}", json.dumps(note).encode(), purpose="page")


def _read_note(app: App) -> _Note | None:
    from plabctl.files.private import open_for_reading

    with suppress(ValueError, TypeError, RecursionError):
        file = open_for_reading(f"{app.settings.state_dir}/{NOTE_NAME}")
        if file is not None:
            with file:
                folder, at, rev, seconds = json.loads(file.read())
            return _Note(str(folder), float(at), int(rev), float(seconds))
    return None


def _read_fault(app: App, fault: str, errors: bytes) -> PageFault:
    text = errors.decode("utf-8", "replace").strip()
    try:
        message, hint = json.loads(text)
    except ValueError:
        last = text.rpartition("\n")[2]
        return PageFault(f"the page in '{app.settings.report.dir}' cannot be written: {fault}: {last}".rstrip(": "))
    return PageFault(str(message), hint=str(hint))
