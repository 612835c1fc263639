"""The rows of the history at some places, a page of them at a time.

I/O. `plabctl.history.query` finds the places, and `plabctl.history.event_rows` reads the events in the rows.
Tests: `tests/history/test_event_rows.py`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from plabctl.history.event_rows import MOST_BYTES, Row

_ROWS_AT_ONCE = 500
_RECORD_BYTES = MOST_BYTES + 1024**2
_TOO_BIG = "SQLITE_TOOBIG"


def prepare(connection: sqlite3.Connection) -> None:
    """Make odd rows readable: text comes as bytes, as what is no UTF-8 would end a query, and its size has a bound."""
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _RECORD_BYTES)


def fetch(connection: sqlite3.Connection, places: Iterable[int]) -> Iterator[tuple[int, Row | None]]:
    """Yield each of `places` with its row; None for one that is too big to be an event."""
    left = iter(places)
    while part := list(islice(left, _ROWS_AT_ONCE)):
        rows = _fetch_rows(connection, part)
        if rows is not None:
            yield from rows
            continue
        for place in part:
            found = _fetch_rows(connection, [place])
            yield from [(place, None)] if found is None else found


ROW_QUERY = """
select event.seq, id, event.at, kind, node, actor, data, stages from event left join output on output.seq = event.seq
where event.seq in (select value from json_each(?)) order by event.seq
"""


def _fetch_rows(connection: sqlite3.Connection, places: Sequence[int]) -> list[tuple[int, Row]] | None:
    """Return the rows at `places`; None when one of them is too big to be an event."""
    rows = try_query(connection, ROW_QUERY, json.dumps(places))
    return None if rows is None else [(row[0], row[1:]) for row in rows]


def try_query(connection: sqlite3.Connection, query: str, *values: object) -> list[Any] | None:
    """Return the rows that `query` finds; None when one of them is too big to be an event."""
    try:
        return connection.execute(query, values).fetchall()
    except sqlite3.DataError as error:
        if error.sqlite_errorname != _TOO_BIG:
            raise
        return None
