"""TinyDB's storage over our state files: read once, changed in memory, committed as one record of the journal.

I/O. TinyDB's own storages rewrite a file in place at every operation: a crash there leaves none. Now and then the
journal is folded: the state file is written anew, with an empty journal. Go on with `plabctl.store.session`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import orjson
from tinydb.storages import Storage

from plabctl.clock import read_boot_id
from plabctl.errors import CommitUncertain, StateDamaged, StoreError
from plabctl.files.atomic import remove, sweep
from plabctl.store.commit import append_record, confirm_journal, confirm_names, make_journal, replace_state
from plabctl.store.current import DROPPED, PUT, Current, catch_up, list_journals, read_current
from plabctl.store.head import (
    MAX_STATE_BYTES,
    PREVIOUS_NAME,
    SCHEMA_VERSION,
    STATE_NAME,
    Head,
    HeadLine,
    build_head_line,
    parse_head_line,
    peek_head,
    refuse_lost_state,
)
from plabctl.store.journal import Place, build_record, name_journal
from plabctl.store.shapes import Doc
from plabctl.store.tables import (
    BOOT_ID,
    META,
    NODES,
    TORN_ID,
    Tables,
    compute_wake_at,
    empty_tables,
    find_newest_tick,
)

_LARGEST_SHARE = 0.25
"""Of the state file: a larger journal is folded. A journal of a quarter costs readers a quarter more, and every byte
that is committed is written some five times in all."""
_LEAST_BYTES = 16 * 1024
"""A smaller journal is not folded: a small state would be written anew after every other commit."""


class StagedStorage(Storage):
    """The tables of one state directory. The lock of the state is held for as long as this exists.

    `known` is the state as this process read it before. Reading raises StateDamaged, StateTooNew or StoreError.
    """

    def __init__(self, state_dir: str, dir_fd: int, known: Current | None = None) -> None:
        self._state_dir = state_dir
        self._dir_fd = dir_fd
        if known is None or not catch_up(known, state_dir):
            known = read_current(state_dir)
        if known is None:
            refuse_lost_state(state_dir)
        else:
            known.detach_snapshots()
        self.current = known
        self.rev = known.head.rev if known else 0
        self.saved_at = known.head.saved_at if known else 0.0
        self.tables: Tables = known.tables if known else empty_tables()
        self.fold_s = 0.0
        """How many seconds it took to write the state file anew; 0 if that was not done."""
        self._put: dict[str, dict[str, None]] = {}
        self._dropped: dict[str, dict[str, None]] = {}

    @property
    def is_changed(self) -> bool:
        """Return whether anything was staged."""
        return bool(self._put or self._dropped)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the tables as staged."""
        return self.tables

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Stage the tables; `note_put` and `note_dropped` are told what is different in them."""
        self.tables = data

    def note_put(self, name: str, docs: Mapping[str, Doc]) -> None:
        """Remember that these documents were added or replaced."""
        self._put.setdefault(name, {}).update(dict.fromkeys(docs))
        if self.current:
            self.current.note(name, docs)

    def note_dropped(self, name: str, ids: Collection[str]) -> None:
        """Remember that these documents are gone; one that comes back stands last."""
        put, dropped = self._put.get(name, {}), self._dropped.setdefault(name, {})
        if self.current:
            self.current.note(name, ids)
        for id_ in ids:
            put.pop(id_, None)
            dropped[id_] = None

    def commit(self, now: float) -> Head:
        """Write what is staged and return the head of it, durable then.

        Raises StoreError when nothing was changed, CommitUncertain when only the disk's confirmation is missing.
        """
        sweep(self._dir_fd)
        boot = {"id": read_boot_id()}
        if self.tables[META].get(BOOT_ID) != boot:
            self.tables[META][BOOT_ID] = boot
            self.note_put(META, {BOOT_ID: boot})
        current = self.current
        if current is None or current.place is None:
            base, place = write_base(self._state_dir, self._dir_fd, self.tables, self.rev + 1, now)
            current = self.current = Current(base, self.tables, place)
            current.is_confirmed = True
        else:
            self._append(current, current.place, now)
        self._put, self._dropped = {}, {}
        self.rev = current.head.rev
        # What was committed is durable: that it cannot be folded now is no reason to say that it was not.
        with suppress(StoreError, MemoryError):
            self.fold(_LARGEST_SHARE)
        return current.head

    def confirm(self) -> None:
        """Make durable what was read, as whoever wrote it may have died before it was; raise StoreError."""
        current = self.current
        if current and current.place and not current.is_confirmed:
            if current.head.rev == current.base.head.rev:
                # After a power cut the state file before could be there again, whose journal does not go on here.
                confirm_names(self._state_dir, self._dir_fd)
            confirm_journal(self._state_dir, self._dir_fd, current.journal_name)
            current.is_confirmed = True

    def fold(self, share: float) -> None:
        """Write the state file anew, with an empty journal, when the journal is larger than this share of it.

        Also when there is no previous generation yet that could stand in for a damaged one. Raises StoreError; the
        state is the same in any case.
        """
        current = self.current
        if current is None or current.place is None or current.head.rev == current.base.head.rev or current.rest:
            return
        has_previous = os.path.lexists(os.path.join(self._state_dir, PREVIOUS_NAME))
        new_bytes = current.place.offset - current.failed_at
        if (has_previous or current.failed_at) and new_bytes <= max(_LEAST_BYTES, share * current.base.head.bytes_):
            return
        began = time.monotonic()
        current.failed_at = current.place.offset  # a full disk is full at the next commit, too: others write to it
        head = current.head
        current.base, current.place = write_base(self._state_dir, self._dir_fd, self.tables, head.rev, head.saved_at)
        current.failed_at = 0
        self.fold_s = time.monotonic() - began

    def _append(self, current: Current, place: Place, now: float) -> None:
        if current.rest:
            torn = {"at": now, "bytes": len(current.rest)}
            self.tables[META][TORN_ID] = torn
            self.note_put(META, {TORN_ID: torn})
        tick, node_count = find_newest_tick(self.tables), len(self.tables[NODES])
        head = Head(SCHEMA_VERSION, self.rev + 1, now, current.find_wake_at(), tick, node_count, 0)
        record = build_record(head, _dump(self._list_changes()), place.checksum)
        _refuse_size(current.base.head.bytes_ + place.offset + len(record.data))
        self.confirm()
        append_record(
            self._state_dir, self._dir_fd, current.journal_name, place.offset, record.data, drops=bool(current.rest)
        )
        current.head, current.rest = record.head, b""
        current.place = Place(place.offset + len(record.data), record.checksum)

    def _list_changes(self) -> dict[str, object]:
        return {
            DROPPED: {name: list(ids) for name, ids in self._dropped.items() if ids},
            PUT: {name: {id_: self.tables[name][id_] for id_ in ids} for name, ids in self._put.items() if ids},
        }


def write_base(
    state_dir: str, dir_fd: int, tables: Tables, rev: int, now: float, *, keep_previous: bool = True
) -> tuple[HeadLine, Place]:
    """Write the state file with an empty journal; return its first line, and where the first record of that goes.

    The journal is durable before the state file is replaced. That of the previous generation is kept with it: together
    they are the state up to here.
    """
    base, line, body = serialize(tables, rev, now)
    name = name_journal(rev)
    first = build_record(base.head, b"", base.checksum)
    try:
        make_journal(state_dir, dir_fd, name, first.data)
        replace_state(state_dir, dir_fd, line, body, keep_previous=keep_previous)
    except CommitUncertain:  # a power cut could bring the old ones back
        raise
    except BaseException:
        _remove_journal_in_vain(state_dir, dir_fd, rev)
        raise
    _remove_other_journals(state_dir, dir_fd)
    return base, Place(len(first.data), first.checksum)


def _remove_journal_in_vain(state_dir: str, dir_fd: int, rev: int) -> None:
    """Remove the journal of a state file that is not in place, and no other: a restore may still need them."""
    try:
        line = peek_head(os.path.join(state_dir, STATE_NAME))
    except StateDamaged:
        line = None
    except StoreError:
        return
    if line is None or line.head.rev != rev:
        remove(name_journal(rev), dir_fd=dir_fd)


def _remove_other_journals(state_dir: str, dir_fd: int) -> None:
    """Remove the journals that neither the state file nor its previous generation needs, as they are now."""
    with suppress(StoreError):
        lines = [peek_head(os.path.join(state_dir, name)) for name in (STATE_NAME, PREVIOUS_NAME)]
        for rev in {*list_journals(state_dir)} - {line.head.rev for line in lines if line}:
            remove(name_journal(rev), dir_fd=dir_fd)


def serialize(tables: Tables, rev: int, now: float) -> tuple[HeadLine, bytes, memoryview]:
    """Return what the first line of a state file says, that line, and the rest; raise StoreError for one too large."""
    body = memoryview(_dump(tables))[1:]  # the brace opens the first line
    head = Head(
        SCHEMA_VERSION, rev, now, compute_wake_at(tables), find_newest_tick(tables), len(tables[NODES]), len(body)
    )
    line, _ = build_head_line(head, body)
    _refuse_size(len(line) + len(body))
    return parse_head_line(STATE_NAME, line), line, body


def _refuse_size(size: int) -> None:
    if size > MAX_STATE_BYTES:
        raise StoreError(
            f"the state would have {size} bytes; at most {MAX_STATE_BYTES} are written",
            hint="remove nodes, or split the testbed over several state directories; nothing was changed",
        )


def _dump(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise StoreError(f"the state cannot be written as JSON: {error}") from error
