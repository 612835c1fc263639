"""Telling one sink what waits for it, and telling the record, which is the history.

I/O. Always ends. A sink is told in the order of the history, and at least once: its place moves on after it took an
event, so that whoever is killed in between tells it again. Nothing here knows of other sinks; `plabctl.app.sink_runs`
runs them side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from plabctl.clock import Clock
from plabctl.core.model import Event
from plabctl.core.settings import SinkSettings
from plabctl.core.sink_health import GIVE_UP_AFTER_S, MAX_WAITING
from plabctl.history.sink_queues import Queue, QueueSpec, SinkQueues
from plabctl.kinds import find
from plabctl.sinks.base import SinkContext, SinkKind, TellResult
from plabctl.sinks.command import find_command

_ROOM = 3 / 4
"""The share of `MAX_WAITING` that is kept when there is more, so that not every further event causes a drop."""


class Drop(NamedTuple):
    """Events that a sink will never be told of: how many, up to which place, the oldest of them, and why."""

    event_count: int
    upto: int
    since_at: float
    reason: str


class TellSummary(NamedTuple):
    """How it went: up to which place the sink was told, how many events wait still, and what went wrong."""

    seq: int
    waiting_count: int = 0
    error: str = ""
    drop: Drop | None = None
    """What is given up; the caller moves the place of the sink once that is committed."""


def find_kind(sink: SinkSettings) -> SinkKind:
    """Return the kind of a sink."""
    kind: SinkKind = find("sink", sink.kind)
    return kind


def build_specs(sinks: Sequence[SinkSettings]) -> dict[str, tuple[QueueSpec, SinkSettings]]:
    """Return the queues of all of `sinks` that are no record, by key. Two that are the same have two keys."""
    import hashlib  # which loads OpenSSL: only where there are sinks

    found: dict[str, tuple[QueueSpec, SinkSettings]] = {}
    for sink in sinks:
        kind = find_kind(sink)
        if kind.is_record or kind.is_eventless:
            continue
        identity = kind.identify(sink)
        parts = [sink.kind, identity, sorted(sink.on), sink.experiment]
        digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=9).hexdigest()
        key = next(key for key in (digest, *(f"{digest}-{number}" for number in range(2, 999))) if key not in found)
        spec = QueueSpec(key, kind.describe(sink), sink.kind, identity, sink.on, sink.experiment, find_command(sink))
        found[key] = (spec, sink)
    return found


def tell_records(sinks: Sequence[SinkSettings], events: Sequence[Event], context: SinkContext) -> None:
    """Tell those of the sinks that are a record of everything; raise StoreError when one cannot take the events."""
    for sink in sinks:
        kind = find_kind(sink)
        if kind.is_record:
            kind.tell(sink, events, sink.timeout_s, context)


def tell_sink(
    sink: SinkSettings,
    queue: Queue,
    queues: SinkQueues,
    clock: Clock,
    context: SinkContext,
    may_begin: Callable[[], bool] = lambda: True,
) -> TellSummary:
    """Tell the sink what waits in its queue, oldest first, until it fails or nothing waits.

    Nothing more is begun when `may_begin` says no; what is begun has the time-out of the sink. Raise StoreError.
    """
    kind = find_kind(sink)
    is_batch, seq = kind.takes_batches(sink), queue.seq
    while places := queues.list_waiting(queue._replace(seq=seq)):
        if len(places) > MAX_WAITING:
            return _drop_surplus(queues, queue, seq, places)
        through, rows = queues.read_batch(queue, places)
        for part in [rows] if is_batch and rows else [[row] for row in rows]:
            if not may_begin():
                return TellSummary(seq, _count_after(places, seq))
            told = _tell(kind, sink, [event for _, event in part], context)
            if not told.ok:
                drop = _find_old(queues, queue, [place for place in places if place > seq], clock.now())
                return TellSummary(seq, _count_after(places, drop.upto if drop else seq), told.error, drop)
            seq = part[-1][0]
            queues.advance(queue, seq)
        if through > seq:  # rows that are none of ours
            seq = through
            queues.advance(queue, seq)
    return TellSummary(seq)


def _count_after(places: Sequence[int], seq: int) -> int:
    return sum(place > seq for place in places)


def _drop_surplus(queues: SinkQueues, queue: Queue, seq: int, places: Sequence[int]) -> TellSummary:
    count = len(places) - round(_ROOM * MAX_WAITING)
    oldest = queues.find_oldest(queue, places)
    drop = Drop(count, places[count - 1], oldest.at if oldest else 0.0, f"more than {MAX_WAITING} events waited")
    return TellSummary(seq, len(places) - count, drop=drop)


def _find_old(queues: SinkQueues, queue: Queue, places: Sequence[int], now: float) -> Drop | None:
    """Return the drop of what a failing sink could not be told of for too long."""
    count, upto, since_at = 0, 0, 0.0
    for seq, event in queues.read_events(queue, places):
        if event and now - event.at < GIVE_UP_AFTER_S:
            break
        if event:
            count, upto, since_at = count + 1, seq, since_at or event.at
    return Drop(count, upto, since_at, "it failed for a day") if count else None


def _tell(kind: SinkKind, sink: SinkSettings, events: Sequence[Event], context: SinkContext) -> TellResult:
    return TellResult(ok=False, error=kind.fault) if kind.fault else kind.tell(sink, events, sink.timeout_s, context)
