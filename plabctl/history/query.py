"""Which rows of the history are asked for, found by the indexes alone.

I/O. What a question costs must not grow with how much ever happened, so nothing is left to the query planner: it does
not know that few rows are recent, or that a node has few of them. A plus sign before a column keeps it from the index
of that column. The indexes are described in `plabctl.history.tables`. Go on with `plabctl.history.database`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from plabctl.history.tables import CAUSE, EXPERIMENT, IS_STEP, TEST_KINDS

_FEW = 10_000
"""Up to this many rows of a span of time are checked one by one."""
MAX_SEQ = 9007199254740992
"""Above every row that plabctl wrote (2**53). SQLite counts on from the highest: after 2**63 - 1 not at all."""
_LAST_SEQ = 2**63 - 1
_REACH_S = 3600.0
"""Added to the greatest disorder that was seen."""
_MOST_REACH_S = 7 * 86400.0
"""Where instants are in greater disorder than that, those of a time are counted."""
NEWEST_QUERY = f"select coalesce(max(seq), 0) from event where seq < {MAX_SEQ}"
_ROWS_AT_ONCE = 500


class Question(NamedTuple):
    """What is asked for: events of these nodes, kinds, causes and experiments (None: all; empty: nothing).

    They happened at `since_at` or later and before `until_at`, and were recorded after the place `after`. With `limit`,
    the newest that many.
    """

    nodes: Collection[str] | None = None
    kinds: Collection[str] | None = None
    causes: Collection[str] | None = None
    experiments: Collection[str] | None = None
    since_at: float | None = None
    until_at: float | None = None
    after: int = 0
    limit: int | None = None


class _Span(NamedTuple):
    """The places between which all rows of a time are, and how many those rows are where they had to be counted."""

    first: int
    last: int
    row_count: int | None


class _Path(NamedTuple):
    """An index to go by: the condition for one value, its expression, and the values; `limits` it shares."""

    column: str
    values: Collection[str]
    limits: str = ""


Condition = tuple[str, object]
"""Of a query, with the one value in it."""


def find(connection: sqlite3.Connection, asked: Question) -> Iterable[int]:
    """Return the places of the rows that are asked for, in the order in which they were recorded.

    Where they are many and nothing selects among them, they are found as they are asked for.
    """
    if asked.since_at is not None or asked.until_at is not None:
        of_time = _find_few(connection, asked)
        if of_time is not None:
            return of_time
    span = _find_span(connection, asked)
    path = None if asked.after else _choose_path(asked)
    if path and asked.limit is None:
        return sorted(_find_all(connection, asked, path, span))
    if path and asked.limit is not None:
        return sorted(_find_newest(connection, asked, path, span, asked.limit))
    if asked.limit is not None:
        return sorted(_find_places(connection, asked, _limit_places(span), "order by seq desc limit ?", asked.limit))
    if span.row_count is not None and _find_last(connection, span) - span.first > 2 * span.row_count:
        # A clock was wrong once: the rows of the time are not together.
        wanted = [*_limit_time(asked), ("+seq > ?", asked.after)]
        return sorted(_find_places(connection, asked, wanted, "limit ?", -1))
    return _walk(connection, asked, span)


def _find_few(connection: sqlite3.Connection, asked: Question) -> list[int] | None:
    """Return the places of all rows that are asked for by the index of the time; None when that has too many."""
    clauses, values = zip(*_limit_time(asked), strict=True)
    query = f"select seq from event where {' and '.join(clauses)} limit ?"
    rows = connection.execute(query, (*values, _FEW + 1)).fetchall()
    if len(rows) > _FEW:
        return None
    places = [place for (place,) in rows if place > asked.after]
    if any(chosen is not None for chosen in asked[:4]):
        of_time: Condition = ("seq in (select value from json_each(?))", json.dumps(places))
        places = list(_find_places(connection, asked, [of_time], "limit ?", -1))
    places.sort()
    return places if asked.limit is None else places[len(places) - min(asked.limit, len(places)) :]


def _limit_time(asked: Question) -> list[Condition]:
    bounds = (("at >= ?", asked.since_at), ("at < ?", asked.until_at))
    return [(condition, value) for condition, value in bounds if value is not None]


def _find_span(connection: sqlite3.Connection, asked: Question) -> _Span:
    """Return between which places the rows are. Clocks may be set, so instants do not grow with the places."""
    if asked.since_at is None and asked.until_at is None:
        # Who follows is told once of a row that nothing comes after.
        return _Span(asked.after + 1, MAX_SEQ if asked.after else _LAST_SEQ, None)
    reach_s = float(connection.execute("select max(disorder_s) from clock").fetchone()[0] or 0) + _REACH_S
    if reach_s > _MOST_REACH_S:
        return _count_span(connection, asked)
    first, last = asked.after + 1, _LAST_SEQ
    # All rows before one that is older than `since_at` by more than the reach are older than `since_at`.
    if asked.since_at is not None:
        query = "select seq from event where at >= 0 and at < ? order by at desc limit 1"
        for (seq,) in connection.execute(query, (asked.since_at - reach_s,)):
            first = max(first, seq + 1)
    if asked.until_at is not None:
        query = "select seq from event where at >= ? order by at limit 1"
        for (seq,) in connection.execute(query, (asked.until_at + reach_s,)):
            last = seq - 1
    return _Span(first, last, None)


def _count_span(connection: sqlite3.Connection, asked: Question) -> _Span:
    """Return the same by a look at all instants of the time: a clock was wrong by days once."""
    clauses, values = zip(*_limit_time(asked), strict=True)
    ends = f"{'0' if asked.since_at is None else 'min(+seq)'}, {_LAST_SEQ if asked.until_at is None else 'max(+seq)'}"
    query = f"select count(*), {ends} from event where {' and '.join(clauses)}"  # all in the index
    count, first, last = connection.execute(query, values).fetchone()
    return _Span(max(asked.after + 1, first or 0), last or 0, count)


def _find_last(connection: sqlite3.Connection, span: _Span) -> int:
    return min(span.last, int(connection.execute(NEWEST_QUERY).fetchone()[0]))


def _choose_path(asked: Question) -> _Path | None:
    """Return the index that leads to the fewest rows; None when most rows are asked for."""
    are_steps = asked.kinds is not None and not set(asked.kinds) & set(TEST_KINDS)
    if asked.experiments is not None:
        return _Path(EXPERIMENT, asked.experiments, f"{EXPERIMENT} is not null")
    if asked.nodes is not None:
        return _Path("node", asked.nodes, IS_STEP if are_steps else "")
    if are_steps:
        return _Path("kind", asked.kinds or (), IS_STEP)
    if asked.causes is not None:
        return _Path(CAUSE, asked.causes, f"{CAUSE} is not null")
    return None


def _find_all(connection: sqlite3.Connection, asked: Question, path: _Path, span: _Span) -> Iterator[int]:
    """Yield the places of all rows that an index leads to, in no order."""
    # One value however many names: SQLite has a limit on the number of values.
    chosen: Condition = (f"{path.column} in (select value from json_each(?))", json.dumps(list(path.values)))
    return _find_places(connection, asked, [chosen, *_limit_places(span)], "limit ?", -1, path)


def _find_newest(connection: sqlite3.Connection, asked: Question, path: _Path, span: _Span, limit: int) -> list[int]:
    """Return the newest places of all values, one after the other: one query would go through all their rows."""
    newest: list[int] = []  # a heap: the oldest of them comes first
    order = "order by seq desc limit ?"
    for value in set(path.values):
        first = newest[0] if newest and len(newest) >= limit else span.first
        conditions = [(f"{path.column} = ?", value), *_limit_places(span._replace(first=first))]
        for place in _find_places(connection, asked, conditions, order, limit, path):
            heappush(newest, place)
            if len(newest) > limit:
                heappop(newest)
    return newest


def _walk(connection: sqlite3.Connection, asked: Question, span: _Span) -> Iterator[int]:
    """Yield the places one by one, a page of them at a time."""
    places: list[int] = []
    while not places or len(places) == _ROWS_AT_ONCE:
        first = places[-1] + 1 if places else span.first
        conditions = _limit_places(span._replace(first=first))
        places = list(_find_places(connection, asked, conditions, "order by seq limit ?", _ROWS_AT_ONCE))
        if not places:
            return
        yield from places


def _limit_places(span: _Span) -> list[Condition]:
    return [("seq >= ?", span.first), ("seq <= ?", span.last)]


def _find_places(
    connection: sqlite3.Connection,
    asked: Question,
    conditions: Iterable[Condition],
    order: str,
    limit: int,
    path: _Path | None = None,
) -> Iterator[int]:
    """Yield the places of the rows that meet `conditions` and all else that is asked for."""
    column = path.column if path else ""
    clauses, values = zip(*conditions, *_build_conditions(asked, besides=column), strict=True)
    if path and path.limits:
        clauses = (*clauses, path.limits)
    query = f"select seq from event where {' and '.join(clauses)} {order}"
    return (place for (place,) in connection.execute(query, (*values, limit)))


def _build_conditions(asked: Question, besides: str) -> Iterator[Condition]:
    """Yield what each row is looked at for, without an index; what is asked of the column `besides` is met already."""
    chosen = {"node": asked.nodes, "kind": asked.kinds, CAUSE: asked.causes, EXPERIMENT: asked.experiments}
    for column, values in chosen.items():
        if values is not None and column != besides:
            yield f"+{column} in (select value from json_each(?))", json.dumps(list(values))
    if asked.since_at is not None:
        yield "+at >= ?", asked.since_at
    if asked.until_at is not None:
        yield "+at < ?", asked.until_at
