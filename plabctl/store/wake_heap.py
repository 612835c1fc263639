"""When a tick has something to do next, kept at hand: a commit looks at what it changes, not at 100,000 documents.

Pure. It is built from the tables when it is asked for the second time, which few commands do, and told from then on
which documents were changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from plabctl.store.tables import WAKING, Tables, find_wake_at, list_wakes


class WakeHeap:
    """The instants at which something has to be done. `tables` are those that it speaks of."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._has_looked = False
        self._wakes: list[tuple[float, str, str]] | None = None

    def note(self, table: str, ids: Iterable[str]) -> None:
        """Take note of documents that are added, changed or gone."""
        if self._wakes is not None and table in WAKING:
            docs = self.tables[table]
            for id_ in ids:
                if id_ in docs and (at := find_wake_at(table, docs[id_])) is not None:
                    heappush(self._wakes, (at, table, id_))

    def find_first(self) -> float | None:
        """Return the earliest instant; None when there is none."""
        if not self._has_looked:
            self._has_looked = True
            return min((at for _, _, at in list_wakes(self.tables)), default=None)
        if self._wakes is None:
            self._wakes = [(at, table, id_) for table, id_, at in list_wakes(self.tables)]
            heapify(self._wakes)
        while self._wakes:
            at, table, id_ = self._wakes[0]
            doc = self.tables[table].get(id_)
            if doc is not None and find_wake_at(table, doc) == at:
                return at
            heappop(self._wakes)  # it was changed since
        return None
