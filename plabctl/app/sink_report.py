"""What came of telling the sinks, as the state, the history and people are told of it.

Pure. `plabctl.app.deliver` commits what is built here.
Tests: `tests/app/test_sink_runs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plabctl.app.due_sources import find_synced_sinks
from plabctl.app.sink_runs import EndedRun, Round
from plabctl.core.events import MACHINE
from plabctl.core.model import Event
from plabctl.core.notes import NoteChanges
from plabctl.core.settings import Settings
from plabctl.core.sink_health import (
    GIVE_UP_AFTER_S,
    SINK_MEMORY_NOTE,
    SINKS_NOTE,
    SinkHealth,
    Sinks,
    note_failure,
    note_success,
    note_waiting,
)
from plabctl.core.state import State
from plabctl.errors import HookFault
from plabctl.history.sink_queues import QueueSpec
from plabctl.sinks.tell import Drop


def build_note(before: Sinks, found: Round, ended: Sequence[EndedRun], now: float) -> NoteChanges:
    """Return the change of the note that says what waits for whom, empty when it says so already."""
    sinks = {key: each for key, each in before.items() if found.keys is None or key in found.keys}
    for key, newest in found.settled.items():
        if key in sinks and sinks[key].newest == newest:  # others may have noted newer ones since
            del sinks[key]
    for key, waiting in found.waiting.items():
        sinks[key] = note_waiting(sinks.get(key), *waiting)
    for run in ended:
        key, summary = run.queue.spec.key, run.summary
        health = sinks.pop(key, None) or SinkHealth(run.queue.spec.name)
        after = (
            _note_run(health, run, now) if summary.error else note_success(health, summary.seq, summary.waiting_count)
        )
        if after:
            sinks[key] = after
    return {} if sinks == before else SINKS_NOTE.write(sinks or None)


def _note_run(health: SinkHealth, run: EndedRun, now: float) -> SinkHealth:
    summary = run.summary
    dropped_count = summary.drop.event_count if summary.drop else 0
    return note_failure(health, summary.error, now, waiting_count=summary.waiting_count, dropped_count=dropped_count)


def build_drop_events(found: Round, ended: Sequence[EndedRun], now: float) -> Iterator[Event]:
    """Yield an event for each sink that will never be told of something."""
    for run in ended:
        if run.summary.drop:
            yield _build_drop_event(run.queue.spec, run.summary.drop, now)
    for spec, drop in found.removed:
        yield _build_drop_event(spec, drop, now)


def _build_drop_event(spec: QueueSpec, drop: Drop, now: float) -> Event:
    events = "an event" if drop.event_count == 1 else f"{drop.event_count} events"
    data = {
        "sink": spec.name,
        "count": drop.event_count,
        "since_at": drop.since_at,
        "reason": f"{events} for {spec.name}: {drop.reason}",
    }
    # The same again, when we are killed before what was dropped is forgotten.
    return Event(f"dropped-{spec.key}-{drop.upto}", now, "dropped", None, MACHINE, data)


def forget_memories(state: State, settings: Settings) -> NoteChanges:
    """Return the change that makes no tick look any more for sinks that are gone, all of those with a memory."""
    if SINK_MEMORY_NOTE.topic not in state.notes or find_synced_sinks(settings.sinks):
        return {}
    return SINK_MEMORY_NOTE.write(None)


def build_hook_fault(failing: Sequence[SinkHealth], now: float) -> HookFault:
    """Return the error of a tick while sinks fail: the same for as long as nothing changes, as it is mailed once."""
    is_old = any(now - (each.failing_since_at or now) >= GIVE_UP_AFTER_S for each in failing)
    if all(each.is_synced for each in failing):
        hint = "the next tick tries again"
    elif is_old:
        hint = "it has failed for a day: what is older is dropped"
    else:
        hint = "it is tried again, ever less often, for a day"
    return HookFault("; ".join(dict.fromkeys(each.last_error for each in failing)), hint=hint)
