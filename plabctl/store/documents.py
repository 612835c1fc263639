"""The state as documents, looked at without decoding more than is asked for.

Pure. `DocumentState` is the `State` of snapshots (which need no more than this) and of sessions
(`plabctl.store.session`, which changes it). Documents stay dictionaries until somebody wants a value: a tick looks at
forty of 100,000. Go on with `plabctl.store.tables`, where they are read from the file.
Tests: `tests/store/test_state_protocol.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import ModuleType

from plabctl.core.model import Claim, Event, Member, Node, TickMark
from plabctl.errors import StateDamaged
from plabctl.store import codec
from plabctl.store.head import RESTORE_HINT
from plabctl.store.shapes import Doc
from plabctl.store.tables import (
    CLAIMS,
    EXPERIMENTS,
    META,
    NODES,
    NOTES,
    OUTBOX,
    TICK_ID,
    TORN_ID,
    VNODES,
    Kind,
    Tables,
    find_saved_boot,
)
from plabctl.typed import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from plabctl.core.due_rows import Due, NodeFields, Row
    from plabctl.core.experiments.model import Experiment, Vnode
    from plabctl.core.notes import Notes
    from plabctl.core.shortlist import Shortlist
    from plabctl.store.current import Current

T = TypeVar("T")


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
    def saved_boot(self) -> str:
        """The boot id of the machine when the state was last changed, empty when that is not known."""
        return find_saved_boot(self._tables)

    @property
    def tick(self) -> TickMark | None:
        """The newest tick that claimed."""
        doc = self._tables[META].get(TICK_ID)
        return None if doc is None else _decode(codec.decode_tick, META, TICK_ID, doc)

    @cached_property
    def claims(self) -> Mapping[str, Claim]:
        """The claims, by key."""
        return {name: _decode(codec.decode_claim, CLAIMS, name, doc) for name, doc in self._tables[CLAIMS].items()}

    @cached_property
    def outbox(self) -> Sequence[Event]:
        """The events not yet told to all, oldest first."""
        if not (docs := self._tables[OUTBOX]):
            return []
        from plabctl.store.event_groups import decode_events  # seldom does anything wait

        return [event for id_, doc in docs.items() for event in _decode(decode_events, OUTBOX, id_, doc)]

    @property
    def notes(self) -> Notes:
        """The notes as they are stored, by topic."""
        return {topic: dict(doc) for topic, doc in self._tables[NOTES].items()}

    @cached_property
    def experiments(self) -> Mapping[str, Experiment]:
        """The experiments, by name."""
        docs = self._tables[EXPERIMENTS]
        return {
            name: _decode(_load_experiment_codec().decode_experiment, EXPERIMENTS, name, doc)
            for name, doc in docs.items()
        }

    def vnode(self, key: str) -> Vnode | None:
        """Return the member of an experiment that is filed under that key."""
        doc = self._tables[VNODES].get(key)
        return None if doc is None else _decode(_load_experiment_codec().decode_vnode, VNODES, key, doc)

    def vnodes(self) -> Iterator[Vnode]:
        """Return all members of experiments, one by one."""
        for key, doc in self._tables[VNODES].items():
            yield _decode(_load_experiment_codec().decode_vnode, VNODES, key, doc)

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        doc = self._tables[NODES].get(name)
        return None if doc is None else _decode(codec.decode_node, NODES, name, doc)

    def find_rev(self, name: str) -> int:
        """Return the rev at which that node was last changed; 0 when that is not known."""
        doc = self._tables[NODES].get(name)
        return 0 if doc is None else _decode(codec.decode_rev, NODES, name, doc)

    def member(self, name: str) -> Member | None:
        """Return that node's place in its health pool."""
        doc = self._tables[NODES].get(name)
        return None if doc is None else _decode(codec.decode_member, NODES, name, doc)

    def names(self) -> Iterable[str]:
        """Return the names of all nodes."""
        return self._tables[NODES].keys()

    def nodes(self) -> Iterator[Node]:
        """Return all nodes, one by one."""
        for name, doc in self._tables[NODES].items():
            yield _decode(codec.decode_node, NODES, name, doc)

    def members(self) -> Iterator[Member]:
        """Return all members of health pools, one by one."""
        name = ""
        try:
            for name, doc in self._tables[NODES].items():
                yield codec.decode_member(name, doc)
        except (KeyError, ValueError) as error:
            raise _build_error(NODES, name, error) from error

    def select_one(self, fields: NodeFields[Row], name: str) -> Row | None:
        """Return these fields of the node of that name."""
        docs = self._tables[NODES]
        doc = docs.get(name)
        return None if doc is None else _decode(codec.make_row_reader(fields, len(docs)), NODES, name, doc)

    def select(self, fields: NodeFields[Row]) -> Iterator[Row]:
        """Return these fields of all nodes, a row for each, one by one."""
        docs = self._tables[NODES]
        read = codec.make_row_reader(fields, len(docs))
        name = ""
        try:
            # Not each through a call that minds errors: this is much of the time of a long list.
            for name, doc in docs.items():
                yield read(name, doc)
        except (KeyError, TypeError, ValueError) as error:
            raise _build_error(NODES, name, error) from error

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""
        return read_documents_of(NODES, lambda: Counter(doc["member"]["pool"] for doc in self._tables[NODES].values()))

    def recent(self, since_at: float) -> list[tuple[Node, Member]]:
        """Return the nodes whose last probe ended, or whose login last answered, at `since_at` or later."""
        from plabctl.store.recent_index import RecentIndex

        return read_documents_of(NODES, lambda: self._find_index(RecentIndex).list_recent(since_at))

    def due(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return the members whose time has come, or lies after `latest_at`; claimed or not, in no order."""
        from plabctl.store.due_documents import list_due

        return read_documents_of(NODES, lambda: list_due(self._tables, now, latest_at))

    def due_checks(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return the liveness checks whose time has come, or lies after `latest_at`; claimed or not, in no order."""
        from plabctl.store.due_documents import list_due_checks

        return read_documents_of(NODES, lambda: list_due_checks(self._tables, now, latest_at))

    def shortlist(self, now: float, count: int, *, latest_at: float, pools: Collection[str]) -> Shortlist:
        """Return the first of those that may be probed now, and how many there are in all."""
        from plabctl.store.due_index import DueIndex

        return read_documents_of(
            NODES, lambda: self._find_index(DueIndex).shortlist(now, count, latest_at=latest_at, pools=pools)
        )

    def _find_index(self, kind: type[Kind]) -> Kind:
        """Return an index of the tables: it is made anew, unless somebody keeps it."""
        return kind(self._tables)


class Snapshot(DocumentState):
    """The state as it was at one commit, for reading only.

    `head` is None when nothing was ever written. `torn_bytes` is how much there is of a commit after that which was cut
    off, unless it is being written.
    """

    def __init__(self, current: Current | None, tables: Tables) -> None:
        self.head = current.head if current else None
        super().__init__(self.head.rev if self.head else 0, tables)
        self.torn_bytes = len(current.rest) if current else 0
        self._current = current

    @property
    def dropped(self) -> tuple[float, int] | None:
        """When the last commit that was cut off was dropped, and how many bytes there were of it."""
        doc = self._tables[META].get(TORN_ID)
        return None if doc is None else _decode(_decode_torn, META, TORN_ID, doc)

    def _find_index(self, kind: type[Kind]) -> Kind:
        current = self._current
        return current.index(kind) if current and current.tables is self._tables else super()._find_index(kind)


def _decode_torn(_: str, doc: Doc) -> tuple[float, int]:
    return float(doc["at"]), int(doc["bytes"])


def _load_experiment_codec() -> ModuleType:
    # Imported here: most states have no experiment, and short commands have no time.
    from plabctl.store import experiment_codec

    return experiment_codec


def read_documents_of(table: str, read: Callable[[], T]) -> T:
    """Return what `read` finds in the documents of a table; raise StateDamaged for one that cannot be read."""
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _build_error(table, "?", error) from error


def _decode(decode: Callable[[str, Doc], T], table: str, id_: str, doc: Doc) -> T:
    try:
        return decode(id_, doc)
    except (KeyError, TypeError, ValueError) as error:
        raise _build_error(table, id_, error) from error


def _build_error(table: str, id_: str, error: Exception) -> StateDamaged:
    return StateDamaged(f"the state has no readable entry '{id_}' in '{table}': {error}", hint=RESTORE_HINT)
