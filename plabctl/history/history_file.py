"""The file of the history: made, checked, opened, and brought forward from an earlier format.

I/O. SQLite with a write-ahead log, because of who reads beside the tick: in that mode a long look at the history never
holds a tick up, nor a tick the reader. `synchronous = FULL`, because a recorded event leaves the outbox and is nowhere
else then. Go on with `plabctl.history.tables` for what is in the file.
Tests: `tests/history/test_database.py`.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from plabctl.errors import StateTooNew, StoreError
from plabctl.files.atomic import build_temp_name, remove
from plabctl.files.private import build_store_error, open_private
from plabctl.files.trusted import refuse_planted_file
from plabctl.history.fetch_rows import prepare
from plabctl.history.tables import FORMAT, bring_forward, create_tables, stand_in

HISTORY_NAME = "history.db"
_LOGS = ("-wal", "-shm")
_BUSY_S = 5.0
_BEGIN_ANEW = "move it away (with its -wal and -shm files) to begin a new one; the pools are not affected"
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


def open_history(path: Path, *, for_writing: bool) -> sqlite3.Connection:
    """Return a connection to the history at `path`; to write, make it or bring it forward where needed.

    Raise StoreError when it is damaged or somebody put something else there, StateTooNew when a newer plabctl wrote it,
    and what SQLite raises.
    """
    if for_writing and not os.path.lexists(path):
        _create(path)
    for each in (path, *(Path(f"{path}{end}") for end in _LOGS)):
        _refuse_planted(each)
    # On a read-only file system the log's shared memory cannot be made, and nobody writes: read the bare file.
    bare = not for_writing and not os.access(path.parent, os.W_OK)
    where = path.absolute().as_uri() + ("?immutable=1" if bare else "?mode=rw")
    connection = sqlite3.connect(where, timeout=_BUSY_S, isolation_level=None, uri=True)
    try:
        connection.execute("pragma synchronous = full")
        if _read_format(path, connection) < FORMAT:
            _serve_earlier_format(connection, for_writing=for_writing)
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _serve_earlier_format(connection: sqlite3.Connection, *, for_writing: bool) -> None:
    if for_writing:
        bring_forward(connection)
    else:
        stand_in(connection)


def _create(path: Path) -> None:
    """Make an empty history in one step: an empty file is then always a damaged one, and two may try at once."""
    # By its name the store takes away what is left of it when we are killed here.
    new = path.with_name(build_temp_name("history"))
    try:
        fd = open_private(str(new), os.O_RDWR | os.O_CREAT | os.O_EXCL)  # SQLite gives its log the same mode
        try:
            with closing(sqlite3.connect(new, isolation_level=None)) as connection:
                # The log comes last: what fails in it when it is closed is not told, and this file is moved without it.
                create_tables(connection)
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


def _read_format(path: Path, connection: sqlite3.Connection) -> int:
    """Return the format of the history; raise StoreError when it has none, StateTooNew when it is a later one."""
    found = int(connection.execute("pragma user_version").fetchone()[0])
    if found > FORMAT:
        raise StateTooNew(f"'{path}' was written by a newer plabctl", hint="use that version; nothing was changed")
    if found < 1:
        raise StoreError(f"the history '{path}' is damaged: it is empty, or no history", hint=_BEGIN_ANEW)
    return found


def build_history_error(path: Path, error: sqlite3.Error) -> StoreError:
    """Return the error to raise for what SQLite says of the history at `path`."""
    name, words = str(getattr(error, "sqlite_errorname", "")), f"{error}"
    if name.startswith("SQLITE_IOERR") and _is_full(path):
        name, words = "SQLITE_FULL", "no space left on device"  # of its log and its locks SQLite says it otherwise
    hint = next((hint for prefix, hint in _HINTS.items() if name.startswith(prefix)), "")
    return StoreError(f"the history '{path}' cannot be used: {words}", hint=hint)


def _is_full(path: Path) -> bool:
    try:
        return os.statvfs(path.parent).f_bavail == 0
    except OSError:
        return False
