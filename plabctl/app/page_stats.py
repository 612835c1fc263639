"""The statistics beside the page, for `stats --from` on another machine: what `plabctl stats -o json` prints.

I/O. To read a month of tests takes far longer than the rest of the page, so ticks write it once an hour at most, when
the page is there, and give up after a minute; then the file says so in place of the statistics.
`plabctl.app.stats_source` reads it.
Tests: `tests/app/test_page_stats.py`.
"""

from __future__ import annotations

import time

from plabctl.app.fetch_source import STATS
from plabctl.app.stats_queries import read_past
from plabctl.core.stats.tally import Span
from plabctl.errors import StoreError
from plabctl.files.page_folder import PageFolder
from plabctl.render.data_formats import dumps, format_json
from plabctl.render.listing import SCHEMA_VERSION
from plabctl.render.stats_table import build_listing
from plabctl.render.times import format_iso
from plabctl.views.node import ViewContext
from plabctl.views.stats import choose_past_nodes, view_stats

EVERY_S = 3600.0
MOST_S = 60.0
_DAY_S = 86400.0


def write_due_stats(folder: PageFolder, context: ViewContext, end: float) -> None:
    """Write the statistics if those in the folder are an hour old, within a minute and before the monotonic time `end`.

    Raise as `PageFolder.write` does.
    """
    written_at, most_s = folder.find_time(STATS), min(MOST_S, end - time.monotonic())
    is_fresh = written_at is not None and 0 <= time.time() - written_at < EVERY_S
    if not is_fresh and most_s > 0:
        write_stats(folder, context, most_s)


def write_stats(folder: PageFolder, context: ViewContext, most_s: float | None = None) -> None:
    """Write the statistics of the days of the page, or why there are none; raise as `PageFolder.write` does."""
    span = Span(context.now - context.settings.report.days * _DAY_S, context.now)
    try:
        past = read_past(context, span, most_s=most_s)
    except StoreError as error:
        fault = {"schema_version": SCHEMA_VERSION, "generated_at": format_iso(context.now), "fault": f"{error}"}
        folder.write(STATS, dumps(fault).encode())
        return
    listing = build_listing(*view_stats(context, past, choose_past_nodes(context, past, None), None))
    folder.write(STATS, "".join(format_json(listing)).encode("utf-8", "replace"))
