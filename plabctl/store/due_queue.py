"""The queue of a pool: its members that are due, in heaps of about the same interval each.

Pure. `plabctl.store.due_index` fills it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from math import log

from plabctl.core.due_rows import Due
from plabctl.core.shortlist import AT_ONCE, Rank

Entry = tuple[float, float, str, str, float, tuple[str, bool]]
"""A member in a heap: the end of its last probe, or `AT_ONCE`, or when it was asked for; its time, node, key and
interval; and its pool, and whether that is an experiment."""


class IntervalClass:
    """Members with about the same interval, in a heap by the end of their last probes. Some entries may be stale."""

    __slots__ = ("heap", "longest_s", "shortest_s")

    def __init__(self, interval_s: float = 0.0) -> None:
        self.heap: list[Entry] = []
        self.shortest_s = self.longest_s = interval_s

    def bound(self, entry: Entry, now: float) -> Rank | tuple[float]:
        """Return what no rank is below, of all that stand below this entry in the heap; it is exact if it can be."""
        shortest_s = self.shortest_s
        if shortest_s == self.longest_s:
            return rank_entry(entry, now)
        waited_s = now - entry[0]
        return (-waited_s / (shortest_s if waited_s >= 0 else self.longest_s),)


class DueQueue:
    """The members of one pool or experiment that are due and not claimed."""

    __slots__ = ("_classes", "count", "entry_count", "requested")

    def __init__(self) -> None:
        self.count = 0
        """How many there are."""
        self.entry_count = 0
        """How many were ever added: what is gone since stays in its heap until it comes to the top."""
        self.requested = IntervalClass()
        """Those that somebody asked for, in the order in which that was."""
        self._classes: dict[int | None, IntervalClass] = {}

    def list_classes(self) -> list[IntervalClass]:
        """Return the classes of those that nobody asked for."""
        return list(self._classes.values())

    def add(self, entry: Entry, row: Due, scale: float) -> None:
        """Add a member; `scale` is the number of classes for intervals up to e times as long."""
        self.count += 1
        self.entry_count += 1
        if row.requested_at is not None:
            heappush(self.requested.heap, entry)
            return
        interval_s = row.interval_s
        number = int(log(interval_s) * scale) if interval_s > 0 else None
        found = self._classes.get(number)
        if found is None:
            found = self._classes[number] = IntervalClass(max(0.0, interval_s))
        elif interval_s > 0:
            found.shortest_s = min(found.shortest_s, interval_s)
            found.longest_s = max(found.longest_s, interval_s)
        heappush(found.heap, entry)


def build_entry(row: Due) -> Entry:
    """Return the entry of a member that is due."""
    first = row.waiting_since_at if row.interval_s > 0 else AT_ONCE
    due_at, interval_s = row.due_at, row.interval_s
    if row.requested_at is not None:
        first, due_at, interval_s = row.requested_at, 0.0, 0.0
    return first, due_at, row.node, row.key, interval_s, (row.pool, bool(row.experiment))


def rank_entry(entry: Entry, now: float) -> Rank:
    """Return the rank, as `plabctl.core.shortlist.rank_row` does."""
    first, due_at, node, _, interval_s, _ = entry
    return (-(now - first) / interval_s if interval_s > 0 else first), first, due_at, node


def pick_first(classes: Iterable[IntervalClass], count: int, now: float, valid: Mapping[str, Entry]) -> list[str]:
    """Return the keys of the `count` entries of the smallest rank; an entry counts while it is the one in `valid`.

    In a heap nothing below an entry comes before it, so what is below is looked at only when it can be one of them.
    """
    tops: list[tuple[Rank | tuple[float], int, int]] = []
    heaps = list(classes)
    for number, own in enumerate(heaps):
        heap = own.heap
        while heap and valid.get(heap[0][3]) is not heap[0]:
            heappop(heap)
        if heap:
            tops.append((own.bound(heap[0], now), number, 0))
    heapify(tops)
    found: list[tuple[Rank, str]] = []
    while tops and (len(found) < count or tops[0][0] <= found[-1][0]):
        _, number, place = heappop(tops)
        own = heaps[number]
        entry = own.heap[place]
        if valid.get(entry[3]) is entry:
            insort(found, (rank_entry(entry, now), entry[3]))
            del found[count:]
        for below in (2 * place + 1, 2 * place + 2):
            if below < len(own.heap):
                heappush(tops, (own.bound(own.heap[below], now), number, below))
    return [key for _, key in found]
