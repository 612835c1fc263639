"""Go back to the latest whole state when the state that there is is damaged.

I/O. Only on a person's order (`plabctl doctor --restore`): what the lost commits said is lost with them. The state file
and its journal up to the damage are one such state, the previous state file and its journal another: where only the
state file is damaged, they say the same and nothing is lost.
Tests: `tests/store/test_damage.py`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from plabctl.errors import Refused, StateDamaged, StateTooNew, StoreError
from plabctl.files.private import as_store_error, open_for_reading
from plabctl.store.commit import keep_as
from plabctl.store.current import Current, list_journals, read_changes, read_current
from plabctl.store.documents import DocumentState
from plabctl.store.head import (
    CLOSED,
    JOURNAL_PREFIX,
    JOURNALED_SINCE,
    LONGEST_LINE,
    PREVIOUS_NAME,
    STATE_NAME,
    Head,
    has_commit,
    parse_head_line,
    peek_head,
    refuse_lost_state,
)
from plabctl.store.journal import Place, list_heads, name_journal, parse_journal, read_most
from plabctl.store.storage import serialize, write_base
from plabctl.store.tables import Tables, empty_tables, read_documents

_DAMAGED_INFIX = ".damaged-"
_HASH_DIGITS = 16
_MOST_LOST = 1_000_000
"""More commits than a journal has before it is folded: each has some hundred bytes, and that many are no quarter of
the largest state file."""


class Restored(NamedTuple):
    """What a restore did: the head of the state that was found, the rev it has now, and where the damaged file is kept.

    `kept` is None where nothing damaged was there: the state file was missing.
    """

    found: Head
    rev: int
    kept: str | None


def restore(state_dir: str, dir_fd: int, now: float) -> Restored:
    """Replace the damaged state by the latest whole one; the caller holds the lock of the state.

    Raises Refused when the state is sound, StateTooNew when a later plabctl wrote it, StateDamaged when there is no
    whole state, and StoreError; then nothing is changed.
    """
    path = os.path.join(state_dir, STATE_NAME)
    try:
        found = read_current(state_dir)
        if found is None:
            refuse_lost_state(state_dir)
        else:
            _decode_all(found.head.rev, found.tables)
    except StateTooNew:
        raise
    except StateDamaged:
        pass
    else:
        raise Refused(f"'{path}' is sound: there is nothing to restore" if found else f"there is no state in '{path}'")
    whole = _find_latest(state_dir, path)
    rev = _choose_rev(state_dir, whole.head.rev)
    kept = _keep_damaged(state_dir, dir_fd)
    write_base(state_dir, dir_fd, whole.tables, rev, now, keep_previous=False)
    return Restored(whole.head, rev, kept)


def _find_latest(state_dir: str, path: str) -> Current:
    """Return the latest whole state; raise StateDamaged when there is none."""
    failures, found = [], []
    for name in (STATE_NAME, PREVIOUS_NAME):
        try:
            found.append(_salvage(state_dir, name))
        except StateDamaged as error:
            failures.append(error)
    latest = max((each for each in found if each), key=lambda each: each.head.rev, default=None)
    if latest:
        return latest
    if len(failures) < len((STATE_NAME, PREVIOUS_NAME)):
        raise StateDamaged(
            f"'{path}' is damaged and has no previous generation",
            hint="restore a backup, or move the file away to start over",
        )
    raise StateDamaged(f"{failures[-1]}; nothing was restored", hint="restore a backup, or start over")


def _salvage(state_dir: str, name: str) -> Current | None:
    """Return the state of a state file and of its journal as far as that is sound; raise StateDamaged without any."""
    found = read_documents(os.path.join(state_dir, name))
    if found is None:
        return None
    current = Current(*found)
    _decode_all(current.head.rev, current.tables)
    checksum = current.base.checksum
    while current.head.schema_version >= JOURNALED_SINCE and _follow(current, state_dir, checksum):
        # The next state file said the same, whatever became of it.
        checksum = serialize(current.tables, current.head.rev, current.head.saved_at)[0].checksum
    return current


def _follow(current: Current, state_dir: str, checksum: int) -> bool:
    """Take the records of the journal that begins here, up to one that cannot be read; return whether there was one."""
    rev = current.head.rev
    path = os.path.join(state_dir, name_journal(rev))
    file = open_for_reading(path)
    if file is None:
        return False
    with as_store_error("read", path), file:
        data = read_most(file)
    try:
        journal = parse_journal(path, data, rev, Place(0, checksum))
        for record in journal.records:
            _decode_all(record.head.rev, {**empty_tables(), **read_changes(record, path)[1]})
            current.take(record, path)
    except StateDamaged:
        return False
    return current.head.rev > rev


def _decode_all(rev: int, tables: Tables) -> None:
    """Decode every document; raise StateDamaged when that fails."""
    state = DocumentState(rev, tables)
    members = (*state.nodes(), *state.members(), *state.vnodes())
    for _ in (*members, state.experiments, state.claims, state.outbox, state.tick):
        pass


def _choose_rev(state_dir: str, found_rev: int) -> int:
    """Return a rev that no commit has had: the count never goes back, and none that others know means another."""
    last_rev = max((head.rev for head in _list_heads(state_dir)), default=0)
    return max(last_rev, found_rev) + (1 if _has_last_head(state_dir) else _MOST_LOST)


def _has_last_head(state_dir: str) -> bool:
    """Return whether the head of the last commit can still be read."""
    base = None
    with suppress(StoreError):
        base = peek_head(os.path.join(state_dir, STATE_NAME))
    if base and base.head.schema_version < JOURNALED_SINCE:
        return True
    rev = max(list_journals(state_dir), default=-1)
    file = open_for_reading(os.path.join(state_dir, name_journal(rev))) if not base or rev >= base.head.rev else None
    if file is None:
        return False
    with as_store_error("read", file.name), file:
        size = os.fstat(file.fileno()).st_size
        data = os.pread(file.fileno(), LONGEST_LINE, max(0, size - LONGEST_LINE))
    with suppress(StoreError):
        last = data[data.rfind(b"\n", 0, -1) + 1 :]
        return parse_head_line(STATE_NAME, last, CLOSED).length == len(last)
    return False


def _list_heads(state_dir: str) -> Iterator[Head]:
    """Yield every head that can be read in whatever state files there are, sound or not."""
    with as_store_error("list", state_dir):
        names = os.listdir(state_dir)
    for name in names:
        if name in {STATE_NAME, PREVIOUS_NAME} or name.startswith(JOURNAL_PREFIX):
            yield from list_heads(os.path.join(state_dir, name))  # one that is missed could be given a second time


def _keep_damaged(state_dir: str, dir_fd: int) -> str | None:
    """Keep the state file and its journal under names of their content, so that trying again makes no second copy.

    Return where the damaged one of them is kept now, if there is any.
    """
    kept = _keep_one(state_dir, dir_fd, STATE_NAME)
    is_sound = kept is not None and _is_sound(os.path.join(state_dir, STATE_NAME))
    previous = None
    with suppress(StoreError):
        previous = peek_head(os.path.join(state_dir, PREVIOUS_NAME))
    for rev in list_journals(state_dir):
        name = name_journal(rev)
        if (previous is None or rev != previous.head.rev) and has_commit(os.path.join(state_dir, name)):
            journal = _keep_one(state_dir, dir_fd, name)
            kept = journal if is_sound else kept
    return kept


def _is_sound(path: str) -> bool:
    try:
        found = read_documents(path)
        if found:
            _decode_all(found[0].head.rev, found[1])
    except StoreError:
        return False
    return True


def _keep_one(state_dir: str, dir_fd: int, name: str) -> str | None:
    path = os.path.join(state_dir, name)
    file = open_for_reading(path)
    if file is None:
        return None
    with as_store_error("read", path), file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kept = f"{path}{_DAMAGED_INFIX}{digest[:_HASH_DIGITS]}"
    with as_store_error("write", kept), suppress(FileExistsError):
        keep_as(name, os.path.basename(kept), dir_fd)
    return kept
