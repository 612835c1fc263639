"""Which members may be probed now, kept in order: a step of a tick looks at those that it takes, not at 100,000.

Pure. It is built once from the tables, and told from then on which documents were changed. What is not due yet sleeps
in a heap by its time. What is due waits in the queue of its pool. Its urgency grows with time, the faster the shorter
its interval is, so that no single order holds for long; but among members with about the same interval the order is by
the end of the last probe, and stays. Each queue has a heap for every such class, and those that come first of all are
found from the tops of these. Go on with `plabctl.core.shortlist` for the order that is kept here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from math import sqrt

from plabctl.core.due_rows import Due
from plabctl.core.shortlist import Shortlist
from plabctl.store import codec
from plabctl.store.due_queue import DueQueue, Entry, build_entry, pick_first
from plabctl.store.tables import CLAIMS, NODES, VNODES, Tables

_SLACK = 1000
"""So many entries more than twice what there is of documents are kept before the index is built anew."""


class DueIndex:
    """What may be probed, by pool and urgency. `tables` are those that it speaks of."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._is_built = False
        self._changed: set[str] = set()
        self._now = self._latest_at = 0.0

    def note(self, table: str, ids: Iterable[str]) -> None:
        """Remember that these documents are added, changed or gone."""
        if self._is_built and table in {NODES, VNODES, CLAIMS}:
            self._changed.update(ids)

    def shortlist(self, now: float, count: int, *, latest_at: float, pools: Collection[str]) -> Shortlist:
        """Return what `State.shortlist` does; raise KeyError, TypeError for a document that cannot be read."""
        self._bring_up(now, latest_at)
        queues = [queue for (pool, is_experiment), queue in self._queues.items() if is_experiment or pool in pools]
        total = sum(queue.count for queue in queues)
        if count <= 0 or not total:
            return Shortlist([], total)
        keys = pick_first([queue.requested for queue in queues], count, now, self._ready)
        for queue in queues:
            keys += pick_first(queue.list_classes(), count, now, self._ready)
        rows = [row for key in keys if (row := self._read_row(key))]
        return Shortlist(rows, total)

    def counts(self) -> Mapping[str, int] | None:
        """Return what `State.counts` does; None while that is not known."""
        if not self._is_built:
            return None
        self._take_changes()
        return +self._counts

    def _bring_up(self, now: float, latest_at: float) -> None:
        """Take in what was changed, and what has become due."""
        is_large = self._is_built and self._count_entries() > 2 * self._count_documents() + _SLACK
        if not self._is_built or is_large or now < self._now or latest_at < self._latest_at:
            self._build(now, latest_at)
            return
        self._now, self._latest_at = now, latest_at
        self._changed |= self._odd
        while self._sleeping and self._sleeping[0][0] <= now:
            at, key = heappop(self._sleeping)
            if at in self._list_instants(key):  # it was not changed since
                self._changed.add(key)
        self._take_changes()

    def _build(self, now: float, latest_at: float) -> None:
        self._now, self._latest_at = now, latest_at
        self._is_built = True
        self._changed.clear()
        nodes, vnodes = self.tables[NODES], self.tables[VNODES]
        self._scale = max(16.0, sqrt(len(nodes)))
        """The more members, the more alike are the intervals of a class."""
        self._queues: defaultdict[tuple[str, bool], DueQueue] = defaultdict(DueQueue)
        self._ready: dict[str, Entry] = {}
        self._sleeping: list[tuple[float, str]] = []
        self._odd: set[str] = set()
        """Those whose time lies after the latest that there can be."""
        self._pools = {name: doc["member"]["pool"] for name, doc in nodes.items()}
        self._counts = Counter(self._pools.values())
        self._guests: defaultdict[str, set[str]] = defaultdict(set)
        """The keys of vnodes by node."""
        for key, vnode in vnodes.items():
            self._guests[vnode["node"]].add(key)
        for name, doc in nodes.items():
            member = doc["member"]
            if "liveness" not in member and now < (at := member["due_at"]) <= latest_at:
                if "absent_since_at" not in member:
                    self._sleeping.append((at, name))  # most of them, mostly
            else:
                self._file(name)
        for key in vnodes:
            self._file(key)
        heapify(self._sleeping)

    def _take_changes(self) -> None:
        for key in list(self._changed):
            if key in self._guests:
                self._changed |= self._guests[key]
            if vnode := self.tables[VNODES].get(key):
                self._guests[vnode["node"]].add(key)
        for key in self._changed:
            self._count(key)
            self._file(key)
        self._changed.clear()

    def _count(self, key: str) -> None:
        before = self._pools.pop(key, None)
        if before is not None:
            self._counts[before] -= 1
        if doc := self.tables[NODES].get(key):
            pool = self._pools[key] = doc["member"]["pool"]
            self._counts[pool] += 1

    def _file(self, key: str) -> None:
        """Put a member where it belongs by its documents: into the queue of its pool, or to sleep."""
        if before := self._ready.pop(key, None):
            self._queues[before[-1]].count -= 1
        self._odd.discard(key)
        if key in self.tables[CLAIMS]:
            return
        row = self._read_row(key)
        if row:
            entry = self._ready[key] = build_entry(row)
            self._queues[entry[-1]].add(entry, row, self._scale)
        if row is None or row.is_check or row.due_at > self._now:
            for at in self._list_instants(key):
                if at > self._latest_at:
                    self._odd.add(key)
                elif at > self._now:
                    heappush(self._sleeping, (at, key))

    def _read_row(self, key: str) -> Due | None:
        """Return the row of a member if it is due: of its test, else of its liveness check."""
        doc = self.tables[NODES].get(key)
        if doc is None:
            return self._read_vnode_row(key)
        member = doc["member"]
        if "absent_since_at" in member:
            return None
        if self._is_due(member["due_at"]):
            return codec.decode_due(key, member)
        check_at = member["liveness"].get("due_at") if "liveness" in member else None
        return codec.decode_check(key, member) if check_at is not None and self._is_due(check_at) else None

    def _read_vnode_row(self, key: str) -> Due | None:
        doc = self.tables[VNODES].get(key)
        if doc is None or not self._is_due(doc["due_at"]):
            return None
        node = self.tables[NODES].get(doc["node"])
        is_absent = node is not None and "absent_since_at" in node["member"]
        if is_absent and doc["state"] != "leaving":
            return None
        return codec.decode_due(doc["node"], doc, doc["experiment"])

    def _list_instants(self, key: str) -> Iterator[float]:
        """Yield the instants at which a member is due, in the past and in the future."""
        doc = self.tables[NODES].get(key)
        if doc is None:
            if vnode := self.tables[VNODES].get(key):
                yield vnode["due_at"]
            return
        member = doc["member"]
        if "absent_since_at" not in member:
            yield member["due_at"]
            if "liveness" in member and "due_at" in member["liveness"]:
                yield member["liveness"]["due_at"]

    def _is_due(self, at: float) -> bool:
        return not self._now < at <= self._latest_at

    def _count_entries(self) -> int:
        return len(self._sleeping) + sum(queue.entry_count for queue in self._queues.values())

    def _count_documents(self) -> int:
        return len(self.tables[NODES]) + len(self.tables[VNODES])
