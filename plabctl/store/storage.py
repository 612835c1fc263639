"""TinyDB's storage over our state file: read once, changed in memory, written once.

I/O. TinyDB's own storages rewrite the file in place at every operation: a crash there leaves none. Go on with
`plabctl.store.session`.
"""

from __future__ import annotations

import os
from typing import Any

import orjson
from tinydb.storages import Storage

from plabctl.clock import read_boot_id
from plabctl.errors import StoreError
from plabctl.files.atomic import sweep
from plabctl.store.commit import replace_state
from plabctl.store.head import MAX_STATE_BYTES, SCHEMA_VERSION, STATE_NAME, Head, build_head_line, refuse_lost_state
from plabctl.store.tables import (
    BOOT_ID,
    META,
    NODES,
    Tables,
    compute_wake_at,
    empty_tables,
    find_newest_tick,
    read_documents,
)


class StagedStorage(Storage):
    """The tables of one state directory. The lock of the state is held for as long as this exists.

    Reading them raises StateDamaged, StateTooNew or StoreError.
    """

    def __init__(self, state_dir: str, dir_fd: int) -> None:
        self._state_dir = state_dir
        self._dir_fd = dir_fd
        self.is_changed = False
        found = read_documents(os.path.join(state_dir, STATE_NAME))
        if found is None:
            refuse_lost_state(state_dir)
        self.rev = found[0].rev if found else 0
        self.saved_at = found[0].saved_at if found else 0.0
        self.tables: Tables = found[1] if found else empty_tables()

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the tables as staged."""
        return self.tables

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Stage the tables."""
        self.tables = data
        self.is_changed = True

    def commit(self, now: float) -> Head:
        """Write what is staged and return the head of it, durable then.

        Raises StoreError when nothing was changed, CommitUncertain when only the disk's confirmation is missing.
        """
        sweep(self._dir_fd)
        self.tables[META][BOOT_ID] = {"id": read_boot_id()}
        head, line, body = serialize(self.tables, self.rev + 1, now)
        replace_state(self._state_dir, self._dir_fd, line, body)
        self.rev = head.rev
        return head


def serialize(tables: Tables, rev: int, now: float) -> tuple[Head, bytes, memoryview]:
    """Return the head, the first line and the rest of a state file; raise StoreError when it cannot be one."""
    body = _dump_body(tables)
    head = Head(
        SCHEMA_VERSION, rev, now, compute_wake_at(tables), find_newest_tick(tables), len(tables[NODES]), len(body)
    )
    line = build_head_line(head, body)
    size = len(line) + len(body)
    if size > MAX_STATE_BYTES:
        raise StoreError(
            f"the state would have {size} bytes; at most {MAX_STATE_BYTES} are written",
            hint="remove nodes, or split the testbed over several state directories; nothing was changed",
        )
    return head, line, body


def _dump_body(tables: Tables) -> memoryview:
    """Return the tables as JSON, without the brace that opens the first line."""
    try:
        return memoryview(orjson.dumps(tables))[1:]
    except TypeError as error:
        raise StoreError(f"the state cannot be written as JSON: {error}") from error
