"""The tables, indexes and views of the history, and how a file of an earlier format gets them.

I/O: SQL on a connection that the caller opened. `docs/history.md` documents what stands here for people who write
queries. Format 1 had no table `output`: what stages printed was a part of an event's data. Go on with
`plabctl.history.query` for which index serves which question, and with `plabctl.history.prune` for what is removed.
Tests: `tests/history/test_query.py`, `tests/history/test_prune.py`.
"""

from __future__ import annotations

import sqlite3

from plabctl.history.event_rows import LAST_AT

FORMAT = 2
_UNKNOWN_S = 1e300
"""A disorder beyond all measure."""
TEST_KINDS = ("probe", "vnode-probe", "late")
"""Nearly all events are of these kinds: a few indexes leave them out, and so take next to no room."""
IS_STEP = f"kind not in ({', '.join(map(repr, TEST_KINDS))})"
"""What the indexes of everything else are limited to; a query must repeat it word for word."""
# What another program wrote may be no JSON, and would end every query that meets it.
CAUSE = "(case when json_valid(data) then json_extract(data, '$.cause') end)"
EXPERIMENT = "(case when json_valid(data) then json_extract(data, '$.experiment') end)"
_EVENT = """
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
"""
_OUTPUT = """
create {temporary} table output (
  seq integer primary key,
  at real not null,
  stages text not null
) strict;
"""
# `clock` says by how much an instant may lie before those of rows recorded earlier, so that few rows need to be looked
# at for a time. `legacy` says which rows still have stages in their data: those from `next_seq` up to `last_seq`.
_SINCE_FORMAT_2 = f"""
{_OUTPUT.format(temporary="")}
create index output_by_time on output (at);
create table clock (disorder_s real not null) strict;
create table legacy (next_seq integer not null, last_seq integer not null) strict;
create index step_by_kind on event (kind, seq, at) where {IS_STEP};
create index step_by_node on event (node, seq, at) where {IS_STEP};
create index event_by_cause on event ({CAUSE}, seq, at) where {CAUSE} is not null;
create index event_by_experiment on event ({EXPERIMENT}, seq, at) where {EXPERIMENT} is not null;
"""
_DISORDER = f"""
select coalesce(max(latest - at), 0)
from (select at, max(at) over (order by seq) as latest from event where at >= 0 and at < {LAST_AT})
"""
COUNTER_TABLE = """
create table if not exists counter (
  name text not null,
  labels text not null,
  value real not null,
  primary key (name, labels)
) strict, without rowid
"""
"""Made when something is first counted: histories that an earlier version began lack it."""
_DATA = "case when json_valid(data) then json_extract(data, '$.{0}') end as {1}"
OUTCOMES_QUERY = """
select case when json_valid(data) then json_extract(data, '$.outcome') end
from event where node = ? and kind = 'probe' order by seq desc limit ?
"""
"""How the last tests of a node ended, the latest first."""
_TIME = "event.at as unix_at, strftime('%Y-%m-%dT%H:%M:%SZ', event.at, 'unixepoch') as at"
VIEWS = f"""
create view tests as
select event.seq, {_TIME}, node, {_DATA.format("pool", "pool")}, {_DATA.format("outcome", "outcome")},
  {CAUSE} as cause, {_DATA.format("reason", "reason")}, {_DATA.format("seconds", "seconds")},
  {EXPERIMENT} as experiment, kind = 'late' as is_late
from event where kind in ({", ".join(map(repr, TEST_KINDS))});
create view moves as
select event.seq, {_TIME}, node, kind, {_DATA.format("from", "from_pool")}, {_DATA.format("to", "to_pool")},
  {CAUSE} as cause, {_DATA.format("reason", "reason")}, actor
from event where kind in ('transition', 'suspect', 'refuted', 'guarded') and {IS_STEP};
create view stages as
select event.seq, {_TIME}, node, json_extract(part.value, '$.stage') as stage,
  json_extract(part.value, '$.seconds') as seconds, json_extract(part.value, '$.exit_code') as exit_code,
  json_extract(part.value, '$.output') as output
from output join event on event.seq = output.seq
  join json_each(case when json_valid(output.stages) then output.stages else '[]' end) as part;
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty history of today's format."""
    connection.executescript(
        f"begin; {_EVENT} {_SINCE_FORMAT_2} {VIEWS} insert into clock values (0); "
        f"pragma user_version = {FORMAT}; commit;"
    )


def bring_forward(connection: sqlite3.Connection) -> None:
    """Give a history of format 1 the tables and indexes of today's, all or nothing; its rows stay as they are.

    That reads every event once: some seconds for a million. Others that write wait, or leave it to the next tick.
    """
    connection.execute("begin immediate")
    try:
        if connection.execute("pragma user_version").fetchone()[0] == 1:  # nobody else was first
            for statement in f"{_SINCE_FORMAT_2} {VIEWS}".split(";"):
                connection.execute(statement)
            connection.execute(f"insert into clock {_DISORDER}")
            connection.execute("insert into legacy select 0, coalesce(max(seq), 0) from event")
            connection.execute(f"pragma user_version = {FORMAT}")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def stand_in(connection: sqlite3.Connection) -> None:
    """Let a history of format 1 be read as it is: with the tables that it lacks for this connection alone."""
    connection.execute(_OUTPUT.format(temporary="temporary"))
    connection.execute(f"create temporary table clock as select {_UNKNOWN_S} as disorder_s")
