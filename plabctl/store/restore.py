"""Go back to the previous generation of a damaged state.

I/O. Only on a person's order (`plabctl doctor --restore`): what the lost change said is lost with it.
Tests: `tests/store/test_damage.py`.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import NamedTuple

from plabctl.errors import Refused, StateDamaged, StateTooNew
from plabctl.files.private import as_store_error, open_for_reading
from plabctl.store.commit import keep_as, replace_state
from plabctl.store.documents import DocumentState
from plabctl.store.head import PREVIOUS_NAME, STATE_NAME, Head, refuse_lost_state
from plabctl.store.storage import serialize
from plabctl.store.tables import Tables, read_documents

_DAMAGED_PREFIX = "state.json.damaged-"
_HASH_DIGITS = 16
_REVS_AHEAD = 2
"""The damaged state was one commit ahead of its previous generation; the restored one is ahead of both, so that the
count of commits never goes back."""


class Restored(NamedTuple):
    """What a restore did: the head of the state now, and where the damaged file is kept (None: it was missing)."""

    head: Head
    kept: str | None


def restore(state_dir: str, dir_fd: int, now: float) -> Restored:
    """Replace the damaged state by its previous generation; the caller holds the lock of the state.

    Raises Refused when the state is sound, StateTooNew when a later plabctl wrote it, StateDamaged when the previous
    generation is damaged too or missing, and StoreError; then nothing is changed.
    """
    path, previous_path = os.path.join(state_dir, STATE_NAME), os.path.join(state_dir, PREVIOUS_NAME)
    try:
        found = _read_soundly(path)
        if found is None:
            refuse_lost_state(state_dir)
    except StateTooNew:
        raise
    except StateDamaged:
        pass
    else:
        raise Refused(f"'{path}' is sound: there is nothing to restore" if found else f"there is no state in '{path}'")
    try:
        previous = _read_soundly(previous_path)
    except StateDamaged as error:
        raise StateDamaged(f"{error}; nothing was restored", hint="restore a backup, or start over") from error
    if previous is None:
        raise StateDamaged(
            f"'{path}' is damaged and has no previous generation",
            hint="restore a backup, or move the file away to start over",
        )
    kept = _keep_damaged(state_dir, dir_fd)
    head, tables = previous
    restored, line, body = serialize(tables, head.rev + _REVS_AHEAD, now)
    replace_state(state_dir, dir_fd, line, body, keep_previous=False)
    return Restored(restored, kept)


def _read_soundly(path: str) -> tuple[Head, Tables] | None:
    """Read a state and decode every document of it."""
    found = read_documents(path)
    if found:
        state = DocumentState(found[0].rev, found[1])
        for _ in (
            *state.nodes(),
            *state.members(),
            *state.vnodes(),
            state.experiments,
            state.claims,
            state.outbox,
            state.tick,
        ):
            pass
    return found


def _keep_damaged(state_dir: str, dir_fd: int) -> str | None:
    """Keep the damaged file under the name of its content, so that trying again makes no second copy."""
    path = os.path.join(state_dir, STATE_NAME)
    file = open_for_reading(path)
    if file is None:
        return None
    with as_store_error("read", path), file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = f"{_DAMAGED_PREFIX}{digest[:_HASH_DIGITS]}"
    kept = os.path.join(state_dir, name)
    with as_store_error("write", kept), suppress(FileExistsError):
        keep_as(name, dir_fd)
    return kept
