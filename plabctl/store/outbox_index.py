"""The events of the outbox, decoded once: thousands may wait there while a tick goes on from step to step.

Pure. It is told which documents were changed, and decodes those that are new.
Tests: `tests/store/test_due_index.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plabctl.core.model import Event
from plabctl.store.event_groups import decode_events
from plabctl.store.tables import OUTBOX, Tables


class OutboxIndex:
    """The events not yet told to all. `tables` are those that it speaks of."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._events: dict[str, list[Event]] = {}
        self._changed: dict[str, None] = dict.fromkeys(tables[OUTBOX])

    def note(self, table: str, ids: Iterable[str]) -> None:
        """Remember that these documents are added or gone."""
        if table == OUTBOX:
            for id_ in ids:
                self._changed.pop(id_, None)  # what comes back stands last
                self._changed[id_] = None

    def list_events(self) -> Sequence[Event]:
        """Return what `State.outbox` has; raise KeyError, TypeError or ValueError for what cannot be read."""
        docs = self.tables[OUTBOX]
        for id_ in self._changed:
            self._events.pop(id_, None)
            if id_ in docs:
                self._events[id_] = decode_events(id_, docs[id_])
        self._changed.clear()
        return [event for events in self._events.values() for event in events]
