"""Of many members that wait for a slot, those that come first: a tick takes forty of 100,000.

Pure. `State.shortlist` returns them; `plabctl.core.claim.choose_rows` chooses among them as it would among all.
Tests: `tests/store/test_due_index.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from plabctl.core.due_rows import Due

AT_ONCE = float("-inf")
"""The urgency of what has no interval: it comes before all that waits by its interval."""

Rank = tuple[float, float, float, str]
"""What orders the members of a pool: the smallest is the most urgent."""


class Shortlist(NamedTuple):
    """The candidates that can be chosen for so many slots, and how many candidates there are in all."""

    rows: list[Due]
    total: int


def rank_row(row: Due, now: float) -> Rank:
    """Return the rank of a member that nobody asked for: the largest (time since its last probe) / interval first."""
    node, _, due_at, _, waiting_since_at, interval_s, *_ = row
    if interval_s <= 0:
        return AT_ONCE, AT_ONCE, due_at, node
    return -(now - waiting_since_at) / interval_s, waiting_since_at, due_at, node


def shorten(rows: Iterable[Due], count: int, now: float) -> Shortlist:
    """Return the first `count` of those that were asked for, and the `count` most urgent of each pool."""
    rows = list(rows)
    requested = [row for row in rows if row.requested_at is not None]
    first = heapq.nsmallest(count, requested, key=lambda row: (row.requested_at, row.node))
    for queue in rank_by_pool(rows, count, now).values():
        first += [row for _, row in queue]
    return Shortlist(first, len(rows))


def rank_by_pool(rows: Iterable[Due], wanted: int, now: float) -> dict[str, list[tuple[Rank, Due]]]:
    """Return each pool's most urgent rows that nobody asked for, at most `wanted`, the most urgent first."""
    by_pool: dict[str, list[tuple[Rank, Due]]] = {}
    if wanted <= 0:
        return by_pool
    for row in rows:
        if row.requested_at is None:
            by_pool.setdefault(row.pool, []).append((rank_row(row, now), row))
    return {pool: heapq.nsmallest(wanted, queue) for pool, queue in by_pool.items()}
