"""A history as version 0.1 made it."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from plabctl.core.model import Event

TABLE = """
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
pragma user_version = 1;
commit;
"""
INSERT = "insert into event (id, at, kind, node, actor, data) values (?, ?, ?, ?, ?, ?)"


def write(folder: Path, events: Sequence[Event]) -> None:
    """Make a history of format 1 in `folder`."""
    path = folder / "history.db"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(TABLE)
        connection.execute("pragma journal_mode = wal")
        connection.execute("begin")
        connection.executemany(
            INSERT, [(each.id, each.at, each.kind, each.node, each.actor, json.dumps(each.data)) for each in events]
        )
        connection.execute("commit")
