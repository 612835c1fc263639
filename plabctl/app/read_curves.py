"""Read from the history what the curves of a page show, by the steps of nodes alone: tests outnumber them by far.

I/O: reads the history; the state is at hand already. `plabctl.core.stats.replay` follows the nodes, as it does for
`stats`; `plabctl.history.step_rows` says which rows that takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plabctl.app.stats_queries import list_known, list_undelivered, take
from plabctl.core.model import Event, Member, Node
from plabctl.core.stats.place import Place, read_test
from plabctl.core.stats.replay import RENAMED, PoolRules, Replay, Trail
from plabctl.core.stats.runs import compute_runs, find_state
from plabctl.core.stats.tally import Span
from plabctl.history.step_rows import StepHistory
from plabctl.views.curves import (
    Curves,
    NodeStrip,
    build_guard_spans,
    build_pool_curve,
    build_window_use,
    sort_strips,
)
from plabctl.views.node import ViewContext

DAY_S = 86400.0
_LEAD_S = DAY_S
"""Nodes are followed from so long before the span on: what began there may end in it."""
_SAMPLES = 240
_WINDOW_SAMPLES = 96


def read_curves(context: ViewContext, days: float = 30.0) -> Curves:
    """Return what was in the last `days` up to the `now` of `context`, as far as the history goes back.

    Raise StoreError when the history cannot be read.
    """
    settings, now = context.settings, context.now
    span, rules = Span(now - days * DAY_S, now), PoolRules(settings.good_pools, settings.entry_pool)
    window_since = now - min(days, 1.0) * DAY_S
    known = list(list_known(context))
    with StepHistory(Path(settings.state_dir)) as history:
        waiting = list_undelivered(context, history)
        begins_at = history.find_begin() or next((event.at for event in waiting), None)
        replay = Replay(rules, span, max(span.since - _LEAD_S, begins_at or now), now, keeps_trails=True)
        _follow_nodes(replay, history, known, waiting)
        held = history.list_slot_times(window_since, now + settings.longest_wait_s)
        guard_events = [*history.list_guard_events(), *waiting]
    for node, member in known:
        if followed := replay.nodes.get(node.name):
            _agree(followed.trail or [], member, rules, now)
    past = replay.finish()
    runs = {name: compute_runs(node.trail or [], rules, span) for name, node in past.items()}
    for node, member in known:
        if node.name not in runs:  # the history has lost how it came
            runs[node.name] = compute_runs([(member.since_at, _find_place(member))], rules, span)
    return Curves(
        span.since,
        now,
        begins_at,
        sort_strips(NodeStrip(node.name, node.site, runs[node.name]) for node, _ in known),
        build_pool_curve(runs.values(), span.since, now, _SAMPLES),
        build_guard_spans(guard_events, span.since, now),
        [bounds for node in past.values() for bounds in node.tally.detections],
        [bounds for node in past.values() for bounds in node.tally.recoveries],
        build_window_use(held, settings.window, window_since, now, (now - window_since) / _WINDOW_SAMPLES),
    )


def _follow_nodes(
    replay: Replay, history: StepHistory, known: Sequence[tuple[Node, Member]], waiting: Sequence[Event]
) -> None:
    renames = [(str(event.data.get("from")), str(event.node)) for event in waiting if event.kind == RENAMED]
    replay.open(known, [*history.list_renames(), *renames])
    for found in history.read_steps(history.find_since(replay.span.since - _LEAD_S)):
        take(replay, found)
    for event in waiting:
        take(replay, read_test(event) or event)


def _agree(trail: Trail, member: Member, rules: PoolRules, now: float) -> None:
    """Let the last place of a trail be the one that the state says: most tests were not read."""
    place = _find_place(member)
    if trail and find_state(trail[-1][1], now, rules) is not find_state(place, now, rules):
        changed_at = member.since_at if member.probed_at is None else max(member.since_at, member.probed_at)
        trail.append((min(now, max(trail[-1][0], changed_at)), place))


def _find_place(member: Member) -> Place:
    return Place(
        member.pool,
        member.fail_streak,
        member.suspicion,
        member.hold,
        member.absent_since_at,
        member.stuck_since_at,
        member.release_test_since_at,
    )
