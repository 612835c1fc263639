"""The state as documents: read from the file, looked at without decoding more than is asked for.

I/O in `read_documents` only. `DocumentState` is the `State` of snapshots (which need no more than this) and of
sessions (`plabctl.store.session`, which changes it). Documents stay dictionaries until somebody wants a value:
a tick looks at forty of 100,000.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from typing import TypeVar, cast

from plabctl.core.glance import Glance
from plabctl.core.model import Claim, Event, Member, Node, TickMark
from plabctl.core.state import Due
from plabctl.errors import StateDamaged
from plabctl.store import codec
from plabctl.store.files import as_store_error, open_for_reading
from plabctl.store.head import RESTORE_HINT, SCHEMA_VERSION, Head, damaged, refuse_size, verified_head
from plabctl.store.shapes import Doc

HEAD_KEY = "plabctl"
NODES, CLAIMS, OUTBOX, NOTES, META = "nodes", "claims", "outbox", "notes", "meta"
TABLE_NAMES = (NODES, CLAIMS, OUTBOX, NOTES, META)
TICK_ID = "tick"
Tables = dict[str, dict[str, Doc]]
T = TypeVar("T")

MIGRATIONS: Mapping[int, Callable[[Tables], Tables]] = {}
"""By schema version: the pure function that makes tables of the next version. There has been one version so far."""

_SMALL_BYTES = 1024 * 1024


def empty_tables() -> Tables:
    """Return the tables of a state that nobody has written to yet."""
    return {name: {} for name in TABLE_NAMES}


def read_documents(path: str) -> tuple[Head, Tables] | None:
    """Return the head and the tables of the file, verified; None when there is no file.

    Raises StateDamaged, StateTooNew, or StoreError when it cannot be read.
    """
    fd = open_for_reading(path)
    if fd is None:
        return None
    with as_store_error("read", path), os.fdopen(fd, "rb", buffering=0) as file:
        refuse_size(path, os.fstat(fd).st_size)
        data = file.read()  # one buffer of the file's size: no second copy on the way
    head = verified_head(path, data)
    with no_collection():
        tables = _parsed(path, data)
    for version in range(head.schema_version, SCHEMA_VERSION):
        tables = MIGRATIONS[version](tables)
    if len(tables[NODES]) != head.node_count:
        raise damaged(path, f"it was written with {head.node_count} nodes and now has {len(tables[NODES])}")
    return head, tables


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from walking through a growing heap of documents: that is half of a load's time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _parsed(path: str, data: bytes) -> Tables:
    try:
        document = _loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON document ({error})") from error
    if not isinstance(document, dict) or document.keys() != {HEAD_KEY, *TABLE_NAMES}:
        raise damaged(path, "it does not have the tables of a state")
    del document[HEAD_KEY]
    if not all(isinstance(table, dict) for table in document.values()):
        raise damaged(path, "one of its tables is no object")
    return cast(Tables, document)


def _loads(data: bytes) -> object:
    # orjson takes longer to import than the standard library takes to read a small state.
    if len(data) > _SMALL_BYTES or "orjson" in sys.modules:
        import orjson  # noqa: PLC0415

        return orjson.loads(data)
    import json  # noqa: PLC0415

    return json.loads(data, parse_constant=_refuse_constant)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def wake_at(tables: Tables) -> float | None:
    """Return the earliest instant at which a tick has anything to do: 0 at once, None never."""
    if tables[CLAIMS] or tables[OUTBOX]:
        return 0.0
    members = (doc["member"]["due_at"] for doc in tables[NODES].values())
    notes = (note["due_at"] for note in tables[NOTES].values() if isinstance(note.get("due_at"), int | float))
    return min(chain(members, notes), default=None)


def newest_tick(tables: Tables) -> str:
    """Return the id of the newest tick that claimed, empty if there was none."""
    return str(tables[META].get(TICK_ID, {}).get("id", ""))


class DocumentState:
    """A `State` over the documents of the tables; values are decoded when they are asked for.

    Its methods raise StateDamaged when a document has not the shape that plabctl writes.
    """

    def __init__(self, rev: int, tables: Tables) -> None:
        self._rev = rev
        self._tables = tables

    @property
    def rev(self) -> int:
        """The number of commits so far."""
        return self._rev

    @property
    def tick(self) -> TickMark | None:
        """The newest tick that claimed."""
        doc = self._tables[META].get(TICK_ID)
        return None if doc is None else _decoded(codec.tick_of, META, TICK_ID, doc)

    @cached_property
    def claims(self) -> Mapping[str, Claim]:
        """The claims, by node."""
        return {name: _decoded(codec.claim_of, CLAIMS, name, doc) for name, doc in self._tables[CLAIMS].items()}

    @cached_property
    def outbox(self) -> Sequence[Event]:
        """The events not yet told to all, oldest first."""
        return [_decoded(codec.event_of, OUTBOX, id_, doc) for id_, doc in self._tables[OUTBOX].items()]

    @property
    def notes(self) -> Mapping[str, Mapping[str, object]]:
        """Small records of the program's own, by topic."""
        return {topic: dict(doc) for topic, doc in self._tables[NOTES].items()}

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        doc = self._tables[NODES].get(name)
        return None if doc is None else _decoded(codec.node_of, NODES, name, doc)

    def member(self, name: str) -> Member | None:
        """Return that node's place in its health pool."""
        doc = self._tables[NODES].get(name)
        return None if doc is None else _decoded(codec.member_of, NODES, name, doc)

    def names(self) -> Iterable[str]:
        """Return the names of all nodes."""
        return self._tables[NODES].keys()

    def nodes(self) -> Iterator[Node]:
        """Return all nodes, one by one."""
        for name, doc in self._tables[NODES].items():
            yield _decoded(codec.node_of, NODES, name, doc)

    def members(self) -> Iterator[Member]:
        """Return all members of health pools, one by one."""
        name = ""
        try:
            for name, doc in self._tables[NODES].items():
                yield codec.member_of(name, doc)
        except (KeyError, ValueError) as error:
            raise _misshapen(NODES, name, error) from error

    def glance(self, name: str) -> Glance | None:
        """Return that node at a glance."""
        doc = self._tables[NODES].get(name)
        return None if doc is None else _decoded(codec.glance_of, NODES, name, doc)

    def glances(self) -> list[Glance]:
        """Return all nodes at a glance."""
        name = ""
        try:
            # Not one by one through a call that minds errors: this is most of the time of a long list.
            return [codec.glance_of(name, doc) for name, doc in self._tables[NODES].items()]
        except (KeyError, TypeError, ValueError) as error:
            raise _misshapen(NODES, name or "?", error) from error

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""
        return Counter(doc["member"]["pool"] for doc in self._tables[NODES].values())

    def recent(self, since: float) -> Iterator[Member]:
        """Return the members whose last probe ended at `since` or later, one by one."""
        for name, doc in self._tables[NODES].items():
            if doc["member"].get("probed_at", float("-inf")) >= since:
                yield _decoded(codec.member_of, NODES, name, doc)

    def due(self, now: float, *, latest: float = float("inf")) -> list[Due]:
        """Return the members whose time has come, or lies after `latest`; claimed or not, in no order."""
        try:
            return [
                codec.due_of(name, member)
                for name, doc in self._tables[NODES].items()
                if not now < (member := doc["member"])["due_at"] <= latest
            ]
        except (KeyError, TypeError) as error:
            raise _misshapen(NODES, "?", error) from error


class Snapshot(DocumentState):
    """The state as it was at one commit, for reading only. `head` is None when nothing was ever written."""

    def __init__(self, head: Head | None, tables: Tables) -> None:
        super().__init__(head.rev if head else 0, tables)
        self.head = head


def _decoded(decode: Callable[[str, Doc], T], table: str, id_: str, doc: Doc) -> T:
    try:
        return decode(id_, doc)
    except (KeyError, ValueError) as error:
        raise _misshapen(table, id_, error) from error


def _misshapen(table: str, id_: str, error: Exception) -> StateDamaged:
    return StateDamaged(f"the state has no readable entry '{id_}' in '{table}': {error}", hint=RESTORE_HINT)
