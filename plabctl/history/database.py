"""The history: every event that was told, in the order it was told.

I/O. SQLite, opened when it is first used. Go on with `plabctl.history.query` for how rows are found, with
`plabctl.history.event_rows` for what is in them, with `plabctl.history.prune` for how long they are kept, and with
`plabctl.history.history_file` for the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from plabctl.core.event_counts import count_events
from plabctl.core.model import Event, Outcome
from plabctl.core.settings import HistorySettings
from plabctl.errors import StoreError
from plabctl.history.event_rows import LAST_AT, decode_row, encode_row
from plabctl.history.fetch_rows import fetch
from plabctl.history.history_file import HISTORY_NAME, build_history_error, open_history
from plabctl.history.prune import prune
from plabctl.history.query import MAX_SEQ, NEWEST_QUERY, Question, find
from plabctl.history.tables import COUNTER_TABLE, OUTCOMES_QUERY

_KNOWN_QUERY = "select id from event where id in (select value from json_each(?))"
_INSERT = "insert into event (seq, id, at, kind, node, actor, data) values (?, ?, ?, ?, ?, ?, ?)"
_INSERT_OUTPUT = "insert into output (seq, at, stages) values (?, ?, ?)"
_ROWS_AT_ONCE = 500
"""What stages printed may come to a quarter of a megabyte in each of them."""
_COUNT = """insert into counter (name, labels, value) values (?, ?, ?)
on conflict (name, labels) do update set value = value + excluded.value
"""
_OUTCOMES = {outcome.value.encode(): outcome for outcome in Outcome}


class Record(NamedTuple):
    """An event and its place in the history; `seq` only grows."""

    seq: int
    event: Event


class Records(list[Record]):
    """What was found, oldest first.

    `place` is the `seq` of the newest row that was looked at, 0 when there was none; `skipped` are those of rows that
    plabctl did not write, which are left out.
    """

    place: int = 0
    skipped: tuple[int, ...] = ()


class Health(NamedTuple):
    """The place of the newest row (0: there is none), how many rows were looked at, and which plabctl did not write."""

    place: int
    rows: int
    skipped: tuple[int, ...]


class History:
    """The history kept in `state_dir`. For use by one thread; every method raises StoreError, in one line."""

    def __init__(self, state_dir: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        self._may_write = False
        self._path = Path(state_dir) / HISTORY_NAME

    def record(self, events: Sequence[Event]) -> None:
        """Record `events` durably, all or none; those recorded before are left as they are."""
        if not events:
            return
        with self._connect(for_writing=True) as connection, connection:
            connection.execute("begin immediate")
            _note_disorder(connection, events)
            for start in range(0, len(events), _ROWS_AT_ONCE):
                new = _list_new(connection, events[start : start + _ROWS_AT_ONCE])
                _insert(connection, new)
                _count(connection, new)

    def prune(self, settings: HistorySettings, now: float) -> int:
        """Remove a few of the rows that are older than they are kept; return how many. Others that write go first."""
        with self._connect(for_writing=True) as connection:
            return prune(connection, settings, now)

    def read(
        self,
        *,
        nodes: Collection[str] | None = None,
        since_at: float | None = None,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> Records:
        """Return what was recorded, oldest first.

        `nodes` and `kinds` select (None: all; empty: nothing), `since_at` is an instant, `after` a `seq`: only later
        records are returned, which is how to follow. With `limit`, the newest that many.
        """
        found, skipped = Records(), list[int]()
        for seq, event in self.walk(Question(nodes, kinds, since_at=since_at, after=after, limit=limit)):
            found.place = seq if seq < MAX_SEQ else found.place
            if event is None:
                skipped.append(seq)
            else:
                found.append(Record(seq, event))
        found.skipped = tuple(skipped)
        return found

    def check(self, limit: int) -> Health:
        """Look through the newest `limit` rows, without keeping them."""
        rows, place, skipped = 0, 0, list[int]()
        for seq, event in self.walk(Question(limit=limit)):
            rows, place = rows + 1, seq if seq < MAX_SEQ else place
            if event is None:
                skipped.append(seq)
        return Health(place, rows, tuple(skipped))

    def find_newest(self) -> int:
        """Return the place of the newest row, from which to follow; 0 when nothing was recorded yet."""
        if not os.path.lexists(self._path):
            return 0
        with self._connect(for_writing=False) as connection:
            return int(connection.execute(NEWEST_QUERY).fetchone()[0])

    def list_outcomes(self, nodes: Iterable[str], limit: int) -> dict[str, tuple[Outcome, ...]]:
        """Return how the last `limit` tests of each node ended, oldest first; nothing of a node without a test."""
        if not os.path.lexists(self._path):
            return {}
        found = {}
        with self._connect(for_writing=False) as connection:
            for node in nodes:
                rows = connection.execute(OUTCOMES_QUERY, (node, limit))
                outcomes = [_OUTCOMES[word] for (word,) in rows if word in _OUTCOMES]
                if outcomes:
                    found[node] = tuple(reversed(outcomes))
        return found

    def walk(self, asked: Question) -> Iterator[tuple[int, Event | None]]:
        """Yield the places of the rows that are asked for, oldest first, each with its event.

        The event is None where plabctl did not write the row. No transaction is held from one page of rows to the next,
        so that the caller may take its time.
        """
        if os.path.lexists(self._path):
            with self._connect(for_writing=False) as connection:
                for seq, row in fetch(connection, find(connection, asked)):
                    yield seq, decode_row(row) if row and seq < MAX_SEQ else None

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(sqlite3.Error):
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()  # a history that is merely dropped leaves no log behind either

    @contextmanager
    def _connect(self, *, for_writing: bool) -> Iterator[sqlite3.Connection]:
        try:
            if for_writing and not self._may_write:
                self.close()  # one that was opened to be read may be of an earlier format
            if self._connection is None:
                self._connection, self._may_write = open_history(self._path, for_writing=for_writing), for_writing
            yield self._connection
        except sqlite3.Error as error:
            self.close()
            raise build_history_error(self._path, error) from error
        except (ValueError, TypeError) as error:
            raise StoreError(f"an event of '{self._path}' cannot be written or read: {error}") from error


def _list_new(connection: sqlite3.Connection, events: Sequence[Event]) -> list[Event]:
    """Return those of `events` that are not recorded yet, each once."""
    found: dict[str, Event] = {}
    for event in events:
        found.setdefault(event.id, event)
    for (id_,) in connection.execute(_KNOWN_QUERY, (json.dumps(list(found)),)):
        del found[id_.decode()]
    return list(found.values())


def _insert(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    newest = int(connection.execute(NEWEST_QUERY).fetchone()[0])
    rows = [(seq, *encode_row(event)) for seq, event in enumerate(events, newest + 1)]
    connection.executemany(_INSERT, [(seq, *row) for seq, row, _ in rows])
    connection.executemany(_INSERT_OUTPUT, [(seq, row[1], stages) for seq, row, stages in rows if stages])


def _count(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """Add events that were recorded just now to the counters, which `plabctl.history.counters` reads."""
    counts = count_events(events)
    if counts:
        connection.execute(COUNTER_TABLE)
        rows = [(name, json.dumps(labels), amount) for (name, labels), amount in counts.items()]
        connection.executemany(_COUNT, rows)


def _note_disorder(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """Remember by how much the instant of one of `events` lies before that of one that was recorded earlier."""
    # What is no instant of a calendar, as in a row that plabctl did not write, is left aside.
    (latest,), disorder_s = connection.execute("select max(at) from event where at < ?", (LAST_AT,)).fetchone(), 0.0
    for event in events:
        latest = event.at if latest is None else max(latest, event.at)
        disorder_s = max(disorder_s, latest - event.at)
    if disorder_s:
        connection.execute("update clock set disorder_s = ? where disorder_s < ?", (disorder_s, disorder_s))
