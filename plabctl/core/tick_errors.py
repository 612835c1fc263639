"""What ticks complain about: the error they end with, sources of nodes that they could not use, sinks that fail.

Pure. `plabctl.core.find_problems` lists these with whatever else is wrong.
Tests: `tests/core/test_find_problems.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.core.problems import Problem, ProblemKind, Severity, TickFailure
from plabctl.core.sink_health import SINKS_NOTE, SinkHealth, list_failing
from plabctl.core.source_note import make_source_note
from plabctl.core.untestable import find_disabled_pools
from plabctl.durations import format_duration

if TYPE_CHECKING:
    from plabctl.core.settings import Settings
    from plabctl.core.state import State

_LONG_S = 60.0
_NOTED = frozenset({ProblemKind.SINK, ProblemKind.INVENTORY, ProblemKind.OCCUPANCY})
"""Of these the state says what is wrong now: a `sink sync` or `inventory sync` may have mended it since the tick."""
_PARTIAL = {
    ProblemKind.STATUS_FILE: Severity.WARNING,
    ProblemKind.PAGE: Severity.WARNING,
    ProblemKind.PLUGINS: Severity.CRITICAL,
}
"""What a tick complains about after it has done all else."""


def judge_failure(failure: TickFailure, state: State, settings: Settings, now: float) -> list[Problem]:
    """Return with which error ticks end; nothing when that is a problem of its own already."""
    if failure.kind in _NOTED:
        return []
    if failure.kind is ProblemKind.PLUGINS and list(find_disabled_pools(state, settings)):
        return []
    lasted_s = now - failure.since_at
    times = "once" if failure.count == 1 else f"{failure.count} times"
    lasts = f" (for {format_duration(lasted_s)}, {times})" if lasted_s >= _LONG_S else ""
    reason = f"{failure.reason}{lasts}" if failure.kind in _PARTIAL else f"ticks fail: {failure.reason}{lasts}"
    severity = _PARTIAL.get(failure.kind, Severity.CRITICAL)
    remedy = failure.remedy or "run `plabctl tick` and look at what it says"
    return [Problem(failure.kind, reason, remedy, since_at=failure.since_at, severity=severity)]


def find_inventory_problems(state: State, settings: Settings) -> list[Problem]:
    """Return the sources of nodes that cannot be read or are not believed, and those with bad rows."""
    notes = {source.name: make_source_note(source.name).read(state.notes) for source in settings.inventories}
    remedy = "correct it, then run: plabctl inventory sync"
    return [
        Problem(
            ProblemKind.INVENTORY,
            f"inventory: {note.fault}",
            remedy,
            since_at=note.fault_since_at,
            severity=Severity.WARNING,
            subject=name,
        )
        for name, note in notes.items()
        if note.fault
    ]


def find_occupancy_problems(state: State, settings: Settings, now: float) -> list[Problem]:
    """Return the occupancy sources that cannot be read, or list what means nothing here.

    It is a warning as long as what they said last holds; then nodes in use are tested like others.
    """
    if not settings.occupancies:
        return []
    from plabctl.core.occupancy import is_stale, make_occupancy_note

    found = []
    for source in settings.occupancies:
        note = make_occupancy_note(source.name).read(state.notes)
        if not note.fault:
            continue
        is_lost = note.is_unread and is_stale(note.read_at, source, now, is_unread=True)
        holds = f"; what it said last holds for {format_duration(source.stale_after_s)}" if note.is_unread else ""
        what = "; nobody is known to be busy, and nodes in use are tested" if is_lost else holds
        found.append(
            Problem(
                ProblemKind.OCCUPANCY,
                f"occupancy: '{source.name}': {note.fault}{what}",
                "correct it, and try it with: plabctl doctor",
                since_at=note.fault_since_at,
                severity=Severity.CRITICAL if is_lost else Severity.WARNING,
                subject=source.name,
            )
        )
    return found


def find_sink_problems(state: State, now: float) -> list[Problem]:
    """Return the sinks that failed the last time they were told of anything."""
    return [
        Problem(
            ProblemKind.SINK,
            _describe_failing_sink(each, now),
            "mend it: it is tried again",
            since_at=each.failing_since_at,
            severity=Severity.WARNING,
            subject=each.name,
        )
        for each in list_failing(SINKS_NOTE.read(state.notes))
    ]


def _describe_failing_sink(sink: SinkHealth, now: float) -> str:
    lasted_s = now - (sink.failing_since_at or now)
    since = f"it has failed for {format_duration(lasted_s)}, " if lasted_s >= _LONG_S else ""
    events = "1 event waits" if sink.waiting_count == 1 else f"{sink.waiting_count} events wait"
    lost = f", {sink.dropped_count} were dropped" if sink.dropped_count else ""
    if sink.is_synced:
        return f"{sink.last_error}; {since.removesuffix(', ')}" if since else sink.last_error
    return f"{sink.last_error}; {since}{events}{lost}"
