"""The history: every event that was told, in the order it was told, kept for ever.

I/O. SQLite, opened when it is first used. It keeps a write-ahead log because of who reads beside the tick: in that
mode a long look at the history never holds a tick up, nor a tick the reader. `synchronous = FULL`, because a recorded
event leaves the outbox and is nowhere else then. Go on with `plabctl.history.query` for how rows are found, and with
`plabctl.history.event_rows` for what is in them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from plabctl.core.model import Event
from plabctl.errors import StateTooNew, StoreError
from plabctl.files.atomic import build_temp_name, remove
from plabctl.files.private import build_store_error, open_private
from plabctl.files.trusted import refuse_planted_file
from plabctl.history.event_rows import decode_row, encode_row
from plabctl.history.query import MAX_SEQ, NEWEST_QUERY, Question, fetch, find, prepare

HISTORY_NAME = "history.db"
_FORMAT = 1
_LOGS = ("-wal", "-shm")
_BUSY_S = 5.0
_INSERT = """insert into event (seq, id, at, kind, node, actor, data)
values ((select coalesce(max(seq), 0) + 1 from event where seq < 9007199254740992), ?, ?, ?, ?, ?, ?)
on conflict (id) do nothing
"""
_BEGIN_ANEW = "move it away (with its -wal and -shm files) to begin a new one; the pools are not affected"
_TABLE = f"""
begin;
create table event (
  seq integer primary key autoincrement,
  id text not null unique,
  at real not null,
  kind text not null,
  node text,
  actor text not null,
  data text not null
) strict;
create index event_by_node on event (node, seq);
create index event_by_time on event (at);
pragma user_version = {_FORMAT};
commit;
"""
_HINTS = {
    "SQLITE_FULL": "free some space on that file system; what could not be recorded waits in the outbox",
    "SQLITE_READONLY": "mount the file system read-write, or run plabctl as the user that owns the state directory",
    "SQLITE_CANTOPEN": "run plabctl as the user that owns the state directory",
    "SQLITE_IOERR": "check that disk (`dmesg`); what could not be recorded waits in the outbox",
    "SQLITE_BUSY": "another process writes it; what could not be recorded waits in the outbox",
    "SQLITE_NOTADB": _BEGIN_ANEW,
    "SQLITE_CORRUPT": _BEGIN_ANEW,
    "SQLITE_ERROR": _BEGIN_ANEW,
}


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
        self._path = Path(state_dir) / HISTORY_NAME

    def record(self, events: Sequence[Event]) -> None:
        """Record `events` durably, all or none; those recorded before are left as they are."""
        if not events:
            return
        with self._connect(for_writing=True) as connection, connection:
            connection.execute("begin immediate")
            connection.executemany(_INSERT, [encode_row(event) for event in events])

    def read(
        self,
        *,
        nodes: Collection[str] | None = None,
        since: float | None = None,
        kinds: Collection[str] | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> Records:
        """Return what was recorded, oldest first.

        `nodes` and `kinds` select (None: all; empty: nothing), `since` is an instant, `after` a `seq`: only later
        records are returned, which is how to follow. With `limit`, the newest that many.
        """
        found, skipped = Records(), list[int]()
        for seq, event in self._look(Question(nodes, kinds, since, after, limit)):
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
        for seq, event in self._look(Question(limit=limit)):
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

    def _look(self, asked: Question) -> Iterator[tuple[int, Event | None]]:
        """Yield the places of the rows that are asked for, each with its event; None when it is none of ours."""
        if os.path.lexists(self._path):
            with self._connect(for_writing=False) as connection:
                for seq, row in fetch(connection, find(connection, asked)):
                    yield seq, decode_row(row) if row and seq < MAX_SEQ else None

    @contextmanager
    def _connect(self, *, for_writing: bool) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = self._open(for_writing=for_writing)
            yield self._connection
        except sqlite3.Error as error:
            self.close()
            raise _build_error(self._path, error) from error
        except (ValueError, TypeError) as error:
            raise StoreError(f"an event of '{self._path}' cannot be written or read: {error}") from error

    def _open(self, *, for_writing: bool) -> sqlite3.Connection:
        if for_writing and not os.path.lexists(self._path):
            _create(self._path)
        for path in (self._path, *(Path(f"{self._path}{end}") for end in _LOGS)):
            _refuse_planted(path)
        # On a read-only file system the log's shared memory cannot be made, and nobody writes: read the bare file.
        bare = not for_writing and not os.access(self._path.parent, os.W_OK)
        where = self._path.absolute().as_uri() + ("?immutable=1" if bare else "?mode=rw")
        connection = sqlite3.connect(where, timeout=_BUSY_S, isolation_level=None, uri=True)
        try:
            _refuse_unless_ours(self._path, connection)
            connection.execute("pragma synchronous = full")
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _create(path: Path) -> None:
    """Make an empty history in one step: an empty file is then always a damaged one, and two may try at once."""
    # By its name the store takes away what is left of it when we are killed here.
    new = path.with_name(build_temp_name("history"))
    try:
        fd = open_private(str(new), os.O_RDWR | os.O_CREAT | os.O_EXCL)  # SQLite gives its log the same mode
        try:
            with closing(sqlite3.connect(new, isolation_level=None)) as connection:
                # The log comes last: what fails in it when it is closed is not told, and this file is moved without it.
                connection.executescript(_TABLE)
                connection.execute("pragma journal_mode = wal")
            os.fsync(fd)
        finally:
            os.close(fd)
        with suppress(FileExistsError):  # another process was first: its history is as good
            os.link(new, path)
    except OSError as error:
        raise build_store_error("make", str(path), error) from error
    finally:
        for left in ("", "-journal", "-wal", "-shm"):
            remove(f"{new}{left}")


def _refuse_planted(path: Path) -> None:
    """Refuse what is no regular file: SQLite would follow a link. So would it write into a log that is another file."""
    is_log = path.name != HISTORY_NAME
    try:
        # The history itself has two names for a moment, while it is made, and what is no history is not written to.
        refuse_planted_file(path.lstat(), str(path), single_name=is_log)
    except OSError as error:
        if not is_log or not isinstance(error, FileNotFoundError):
            raise build_store_error("read", str(path), error) from error


def _refuse_unless_ours(path: Path, connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("pragma user_version").fetchone()
    if found > _FORMAT:
        raise StateTooNew(f"'{path}' was written by a newer plabctl", hint="use that version; nothing was changed")
    if found < _FORMAT:
        raise StoreError(f"the history '{path}' is damaged: it is empty, or no history", hint=_BEGIN_ANEW)


def _build_error(path: Path, error: sqlite3.Error) -> StoreError:
    name = str(getattr(error, "sqlite_errorname", ""))
    hint = next((hint for prefix, hint in _HINTS.items() if name.startswith(prefix)), "")
    return StoreError(f"the history '{path}' cannot be used: {error}", hint=hint)
