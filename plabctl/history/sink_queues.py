"""What each sink was told: the history is the queue of all sinks, and each has its own place in it.

I/O, in the file of the history, so that a history that is restored, or begun anew, has the places that go with it. A
sink waits for the events of its kinds that were recorded after its place. Places are kept in a table of their own; a
row has a number that is small and used again, which names the sink's lock file.
Tests: `tests/sinks/test_tell.py`, `tests/app/test_sink_runs.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from plabctl.core.model import Event
from plabctl.history.database import History
from plabctl.history.event_rows import decode_row
from plabctl.history.fetch_rows import fetch
from plabctl.history.query import MAX_SEQ, NEWEST_QUERY, Question, find

MAX_BATCH = 1000
"""How many events are read at once."""
MAX_BATCH_BYTES = 8 * 1024**2
"""About how many bytes they have together, by what stages printed."""
_TABLE = """create table if not exists sink (
  id integer primary key,
  key text not null unique,
  seq integer not null,
  spec text not null
) strict"""
_SELECT = "select id, key, seq, spec from sink order by id"
_INSERT = "insert into sink (key, seq, spec) values (?, ?, ?)"
_PLACES_QUERY = "select min(seq), max(seq) from event where id in (select value from json_each(?))"
_FAR_BEHIND = 500
"""A queue that is this many rows behind the newest, none of them for its sink, is moved up to it."""
_ROWS_AT_ONCE = 50
"""What stages printed may come to a quarter of a megabyte in each of them."""


class QueueSpec(NamedTuple):
    """Whose queue it is, and which events it is to get."""

    key: str
    name: str
    """What people call the sink."""
    kind: str
    identity: str
    """As the kind of sink identifies it."""
    on: tuple[str, ...]
    experiment: str = ""
    command: tuple[str, ...] = ()
    """Of the sink of an experiment, which may be gone before the sink was told so."""


class Queue(NamedTuple):
    """One queue: events recorded after the place `seq` wait."""

    number: int
    spec: QueueSpec
    seq: int


class SinkQueues(History):
    """The queues in the history of a state directory; like it, for one thread, and every method raises StoreError."""

    def read_queues(self) -> list[Queue]:
        """Return all queues there are."""
        with self._connect(for_writing=True) as connection:
            connection.execute(_TABLE)
            rows = connection.execute(_SELECT).fetchall()
        return [Queue(number, _decode_spec(spec), seq) for number, _, seq, spec in rows]

    def find_places(self, ids: Iterable[str]) -> tuple[int, int] | None:
        """Return the first and the last place of these events; None when none of them is recorded."""
        with self._connect(for_writing=True) as connection:
            first, last = connection.execute(_PLACES_QUERY, (json.dumps(list(ids)),)).fetchone()
        return None if first is None else (first, last)

    def find_last_place(self) -> int:
        """Return the place of the newest event, also of one in a history that was just made."""
        with self._connect(for_writing=True) as connection:
            return int(connection.execute(NEWEST_QUERY).fetchone()[0])

    def change(self, added: Sequence[tuple[QueueSpec, int]], removed: Collection[str]) -> None:
        """Add queues, each at a place, and remove those with these keys, all or none."""
        with self._connect(for_writing=True) as connection, connection:
            connection.execute("begin immediate")
            connection.executemany("delete from sink where key = ?", [(key,) for key in removed])
            connection.executemany(_INSERT, [(spec.key, seq, json.dumps(spec)) for spec, seq in added])

    def list_waiting(self, queue: Queue) -> list[int]:
        """Return the places of the events that wait, oldest first."""
        with self._connect(for_writing=True) as connection:
            # Of all sinks the one with the most rare events would look through most rows.
            newest = int(connection.execute(NEWEST_QUERY).fetchone()[0])
            if newest <= queue.seq:
                return []
            places = [seq for seq in find(connection, Question(kinds=queue.spec.on, after=queue.seq)) if seq < MAX_SEQ]
        if queue.spec.experiment:
            places = [seq for seq, event in self.read_events(queue, places) if event]
        if not places and newest - queue.seq > _FAR_BEHIND:
            self.advance(queue, newest)
        return places

    def read_events(self, queue: Queue, places: Sequence[int]) -> Iterator[tuple[int, Event | None]]:
        """Yield each of `places` with its event; None for one that is not for this sink, or is none of ours."""
        for start in range(0, len(places), _ROWS_AT_ONCE):
            with self._connect(for_writing=True) as connection:
                rows = list(fetch(connection, places[start : start + _ROWS_AT_ONCE]))
            for seq, row in rows:
                event = decode_row(row) if row else None
                is_wanted = event and queue.spec.experiment in {"", event.data.get("experiment")}
                yield seq, event if is_wanted else None

    def find_oldest(self, queue: Queue, places: Sequence[int]) -> Event | None:
        """Return the first event for this sink at `places`; None when there is none of ours among them."""
        return next((event for _, event in self.read_events(queue, places) if event), None)

    def read_batch(self, queue: Queue, places: Sequence[int]) -> tuple[int, list[tuple[int, Event]]]:
        """Return those of the first of `places` that are events for this sink, and the last that was looked at."""
        batch: list[tuple[int, Event]] = []
        size = through = 0
        for through, event in self.read_events(queue, places[:MAX_BATCH]):
            if event:
                batch.append((through, event))
                size += _estimate_bytes(event)
            if size > MAX_BATCH_BYTES:
                break
        return through, batch

    def advance(self, queue: Queue, seq: int) -> None:
        """Remember that the sink needs to be told of nothing up to the place `seq` any more."""
        with self._connect(for_writing=True) as connection, connection:
            connection.execute("update sink set seq = max(seq, ?) where key = ?", (seq, queue.spec.key))


def _estimate_bytes(event: Event) -> int:
    stages: Any = event.data.get("stages") or ()
    return sum(len(stage.get("output", "")) for stage in stages)


def _decode_spec(text: bytes) -> QueueSpec:
    key, name, kind, identity, on, experiment, command = json.loads(text)
    return QueueSpec(key, name, kind, identity, tuple(on), experiment, tuple(command))
