"""The process that writes the page for a tick: it ends by itself, and what went wrong is its last word.

I/O. `plabctl.app.due_page` starts it and reads what it says.
Tests: `tests/app/test_due_page.py`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial

from plabctl.app.context import open_app
from plabctl.app.due_page import BUSY, DEADLINE_S, record_page
from plabctl.app.page_stats import write_due_stats
from plabctl.app.write_page import write_page
from plabctl.errors import PageFault, PlabctlError, StoreBusy
from plabctl.files.page_folder import find_marker_time

_NICE = 10
_SPARE_S = 20.0
"""To write the statistics takes longer than to read the history alone."""


def main(config: str) -> None:
    """Write the page of this configuration; end the process, with what went wrong as its error."""
    os.nice(_NICE)
    signal.alarm(round(DEADLINE_S) + 1)  # also when the tick is gone
    end = time.monotonic() + DEADLINE_S - _SPARE_S
    try:
        app = open_app(config)
        report = app.settings.report
        try:
            written = write_page(app, report.dir, then=partial(write_due_stats, end=end))
        except StoreBusy:
            _refuse_stuck(report.dir, 2 * DEADLINE_S + report.every_s)
            sys.exit(BUSY)
        record_page(app, report.dir, written.rev, written.seconds)
    except PlabctlError as error:
        sys.exit(json.dumps([str(error), error.hint]))


def _refuse_stuck(folder: str, longest_s: float) -> None:
    """Raise PageFault when whoever is writing the page has been at it for too long."""
    with suppress(OSError):
        if time.time() - find_marker_time(folder) > longest_s:
            what = "another process has been writing it for too long"
            raise PageFault(
                f"the page in '{folder}' cannot be written: {what}", hint=f"find it with: fuser -v '{folder}'"
            )
