"""What the metrics are made from, read now: the state, the counters, the age of sources, the size of files.

I/O, reads only. Go on with `plabctl.views.metrics`.
Tests: `tests/cli/test_metrics.py`.
"""

from __future__ import annotations

import os
from contextlib import suppress

from plabctl.app.context import App
from plabctl.app.due_sources import name_occupancy_stamp, name_stamp
from plabctl.app.queries import read_context_of
from plabctl.errors import StoreError
from plabctl.history.counters import Counters
from plabctl.history.history_file import HISTORY_NAME
from plabctl.store.current import list_journals
from plabctl.store.head import STATE_NAME
from plabctl.store.journal import name_journal
from plabctl.store.tick_log import read_last_seconds
from plabctl.views.metrics import MetricsSource, MetricsView, build_metrics_view


def read_metrics(app: App, max_nodes: int) -> MetricsView:
    """Return the metrics, with series of their own for so many nodes; raise StoreError.

    Without a history that can be read there are no counters, rather than old ones, or ones that begin anew.
    """
    context = read_context_of(app)
    counts = None
    with suppress(StoreError), Counters(app.state_dir) as counters:
        counts = counters.read_counts()
    settings, journals = app.settings, list_journals(str(app.state_dir)) if app.state_dir.is_dir() else ()
    history = app.state_dir / HISTORY_NAME
    source = MetricsSource(
        counts,
        {each.name: app.store.last_beat(name_stamp(each.name)) for each in settings.inventories},
        {each.name: app.store.last_beat(name_occupancy_stamp(each.name)) for each in settings.occupancies},
        sum(_find_size(f"{history}{end}") for end in ("", "-wal")),
        sum(_find_size(str(app.state_dir / name)) for name in (STATE_NAME, *map(name_journal, journals))),
        max_nodes,
        read_last_seconds(app.state_dir),
    )
    return build_metrics_view(context, source)


def _find_size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
