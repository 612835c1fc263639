"""The tables of the state file: their names, and reading them as they are.

I/O in `read_documents` only. Documents stay dictionaries here; `plabctl.store.documents` makes values of them.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

from plabctl.contexts import contextmanager
from plabctl.files.private import as_store_error, build_store_error, open_for_reading
from plabctl.store.head import SCHEMA_VERSION, HeadLine, build_damage_error, refuse_size, verify_head
from plabctl.store.shapes import Doc
from plabctl.typed import Any, Protocol, TypeVar, cast

HEAD_KEY = "plabctl"
NODES, CLAIMS, OUTBOX, NOTES, META = "nodes", "claims", "outbox", "notes", "meta"
EXPERIMENTS, VNODES = "experiments", "vnodes"
WAKING = (NODES, VNODES, NOTES)
TABLE_NAMES = (NODES, EXPERIMENTS, VNODES, CLAIMS, OUTBOX, NOTES, META)
TICK_ID = "tick"
BOOT_ID = "boot"
TORN_ID = "torn"
"""What is known of the last commit that was cut off and dropped."""
Tables = dict[str, dict[str, Doc]]


def _add_experiments(tables: Tables) -> Tables:
    """Return tables of version 2: version 1 knew no experiments."""
    return {**tables, EXPERIMENTS: {}, VNODES: {}}


def _add_revs(tables: Tables) -> Tables:
    """Return tables of version 3, in which nodes have their own rev: from their next change on."""
    return tables


def _add_journal(tables: Tables) -> Tables:
    """Return tables of version 4, whose state files have a journal beside them: the next commit makes it."""
    return tables


MIGRATIONS: Mapping[int, Callable[[Tables], Tables]] = {1: _add_experiments, 2: _add_revs, 3: _add_journal}
"""By schema version: the pure function that makes tables of the next version."""

_SMALL_BYTES = 1024 * 1024


def empty_tables() -> Tables:
    """Return the tables of a state that nobody has written to yet."""
    return {name: {} for name in TABLE_NAMES}


def read_documents(path: str) -> tuple[HeadLine, Tables] | None:
    """Return the first line and the tables of the file, verified; None when there is no file.

    Raises StateDamaged, StateTooNew, or StoreError when it cannot be read.
    """
    file = open_for_reading(path)
    if file is None:
        return None
    with as_store_error("read", path), file:
        refuse_size(path, os.fstat(file.fileno()).st_size)
        data = file.read()  # one buffer of the file's size: no second copy on the way
    line = verify_head(path, data)
    head = line.head
    with pause_collection():
        tables = _parse(path, data)
    for version in range(head.schema_version, SCHEMA_VERSION):
        tables = MIGRATIONS[version](tables)
    if tables.keys() != set(TABLE_NAMES):
        raise build_damage_error(path, "it does not have the tables of a state")
    if len(tables[NODES]) != head.node_count:
        raise build_damage_error(path, f"it was written with {head.node_count} nodes and now has {len(tables[NODES])}")
    return line, tables


@contextmanager
def pause_collection() -> Iterator[None]:
    """Keep the garbage collector from walking through a growing heap of documents: that is half of a load's time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@cache
def freeze_once() -> None:
    """Tell the collector to leave alone what was read: documents hold no cycles, so there is nothing to find in them.

    Once only: freezing at every read would keep the garbage of all earlier reads.
    """
    gc.freeze()


def _parse(path: str, data: bytes) -> Tables:
    document = cast(Tables, parse_json(path, data))
    del document[HEAD_KEY]  # an object with a head: so it begins, or it would have been refused before
    if not all(isinstance(table, dict) for table in document.values()):
        raise build_damage_error(path, "one of its tables is no object")
    return document


def parse_json(path: str, data: bytes | memoryview) -> object:
    """Return what `data` says, from the file at `path`; raise StateDamaged, or StoreError when there is no memory."""
    try:
        return _loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        # orjson says in words what others raise as a MemoryError. The file is sound, and must not be called damaged.
        if isinstance(error, MemoryError) or str(error).startswith("Not enough memory"):
            raise build_store_error("read", path, OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))) from error
        raise build_damage_error(path, f"it is no JSON document ({error})") from error


def _loads(data: bytes | memoryview) -> object:
    # orjson takes longer to import than the standard library takes to read a small state.
    if len(data) > _SMALL_BYTES or "orjson" in sys.modules:
        import orjson

        return orjson.loads(data)
    return _load_small(data)


def _load_small(data: bytes | memoryview) -> object:
    """Do as `json.loads`, by its scanner in C alone: the package takes longer to import than the state to read."""
    try:
        from _json import make_scanner

        text = str(data, "utf-8")
        document, end = make_scanner(cast(Any, _Scanning))(text, 0)
        if not text[end:].strip(" \t\n\r"):
            return document
    except (ImportError, ValueError, StopIteration):
        pass  # the package says what is wrong
    import json

    return json.loads(bytes(data), parse_constant=_refuse_constant)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


class _Scanning:
    """How the scanner is to read, by the names that it asks for: as `json.loads` does by default."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = staticmethod(_refuse_constant)


def compute_wake_at(tables: Tables) -> float | None:
    """Return the earliest instant at which a tick has anything to do: 0 at once, None never."""
    if tables[CLAIMS] or tables[OUTBOX]:
        return 0.0
    return min((at for _, _, at in list_wakes(tables)), default=None)


def list_wakes(tables: Tables) -> Iterator[tuple[str, str, float]]:
    """Yield the table and the id of every document that something has to be done about, and when."""
    for name in WAKING:
        for id_, doc in tables[name].items():
            at = find_wake_at(name, doc)
            if at is not None:
                yield name, id_, at


def find_wake_at(table: str, doc: Doc) -> float | None:
    """Return when something has to be done about a document; None when nothing ever has."""
    if table == NODES:
        member = doc["member"]
        if "absent_since_at" in member:
            return None
        at: float = member["due_at"]
        check = member.get("liveness")
        return min(at, check["due_at"]) if check and "due_at" in check else at
    due_at = doc.get("due_at")
    return due_at if isinstance(due_at, int | float) else None


def find_saved_boot(tables: Tables) -> str:
    """Return the boot id of the machine when the state was last changed, empty when that is not known."""
    return str(tables[META].get(BOOT_ID, {}).get("id", ""))


def find_newest_tick(tables: Tables) -> str:
    """Return the id of the newest tick that claimed, empty if there was none."""
    return str(tables[META].get(TICK_ID, {}).get("id", ""))


class Index(Protocol):
    """What is kept beside the tables, so that a question does not take a look at all documents."""

    tables: Tables

    def __init__(self, tables: Tables) -> None: ...

    def note(self, table: str, ids: Iterable[str]) -> None:
        """Take note that these documents were added, changed or taken away."""


Kind = TypeVar("Kind", bound=Index)
