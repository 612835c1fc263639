"""What a node was in a span of time, as runs: from one instant to another it was in one state.

Pure. `plabctl.core.stats.replay` has followed the node from place to place; equal states in a row are one run.
`plabctl.views.curves` has the runs of all nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from plabctl.core.stats.place import Place
from plabctl.core.stats.replay import PoolRules, Trail
from plabctl.core.stats.tally import Span
from plabctl.core.usable import explain_unusable


class NodeState(StrEnum):
    """What a node is to somebody who wants to use it: the states are told apart by what is done about them."""

    USABLE = "usable"
    SUSPECT = "suspect"
    """It failed, or waits for a test, and no move out of good is confirmed."""
    BAD = "bad"
    HELD = "held"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    """It was no node, or the history does not say."""


class Run(NamedTuple):
    """A stretch of time in one state; `pool` is empty where it is not known."""

    since_at: float
    until_at: float
    state: NodeState
    pool: str


def compute_runs(trail: Trail, rules: PoolRules, span: Span) -> list[Run]:
    """Return what a node was in `span`, without gaps, oldest first; empty for a span without a second in it."""
    runs: list[Run] = []
    for since_at, until_at, place in _cut(trail, span):
        state, pool = find_state(place, since_at, rules), place.pool if place else ""
        if runs and runs[-1].state is state and runs[-1].pool == pool:
            runs[-1] = runs[-1]._replace(until_at=until_at)
        else:
            runs.append(Run(since_at, until_at, state, pool))
    return runs


def find_state(place: Place | None, at: float, rules: PoolRules) -> NodeState:
    """Return what a node in `place` is at `at`."""
    if place is None or not place.pool:
        return NodeState.UNKNOWN
    is_in_good = place.pool in rules.good
    if explain_unusable(place, at, is_in_good=is_in_good) is None:
        return NodeState.USABLE
    if place.absent_since_at is not None:
        return NodeState.ABSENT
    if place.hold is not None and place.hold.holds(at) and not place.hold.is_move:
        return NodeState.HELD
    is_suspect = place.suspicion is not None and place.suspicion.pool != place.pool
    return NodeState.SUSPECT if is_suspect or is_in_good else NodeState.BAD


def compute_usable_ratio(runs: Iterable[Run], since_at: float, until_at: float) -> float | None:
    """Return the share of that time in which the node was usable; None when nothing is known of it.

    Time of which nothing is known is left out.
    """
    known_s = usable_s = 0.0
    for begins_at, ends_at, state, _ in runs:
        if state is not NodeState.UNKNOWN and ends_at > since_at and begins_at < until_at:
            seconds = min(ends_at, until_at) - max(begins_at, since_at)
            known_s += seconds
            if state is NodeState.USABLE:
                usable_s += seconds
    return usable_s / known_s if known_s else None


def _cut(trail: Trail, span: Span) -> Iterator[tuple[float, float, Place | None]]:
    """Yield the parts of `span` with the place in each; a hold that ends by itself ends a part."""
    at = min(trail[0][0] if trail else span.until, span.until)
    if at > span.since:
        yield span.since, at, None
    at = max(at, span.since)
    for (_, place), (end, _) in pairwise([*trail, (span.until, None)]):
        until_at = min(end, span.until)
        hold_ends_at = place.hold.until_at if place and place.hold else None
        if hold_ends_at is not None and at < hold_ends_at < until_at:
            yield at, hold_ends_at, place
            at = hold_ends_at
        if at < until_at:
            yield at, until_at, place
            at = until_at
