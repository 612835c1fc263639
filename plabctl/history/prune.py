"""Removing what is older than it is kept, a little at a time.

I/O: SQL on a connection that the caller opened. Each step is a small transaction of its own, begun only when nobody
else writes, and after a few steps the rest is left to the next call: nobody waits for this. A step that is killed was
never made. What waits for a sink stays until that was told of it, or it was reported as dropped. The file does not
shrink: SQLite uses the pages that became free for what is recorded next. Histories of format 1 have the stages of tests
inside the data of their events; a few at a time, these are moved to where they stand now, or removed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from plabctl.core.settings import HistorySettings
from plabctl.history.query import MAX_SEQ, Question, find

_ROWS = 50
"""Of one transaction: what 50 tests printed is seldom more than a megabyte."""
_STEPS = 20
_BUDGET_S = 0.05
"""Of one call."""
_SLACK_S = 3600.0
"""How long rows stay beyond their time, so that a call removes many at once and not one each."""
_STAGES = "case when json_valid(data) then json_type(data, '$.stages') end"
_LEGACY = "seq >= ? and seq <= ?"
_KINDS = 4
"""Where the specification of a sink, as `plabctl.history.sink_queues` writes it, has the kinds of its events."""
_OLD = "at < ? and +seq <= ?"
"""By the index of instants: the plus keeps SQLite from walking along the places."""

_THIN = f"""
select seq, id, at, kind, node, actor, case when {_STAGES} is null then data else json_remove(data, '$.stages') end
from event where {_LEGACY}
"""

Step = Callable[[sqlite3.Connection, HistorySettings, float], int]
"""Does a little at the instant given, inside a transaction; returns how many rows it removed or changed."""


def prune(connection: sqlite3.Connection, settings: HistorySettings, now: float) -> int:
    """Remove some of the rows that are too old at the instant `now`; return how many. Give way to whoever writes."""
    end, count = monotonic() + _BUDGET_S, 0
    (timeout_ms,) = connection.execute("pragma busy_timeout").fetchone()
    # A step that a power failure undoes is made again: no need to wait for the disk.
    for pragma in ("busy_timeout = 0", "synchronous = normal", "secure_delete = fast", "temp_store = memory"):
        connection.execute(f"pragma {pragma}")
    try:
        steps = [step for is_due, step in _STEPS_WHEN_DUE if is_due(connection, settings, now)]
        for _ in range(_STEPS):
            if not steps or monotonic() > end:
                break
            if done := _run(connection, steps[0], settings, now):
                count += done
            else:
                del steps[0]
    except sqlite3.OperationalError:  # somebody writes, or there is no space for the log: the next call will do it
        pass
    finally:
        connection.execute(f"pragma busy_timeout = {timeout_ms}")
        connection.execute("pragma synchronous = full")
    return count


def _run(connection: sqlite3.Connection, step: Step, settings: HistorySettings, now: float) -> int:
    connection.execute("begin immediate")
    try:
        count = step(connection, settings, now)
        connection.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("rollback")
        raise
    return count


def _has_legacy(connection: sqlite3.Connection, _settings: HistorySettings, _now: float) -> bool:
    return connection.execute("select 1 from legacy where next_seq <= last_seq").fetchone() is not None


def _has_old_output(connection: sqlite3.Connection, settings: HistorySettings, now: float) -> bool:
    query = "select 1 from output where at < ? limit 1"
    return connection.execute(query, (now - settings.keep_output_s - _SLACK_S,)).fetchone() is not None


def _has_old_events(connection: sqlite3.Connection, settings: HistorySettings, now: float) -> bool:
    query = "select 1 from event where at < ? limit 1"
    return connection.execute(query, (now - settings.keep_s - _SLACK_S,)).fetchone() is not None


def _find_told(connection: sqlite3.Connection) -> int:
    """Return up to which place no event waits for any sink: the others are told, or reported as dropped, first."""
    if connection.execute("select 1 from sqlite_schema where name = 'sink'").fetchone() is None:
        return MAX_SEQ
    query = f"select seq, json_extract(spec, '$[{_KINDS}]') from sink"
    waiting = (
        next(iter(find(connection, Question(kinds=json.loads(on), after=seq))), MAX_SEQ)
        for seq, on in connection.execute(query).fetchall()
    )
    return min(waiting, default=MAX_SEQ) - 1


def _move_legacy_stages(connection: sqlite3.Connection, settings: HistorySettings, now: float) -> int:
    """Move the stages of a few events out of their data, or remove them where they are too old."""
    found = connection.execute("select next_seq, last_seq from legacy").fetchone()
    if found is None:
        return 0
    query = (
        f"select min(seq), max(seq), count(*) from (select seq from event where {_LEGACY} order by seq limit {_ROWS})"
    )
    first, last, count = connection.execute(query, found).fetchone()
    if count:
        connection.execute(
            "insert or ignore into output (seq, at, stages) select seq, at, json_extract(data, '$.stages') from event "
            f"where {_LEGACY} and at >= ? and {_STAGES} = 'array'",
            (first, last, now - settings.keep_output_s),
        )
        # Taken out and put back: rows that merely shrink would leave their pages nearly empty.
        connection.execute("create temporary table thin (seq, id, at, kind, node, actor, data)")
        connection.execute(f"insert into thin {_THIN}", (first, last))
        connection.execute(f"delete from event where {_LEGACY}", (first, last))
        connection.execute("insert into event (seq, id, at, kind, node, actor, data) select * from thin")
        connection.execute("drop table thin")
        connection.execute("update legacy set next_seq = ?", (last + 1,))
    else:
        connection.execute("delete from legacy")
    return int(count)


def _remove_output(connection: sqlite3.Connection, settings: HistorySettings, now: float) -> int:
    old = f"select seq from output where at < ? order by at limit {_ROWS}"
    return connection.execute(f"delete from output where seq in ({old})", (now - settings.keep_output_s,)).rowcount


def _remove_events(connection: sqlite3.Connection, settings: HistorySettings, now: float) -> int:
    old = f"(select seq from event where {_OLD} order by at limit {_ROWS})"
    values = (now - settings.keep_s, _find_told(connection))
    connection.execute(f"delete from output where seq in {old}", values)
    return connection.execute(f"delete from event where seq in {old}", values).rowcount


_STEPS_WHEN_DUE = (
    (_has_legacy, _move_legacy_stages),
    (_has_old_output, _remove_output),
    (_has_old_events, _remove_events),
)
