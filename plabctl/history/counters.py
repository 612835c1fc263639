"""Counts of all that was ever recorded: they stay when what was counted is removed.

I/O: SQL. The transaction that records events counts them, so that nothing is counted twice or left out, whoever is
killed when; the state has no part in it. The counters begin anew with a new history. Go on with
`plabctl.core.event_counts` for what is counted.
"""

from __future__ import annotations

import json
import os
import sqlite3

from plabctl.core.event_counts import Counts
from plabctl.history.database import History

_READ = "select name, labels, value from counter"
_EXISTS = "select 1 from sqlite_schema where name = 'counter'"


class Counters(History):
    """The counters in the history of a state directory; like it, for one thread, and raising StoreError."""

    def read_counts(self) -> Counts:
        """Return all counters; none when nothing was counted yet."""
        if not os.path.lexists(self._path):
            return {}
        with self._connect(for_writing=False) as connection:
            return _read(connection)


def _read(connection: sqlite3.Connection) -> Counts:
    if connection.execute(_EXISTS).fetchone() is None:
        return {}
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for name, labels, value in connection.execute(_READ):
        try:
            words = json.loads(labels)
        except ValueError:
            words = None
        if isinstance(words, list):  # else the row is none of ours
            found[name.decode(errors="replace"), tuple(map(str, words))] = value
    return found
