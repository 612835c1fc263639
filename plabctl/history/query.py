"""Which rows of the history are asked for, found by the indexes alone, and the rows themselves.

I/O. What a question costs must not grow with how much ever happened, so nothing is left to the query planner: it does
not know that few rows are recent, or that a node has few of them. A plus sign before a column keeps it from the index
of that column. Go on with `plabctl.history.database`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from plabctl.history.event_rows import MOST_BYTES, Row

_FEW = 10_000
"""So many rows of a time are looked through one by one for those of some nodes."""
MAX_SEQ = 9007199254740992
"""Above every row that plabctl wrote (2**53). SQLite counts on from the highest: after 2**63 - 1 not at all."""
_LAST_SEQ = 2**63 - 1
NEWEST_QUERY = "select coalesce(max(seq), 0) from event where seq < 9007199254740992"
_ROWS_AT_ONCE = 500
_RECORD_BYTES = MOST_BYTES + 1024**2
# One value however many names: SQLite has a limit on the number of values.
_OF_NODES = "node in (select value from json_each(?))"
_LOOKED_THROUGH = "+node in (select value from json_each(?))"
_OF_KINDS = "kind in (select value from json_each(?))"
_TOO_BIG = "SQLITE_TOOBIG"


class Question(NamedTuple):
    """What is asked for: events of these nodes and kinds (None: all), since an instant, recorded after place `after`.

    With `limit`, the newest that many.
    """

    nodes: Collection[str] | None = None
    kinds: Collection[str] | None = None
    since: float | None = None
    after: int = 0
    limit: int | None = None


def prepare(connection: sqlite3.Connection) -> None:
    """Make odd rows readable: text comes as bytes, as what is no UTF-8 would end a query, and its size has a bound."""
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _RECORD_BYTES)


def find(connection: sqlite3.Connection, asked: Question) -> list[int]:
    """Return the places of the rows that are asked for, in the order in which they were recorded."""
    if asked.since is not None:
        return sorted(_find_places(connection, asked, _build_conditions(connection, asked, asked.since)))
    if asked.nodes is None or asked.after:
        # Who follows is told once of a row that nothing comes after.
        last = MAX_SEQ if asked.after else _LAST_SEQ
        span: list[Condition] = [("seq > ?", asked.after), ("seq <= ?", last)]
        return sorted(_find_places(connection, asked, [*span, *_build_condition(_LOOKED_THROUGH, asked.nodes)]))
    if asked.limit is None:
        return sorted(_find_places(connection, asked, _build_condition(_OF_NODES, asked.nodes)))
    return sorted(_find_newest(connection, asked, asked.nodes, asked.limit))


def _find_newest(connection: sqlite3.Connection, asked: Question, nodes: Collection[str], limit: int) -> list[int]:
    """Return the newest places of all of `nodes`, node by node: one query would go through all their rows."""
    newest: list[int] = []  # a heap: the oldest of them comes first
    for node in set(nodes):
        least = newest[0] if newest and len(newest) >= limit else 0
        for place in _find_places(connection, asked, [("node = ?", node), ("seq > ?", least)]):
            heappush(newest, place)
            if len(newest) > limit:
                heappop(newest)
    return newest


Condition = tuple[str, object]
"""Of a query, with the one value in it."""


def _find_places(connection: sqlite3.Connection, asked: Question, conditions: Iterable[Condition]) -> Iterator[int]:
    """Yield the places of the newest rows that meet `conditions` and are of a kind that is asked for."""
    clauses, values = zip(*conditions, *_build_condition(_OF_KINDS, asked.kinds), strict=True)
    # The index of the time gives the places in no order, and must not be left for one that does.
    order = "order by +seq desc limit ?" if asked.since is not None else "order by seq desc limit ?"
    query = " ".join(("select seq from event where", " and ".join(clauses), order))
    limit = -1 if asked.limit is None else asked.limit
    return (place for (place,) in connection.execute(query, (*values, limit)))


def _build_conditions(connection: sqlite3.Connection, asked: Question, since: float) -> list[Condition]:
    """Return the conditions for the rows of a time; by the nodes, when the time is long and some nodes are asked for.

    Clocks may be set, so instants do not grow with the places; but no row of the time lies before the first of them.
    """
    if asked.nodes is not None:
        count, first = connection.execute(TIME_QUERY, (since,)).fetchone()
        if count > _FEW:
            return [
                ("seq > ?", max(asked.after, first - 1)),
                ("+at >= ?", since),
                *_build_condition(_OF_NODES, asked.nodes),
            ]
    return [("at >= ?", since), ("+seq > ?", asked.after), *_build_condition(_LOOKED_THROUGH, asked.nodes)]


TIME_QUERY = "select count(*), min(+seq) from event where at >= ?"
"""How many rows are of a time, and the first of them. Both are in the index."""


def _build_condition(condition: str, chosen: Collection[str] | None) -> list[Condition]:
    return [] if chosen is None else [(condition, json.dumps(list(chosen)))]


def fetch(connection: sqlite3.Connection, places: Sequence[int]) -> Iterator[tuple[int, Row | None]]:
    """Yield each of `places` with its row; None for one that is too big to be an event."""
    for start in range(0, len(places), _ROWS_AT_ONCE):
        part = places[start : start + _ROWS_AT_ONCE]
        try:
            yield from _fetch_rows(connection, part)
        except sqlite3.DataError as error:
            if error.sqlite_errorname != _TOO_BIG:
                raise
            yield from _fetch_one_by_one(connection, part)


def _fetch_one_by_one(connection: sqlite3.Connection, places: Sequence[int]) -> Iterator[tuple[int, Row | None]]:
    for place in places:
        try:
            yield from _fetch_rows(connection, [place])
        except sqlite3.DataError as error:
            if error.sqlite_errorname != _TOO_BIG:
                raise
            yield place, None


ROW_QUERY = (
    "select seq, id, at, kind, node, actor, data from event where seq in (select value from json_each(?)) order by seq"
)


def _fetch_rows(connection: sqlite3.Connection, places: Sequence[int]) -> list[tuple[int, Row]]:
    rows = connection.execute(ROW_QUERY, (json.dumps(list(places)),)).fetchall()
    return [(row[0], row[1:]) for row in rows]
