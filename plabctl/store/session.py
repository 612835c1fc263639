"""A session: the state under its lock, changed through TinyDB's tables and committed once.

I/O through its storage. Go on with `plabctl.core.state`, whose `State` and `Changes` this implements.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tinydb import TinyDB
from tinydb.table import Table

from plabctl.core.model import Event
from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store import codec
from plabctl.store.current import Current
from plabctl.store.documents import DocumentState, read_documents_of
from plabctl.store.due_index import DueIndex
from plabctl.store.event_groups import drop_events, encode_events
from plabctl.store.head import Head
from plabctl.store.outbox_index import OutboxIndex
from plabctl.store.shapes import Doc
from plabctl.store.storage import StagedStorage
from plabctl.store.tables import CLAIMS, EXPERIMENTS, META, NODES, NOTES, OUTBOX, TICK_ID, VNODES, Kind


class NamedTable(Table):
    """A table whose documents are filed under names."""

    document_id_class = str  # type: ignore[assignment]  # tinydb declares numbers and documents that it may be changed

    def put(self, docs: Mapping[str, Doc]) -> None:
        """File `docs`, each under its name; those that they replace stay as they are, as others may be reading them."""
        self._update_table(lambda table: table.update(docs))

    def _update_table(self, updater: Callable[[dict[str, Doc]], None]) -> None:  # type: ignore[override]
        """Change the table in place: TinyDB would copy all its documents, twice."""
        tables = self._storage.read() or {}
        updater(tables[self.name])
        self._storage.write(tables)
        self.clear_cache()


class NamedTinyDB(TinyDB):
    """A TinyDB of such tables."""

    table_class = NamedTable

    if TYPE_CHECKING:

        def table(self, name: str, **kwargs: Any) -> NamedTable:
            """Return the table of that name."""


class _Ended(dict[str, dict[str, Doc]]):
    """What a session holds after its end: reading on would read what is no longer true."""

    def __missing__(self, name: str) -> dict[str, Doc]:
        raise AssertionError("the session has ended; open another one")


class Session(DocumentState):
    """The state as one process may read and change it while it holds the lock."""

    def __init__(self, storage: StagedStorage) -> None:
        super().__init__(storage.rev, storage.tables)
        self._storage = storage
        self._db = NamedTinyDB(storage=lambda: storage)
        self._is_open = True

    def apply(self, changes: Changes) -> None:
        """Stage `changes`.

        Raises AssertionError when they would break an invariant and StoreError when a value cannot be stored; then
        nothing of this session is committed.
        """
        if not self._is_open:
            raise AssertionError("a session takes no changes after changes that failed")
        self._is_open = False
        try:
            self._apply(changes)
        except (ValueError, KeyError) as error:
            raise StoreError(f"the change cannot be stored: {error}") from error
        self._is_open = True

    @property
    def outbox(self) -> Sequence[Event]:
        """The events not yet told to all, oldest first."""
        return read_documents_of(OUTBOX, lambda: self._find_index(OutboxIndex).list_events())

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""
        return self._find_index(DueIndex).counts() or super().counts()

    def _find_index(self, kind: type[Kind]) -> Kind:
        current = self._storage.current
        return current.index(kind) if current else super()._find_index(kind)

    @property
    def saved_at(self) -> float:
        """When the state was last changed; 0 if never."""
        return self._storage.saved_at

    def fold(self, share: float) -> None:
        """Write the state file anew when its journal is larger than this share of it; raise StoreError."""
        self._storage.confirm()
        self._storage.fold(share)

    @property
    def fold_s(self) -> float:
        """How many seconds of the commit were spent on a whole new state file, which few commits write."""
        return self._storage.fold_s

    @property
    def current(self) -> Current | None:
        """The state in memory, to go on with; only after a commit or when nothing was changed."""
        return self._storage.current

    def end(self) -> None:
        """Let go of the documents: the next session loads its own, and two copies would be held."""
        self._tables = _Ended()

    def commit(self, now: float) -> Head | None:
        """End the session: write what was staged at the instant `now`; return the new head, None without changes."""
        if not self._is_open:
            raise AssertionError("changes that failed are not committed")
        if not self._storage.is_changed:
            self._storage.confirm()
            return None
        self._assert_invariants()
        head = self._storage.commit(now)
        self._rev = head.rev
        return head

    def _apply(self, changes: Changes) -> None:
        self._put(NODES, self._build_node_docs(changes))
        self._drop(NODES, changes.removed)
        if changes.vnodes or changes.gone or changes.experiments or changes.forgotten:
            self._apply_experiments(changes)
        self._drop(CLAIMS, changes.released)
        self._put(CLAIMS, {claim.key: codec.encode_claim(claim) for claim in changes.claims})
        if changes.released or changes.claims:
            self.__dict__.pop("claims", None)
        if changes.delivered:
            gone, left = drop_events(self._tables[OUTBOX], changes.delivered)
            self._drop(OUTBOX, gone)
            self._put(OUTBOX, left)
        known = self._tables[OUTBOX].keys()
        self._put(OUTBOX, encode_events([event for event in changes.events if event.id not in known]))
        if changes.tick:
            self._put(META, {TICK_ID: codec.encode_tick(changes.tick)})
        notes = changes.notes or {}
        self._drop(NOTES, [topic for topic, note in notes.items() if note is None and topic in self._tables[NOTES]])
        self._put(NOTES, {topic: codec.encode_note(note) for topic, note in notes.items() if note is not None})

    def _apply_experiments(self, changes: Changes) -> None:
        # Imported here, as there may be none.
        from plabctl.store import experiment_codec

        docs = {experiment.name: experiment_codec.encode_experiment(experiment) for experiment in changes.experiments}
        self._put(EXPERIMENTS, docs)
        self._put(VNODES, {vnode.key: experiment_codec.encode_vnode(vnode) for vnode in changes.vnodes})
        self._drop(VNODES, changes.gone)
        self._drop(EXPERIMENTS, changes.forgotten)
        homeless = {doc["experiment"] for doc in self._tables[VNODES].values()} - self._tables[EXPERIMENTS].keys()
        if homeless:
            raise AssertionError(f"vnodes of unknown experiments: {sorted(homeless)}")
        self.__dict__.pop("experiments", None)

    def _build_node_docs(self, changes: Changes) -> dict[str, Doc]:
        """Return the new documents of all nodes that `changes` speaks of, as node, as member or as both."""
        table = self._tables[NODES]
        members = {member.node: codec.encode_member(member) for member in changes.members}
        docs: dict[str, Doc] = {}
        for node in changes.nodes:
            member = members.get(node.name) or table.get(node.name, {}).get("member")
            if member is None:
                raise AssertionError(f"the new node '{node.name}' comes without its member")
            docs[node.name] = codec.encode_node(node, member)
        for name, member in members.items():
            if name not in docs and name not in table:
                raise AssertionError(f"the member '{name}' has no node")
            docs[name] = {**(docs.get(name) or table[name]), "member": member}
        for doc in docs.values():
            doc["rev"] = self._storage.rev + 1
        return docs

    def _put(self, name: str, docs: Mapping[str, Doc]) -> None:
        if docs:
            self._db.table(name).put(docs)
            self._storage.note_put(name, docs)

    def _drop(self, name: str, ids: Collection[str]) -> None:
        if not ids:
            return
        missing = [id_ for id_ in ids if id_ not in self._tables[name]]
        if missing:
            raise AssertionError(f"there is no {missing[0]!r} in '{name}' to take out")
        self._db.table(name).remove(doc_ids=ids)  # type: ignore[arg-type]
        self._storage.note_dropped(name, ids)

    def _assert_invariants(self) -> None:
        # That every node is in exactly one health pool needs no check: its member is a part of its document.
        nodes, vnodes = self._tables[NODES], self._tables[VNODES]
        unknown = [key for key in self._tables[CLAIMS] if key not in nodes and key not in vnodes]
        if unknown:
            raise AssertionError(f"claims for unknown members: {sorted(unknown)}")
