"""What the curves of a page show: where nodes were in a span, guards, how long things took, how full the window was.

Pure. `plabctl.app.read_curves` reads them from the history; `plabctl.render` draws them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from plabctl.core.model import Event
from plabctl.core.names import build_sort_key
from plabctl.core.stats.outages import Bounds
from plabctl.core.stats.replay import Past, PastNode
from plabctl.core.stats.runs import NodeState, Run, compute_runs
from plabctl.values import dataclass


class NodeStrip(NamedTuple):
    """What one node was, from one instant to the next, without gaps."""

    name: str
    site: str | None
    runs: Sequence[Run]


class Band(NamedTuple):
    """How many nodes were in one state, in one pool, at each instant of a curve.

    `pool` is empty where the state alone says it all.
    """

    state: NodeState
    pool: str
    counts: Sequence[int]


class PoolCurve(NamedTuple):
    """How many nodes were what, at instants that are equally far apart; bands lie on each other, usable ones first."""

    sampled_ats: Sequence[float]
    bands: Sequence[Band]


class GuardSpan(NamedTuple):
    """From when to when a guard held the moves of a scope: `monitor`, `pool NAME` or `site NAME`."""

    since_at: float
    until_at: float
    scope: str
    reason: str
    is_on: bool
    """Whether it lasts."""


class WindowUse(NamedTuple):
    """How many slots tests held, as the mean of each stretch of `step_s` seconds from `since_at` on."""

    size: int
    since_at: float
    step_s: float
    in_use: Sequence[float]


@dataclass(frozen=True, slots=True)
class Curves:
    """All that is drawn for a span of time."""

    since_at: float
    until_at: float
    history_begins_at: float | None
    """Nothing is known of the time before; None when there is no history."""
    strips: Mapping[str, NodeStrip]
    """By node, for the nodes there are: sorted by site, then by name."""
    pools: PoolCurve
    guards: Sequence[GuardSpan]
    detections: Sequence[Bounds]
    """Of failures that were seen: the least and most seconds from when a node broke to when it left good."""
    returns: Sequence[Bounds]
    """Of returns: the least and most seconds from when a node worked again to when it came back."""
    window: WindowUse


_PLAIN = frozenset({NodeState.HELD, NodeState.ABSENT, NodeState.UNKNOWN})
"""States in which the pool of a node makes no difference."""


def sort_strips(strips: Iterable[NodeStrip]) -> dict[str, NodeStrip]:
    """Return the strips by node, those of a site together, so that what a whole site does is seen as a block."""
    ordered = sorted(
        strips, key=lambda strip: (strip.site is None, build_sort_key(strip.site or ""), build_sort_key(strip.name))
    )
    return {strip.name: strip for strip in ordered}


def view_strips(past: Past, nodes: Mapping[str, PastNode]) -> dict[str, NodeStrip]:
    """Return the strips of `nodes`, of which the replay kept the trails."""
    return sort_strips(
        NodeStrip(name, node.variables.get("site"), compute_runs(node.trail or [], past.rules, past.span))
        for name, node in nodes.items()
    )


def build_pool_curve(nodes: Iterable[Sequence[Run]], since_at: float, until_at: float, samples_count: int) -> PoolCurve:
    """Return how many of `nodes`, each with its runs, were what at that many instants, the last at `until_at`."""
    step_s = (until_at - since_at) / samples_count
    sampled_ats = [until_at - step_s * number for number in reversed(range(samples_count))]
    changes: dict[tuple[NodeState, str], list[int]] = {}
    for runs in nodes:
        for run in runs:
            first, last = bisect_right(sampled_ats, run.since_at), bisect_right(sampled_ats, run.until_at)
            if first < last and run.state is not NodeState.UNKNOWN:
                key = run.state, "" if run.state in _PLAIN else run.pool
                row = changes.setdefault(key, [0] * (samples_count + 1))
                row[first] += 1
                row[last] -= 1
    order = list(NodeState)
    keys = sorted(changes, key=lambda key: (order.index(key[0]), key[1]))
    alone = {state for state in NodeState if sum(own is state for own, _ in keys) == 1}
    bands = [Band(state, "" if state in alone else pool, _add_up(changes[state, pool])) for state, pool in keys]
    return PoolCurve(sampled_ats, bands)


def build_guard_spans(events: Iterable[Event], since_at: float, until_at: float) -> list[GuardSpan]:
    """Return when guards were on in a span, from all events of guards that were recorded, oldest first.

    Events of other kinds are left aside.
    """
    begun: dict[str, tuple[float, str]] = {}
    spans = []
    for event in events:
        scope, reason = str(event.data.get("scope", "")), str(event.data.get("reason", ""))
        if event.kind == "guard-on":
            begun.setdefault(scope, (event.at, reason))
        elif event.kind == "guard-off" and scope in begun:
            at, why = begun.pop(scope)
            spans.append(GuardSpan(at, event.at, scope, why, is_on=False))
    spans += [GuardSpan(at, until_at, scope, why, is_on=True) for scope, (at, why) in begun.items()]
    return sorted(
        span._replace(since_at=max(span.since_at, since_at), until_at=min(span.until_at, until_at))
        for span in spans
        if span.until_at > since_at and span.since_at < until_at
    )


def build_window_use(
    held: Iterable[tuple[float, float]], size: int, since_at: float, until_at: float, step_s: float
) -> WindowUse:
    """Return how full a window of `size` slots was, from when to when each slot was held."""
    count = max(1, round((until_at - since_at) / step_s))
    seconds = [0.0] * count
    for begins_at, ends_at in held:
        start, end = max(begins_at, since_at), min(ends_at, until_at)
        number = int((start - since_at) / step_s)
        while start < end and number < count:
            edge = since_at + step_s * (number + 1)
            seconds[number] += min(end, edge) - start
            start, number = edge, number + 1
    return WindowUse(size, since_at, step_s, [own / step_s for own in seconds])


def _add_up(changes: Sequence[int]) -> list[int]:
    counts, count = [], 0
    for change in changes[:-1]:
        count += change
        counts.append(count)
    return counts
