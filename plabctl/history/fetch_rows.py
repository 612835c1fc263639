"""The rows of the history at some places, a page of them at a time.

I/O. `plabctl.history.query` finds the places, and `plabctl.history.event_rows` reads the events in the rows.
Tests: `tests/history/test_event_rows.py`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice

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
        try:
            yield from _fetch_rows(connection, part)
        except sqlite3.DataError as error:
            if error.sqlite_errorname != _TOO_BIG:
                raise
            yield from _fetch_one_by_one(connection, part)


def _fetch_one_by_one(connection: sqlite3.Connection, places: Iterable[int]) -> Iterator[tuple[int, Row | None]]:
    for place in places:
        try:
            yield from _fetch_rows(connection, [place])
        except sqlite3.DataError as error:
            if error.sqlite_errorname != _TOO_BIG:
                raise
            yield place, None


ROW_QUERY = """
select event.seq, id, event.at, kind, node, actor, data, stages from event left join output on output.seq = event.seq
where event.seq in (select value from json_each(?)) order by event.seq
"""


def _fetch_rows(connection: sqlite3.Connection, places: Iterable[int]) -> list[tuple[int, Row]]:
    rows = connection.execute(ROW_QUERY, (json.dumps(list(places)),)).fetchall()
    return [(row[0], row[1:]) for row in rows]
