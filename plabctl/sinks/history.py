"""The sink `history`: every event, recorded in the state directory.

I/O: SQLite, see `plabctl.history.database`, which knows an event by its id and keeps it once. It is always the first
sink, and the others wait until it has taken the events, so that they tell of nothing that is not on record. Each time,
a little of what is older than it is kept is removed.
Tests: `tests/sinks/test_tell.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from plabctl.core.model import Event
from plabctl.core.settings import HistorySettings, SinkSettings
from plabctl.history.database import History
from plabctl.sinks.base import SinkContext, SinkKind, TellResult


class HistoryKind(SinkKind):
    """The record of what happened."""

    name = "history"
    help = "the record of what happened"
    is_record = True

    def tell(self, own: SinkSettings, events: Sequence[Event], timeout_s: float, context: SinkContext) -> TellResult:
        """Record the events; raise StoreError when they cannot be recorded."""
        with History(Path(context.state_dir)) as history:
            history.record(events)
            if isinstance(own.options, HistorySettings):
                history.prune(own.options, time.time())
        return TellResult(ok=True)


HISTORY = HistoryKind()
