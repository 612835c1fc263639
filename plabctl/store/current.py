"""The state as it is now: the state file, and what its journal says was changed since.

I/O. Reading takes no lock: a journal only grows, and the one before is kept until the state file is written once more,
so whoever read a state file finds its journal, or a newer state file. `plabctl.store.storage` changes the state.
Tests: `tests/store/test_journal.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from plabctl.clock import UNKNOWN_BOOT, read_boot_id
from plabctl.errors import StateDamaged
from plabctl.files.private import as_store_error, open_for_reading
from plabctl.store.head import (
    JOURNAL_PREFIX,
    JOURNALED_SINCE,
    RESTORE_HINT,
    STATE_NAME,
    Head,
    HeadLine,
    build_damage_error,
    has_commit,
    peek_head,
    refuse_size,
)
from plabctl.store.journal import (
    Journal,
    Place,
    Record,
    build_loss_error,
    leads_to,
    name_journal,
    parse_journal,
    refuse_altered_end,
)
from plabctl.store.tables import (
    CLAIMS,
    NODES,
    OUTBOX,
    TABLE_NAMES,
    Index,
    Kind,
    Tables,
    find_saved_boot,
    parse_json,
    pause_collection,
    read_documents,
)
from plabctl.typed import Any, cast

DROPPED, PUT = "drop", "put"
_TRIES = 3
"""How often a state file and its journal are read before they are called damaged: a writer may be at work meanwhile."""


class Current:
    """The state in memory, as it is after `head.rev` commits; what others commit is added by `catch_up`."""

    def __init__(self, base: HeadLine, tables: Tables, place: Place | None = None) -> None:
        self.base = base
        """The first line of the state file."""
        self.head = base.head
        self.tables = tables
        self.place = place
        """Where the next record of the journal goes; None when there is no journal."""
        self.rest = b""
        """What stands there: nothing, or what there is of a commit that was cut off."""
        self.is_confirmed = False
        """Whether this process knows that all before is durable: whoever wrote it may have died before it was."""
        self.is_shared = False
        """Whether a snapshot has the same tables."""
        self.failed_at = 0
        """How long the journal was when a fold failed last; 0 if none did."""
        self._indices: dict[type[Index], Any] = {}

    def index(self, kind: type[Kind]) -> Kind:
        """Return the index of that kind over the tables; it is made when it is asked for, and kept."""
        found: Kind | None = self._indices.get(kind)
        if found is None:
            found = self._indices[kind] = kind(self.tables)
        return found

    def detach_snapshots(self) -> None:
        """Leave the tables to the snapshots that have them; to be called before anything is changed."""
        if self.is_shared:
            self.is_shared, self.tables = False, {name: table.copy() for name, table in self.tables.items()}
            for index in self._indices.values():
                index.tables = self.tables

    @property
    def journal_name(self) -> str:
        """Return the name of the journal that belongs to the state file."""
        return name_journal(self.base.head.rev)

    def take_records(self, found: Journal, path: str) -> None:
        """Bring the tables forward by the records of a journal; raise StateDamaged."""
        with pause_collection():
            for record in found.records:
                self.take(record, path)
        if found.records or found.rest:
            self.is_confirmed = False
        self.place, self.rest = found.end, found.rest
        if found.rest:
            is_same_boot = find_saved_boot(self.tables) == read_boot_id() != UNKNOWN_BOOT
            refuse_altered_end(path, self.head.rev, found.rest, is_same_boot=is_same_boot)

    def take(self, record: Record, path: str) -> None:
        """Bring the tables forward by one record of the journal at `path`; raise StateDamaged with nothing changed."""
        dropped, put = read_changes(record, path)
        nodes = self.tables[NODES]
        gone = nodes.keys() & dropped.get(NODES, ())
        new = [name for name in put.get(NODES, ()) if name in gone or name not in nodes]
        if len(nodes) - len(gone) + len(new) != record.head.node_count:
            raise build_damage_error(path, f"revision {record.head.rev} has another number of nodes than it says")
        self.detach_snapshots()
        for table, ids in dropped.items():
            for id_ in ids:
                self.tables[table].pop(id_, None)  # what came and went in one commit was never there
            self.note(table, ids)
        for table, docs in put.items():
            self.tables[table].update(docs)
            self.note(table, docs)
        self.head = record.head

    def note(self, table: str, ids: Iterable[str]) -> None:
        """Take note that these documents were added, changed or taken away."""
        for index in self._indices.values():
            index.note(table, ids)

    def find_wake_at(self) -> float | None:
        """Return what `compute_wake_at` does; from the second time on without a look at every document."""
        if self.tables[CLAIMS] or self.tables[OUTBOX]:
            return 0.0
        from plabctl.store.wake_heap import WakeHeap

        return self.index(WakeHeap).find_first()


def read_changes(record: Record, path: str) -> tuple[Mapping[str, Sequence[str]], Tables]:
    """Return what a record says was dropped, and what was put, by table; raise StateDamaged."""
    changed = cast(Any, parse_json(path, record.body))
    try:
        dropped, put = changed[DROPPED], changed[PUT]
        is_sound = (
            {*dropped, *put} <= {*TABLE_NAMES}
            and all(isinstance(ids, list) and all(isinstance(id_, str) for id_ in ids) for ids in dropped.values())
            and all(isinstance(docs, dict) for docs in put.values())
        )
    except (AttributeError, KeyError, TypeError):
        is_sound = False
    if not is_sound:
        raise build_damage_error(path, f"revision {record.head.rev} does not say what was changed in which table")
    return dropped, put


def read_current(state_dir: str) -> Current | None:
    """Return the state; None when there is no state file. Raises StateDamaged, StateTooNew, or StoreError."""
    path = os.path.join(state_dir, STATE_NAME)
    turn, last = 0, None
    while True:
        if (found := read_documents(path)) is None:
            return None
        current = Current(*found)
        turn = turn + 1 if current.base.checksum == last else 1
        last, is_last = current.base.checksum, turn == _TRIES
        has_journal = current.head.schema_version >= JOURNALED_SINCE
        if (not has_journal or _follow(current, state_dir, is_last=is_last)) and _is_latest(
            current, state_dir, is_last=is_last
        ):
            return current


def catch_up(current: Current, state_dir: str) -> bool:
    """Bring a state that was read before up to date; return False when it has to be read anew.

    Raises StateDamaged, StateTooNew, or StoreError.
    """
    line = peek_head(os.path.join(state_dir, STATE_NAME))
    if line is None or current.place is None:
        return False
    if line.checksum == current.base.checksum:
        return _follow(current, state_dir, is_last=False)
    # The state file was written anew. All that it says was in the journal before, which is kept until the next time.
    if not _follow(current, state_dir, is_last=False) or current.rest or not _is_fold(line.head, current.head):
        return False
    current.base, current.place, current.is_confirmed, current.failed_at = line, None, False, 0
    return _follow(current, state_dir, is_last=False)


def _is_fold(base: Head, head: Head) -> bool:
    """Return whether a state file says what was in memory: one from elsewhere may have the same rev by chance."""
    return (base.rev, base.saved_at, base.tick, base.node_count) == (
        head.rev, head.saved_at, head.tick, head.node_count
    )  # fmt: skip


def _follow(current: Current, state_dir: str, *, is_last: bool) -> bool:
    """Read on in the journal; return False when that failed and the state has to be read anew, which may help."""
    path = os.path.join(state_dir, current.journal_name)
    place = current.place or Place(0, current.base.checksum)
    try:
        data = _read_from(path, place)
        if data is None:
            raise build_loss_error(path)
        current.take_records(parse_journal(path, data, current.head.rev, place), path)
    except StateDamaged:
        # A reader may come between two steps of a writer; then the next look finds all in order.
        if is_last:
            raise
        return False
    return True


def _is_latest(current: Current, state_dir: str, *, is_last: bool) -> bool:
    """Return whether nothing was committed after a later state file; raise StateDamaged at the last try."""
    for rev in list_journals(state_dir):
        # One without a commit is what a process left that died before it replaced the state file.
        if rev > current.base.head.rev and has_commit(os.path.join(state_dir, name_journal(rev))):
            if is_last:
                raise StateDamaged(
                    f"'{os.path.join(state_dir, STATE_NAME)}' is older than '{name_journal(rev)}' beside it",
                    hint=f"{RESTORE_HINT}, or remove that journal to do without what it says",
                )
            return False
    return True


def list_journals(state_dir: str) -> Iterator[int]:
    """Yield the rev of the state file that each journal in the directory belongs to; raise StoreError."""
    with as_store_error("list", state_dir):
        names = os.listdir(state_dir)
    for name in names:
        rev = name.removeprefix(JOURNAL_PREFIX)
        if rev != name and rev.isdecimal():
            yield int(rev)


def _read_from(path: str, place: Place) -> bytes | None:
    """Return what a journal says from `place` on; None when there is no journal."""
    file = open_for_reading(path)
    if file is None:
        return None
    with as_store_error("read", path), file:
        refuse_size(path, os.fstat(file.fileno()).st_size)
        if not leads_to(file, place):
            raise build_damage_error(path, "what was read of it is not there any more")
        file.seek(place.offset)
        return file.read()
