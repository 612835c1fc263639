"""Telling the sinks side by side: each in a thread of its own, one process at a time, by a kernel lock for each sink.

I/O. A round brings the queues in line with the configuration and starts whoever has something to be told; it waits for
nobody. Who was told and who failed is taken from `threads`, and goes into the state with the next commit; until then
the sink stays locked, so that no other tick goes by what is out of date. Go on with `plabctl.sinks.tell`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import NamedTuple

from plabctl.app.context import App, duplicate
from plabctl.app.due_sources import name_eventless_sinks
from plabctl.app.sink_threads import SinkThreads
from plabctl.core.model import Event
from plabctl.core.settings import SinkSettings
from plabctl.core.sink_health import GIVE_UP_AFTER_S, is_due
from plabctl.errors import StoreError
from plabctl.files.locks import open_locked
from plabctl.history.sink_queues import Queue, QueueSpec, SinkQueues
from plabctl.sinks.base import SinkContext
from plabctl.sinks.queue_setup import Occasion, set_up_queues
from plabctl.sinks.tell import Drop, TellSummary, build_specs, find_kind, tell_sink

BATCH_WAIT_S = 60.0
"""The longest that an event waits to be sent in a batch with others."""
_AGAIN_S = 60.0
"""How long one process leaves alone a sink that failed, whatever its back-off: other ticks start meanwhile."""


class Waiting(NamedTuple):
    """What waits for a sink: the newest place, and how many events."""

    name: str
    newest: int
    event_count: int


class Round(NamedTuple):
    """What was found: what waits, by the key of the queue, and the queues of sinks that are gone."""

    waiting: Mapping[str, Waiting] = {}
    settled: Mapping[str, int] = {}
    """Queues that are empty though the state has an event waiting at that place: the tick that told it died."""
    removed: Sequence[tuple[QueueSpec, Drop]] = ()
    keys: frozenset[str] | None = None
    """Of all sinks that there are; None when that is for others to say."""


class EndedRun(NamedTuple):
    """What came of telling one sink."""

    queue: Queue
    summary: TellSummary
    lock: int


class SinkRuns:
    """The runs of one process."""

    def __init__(self, app: App, context: SinkContext) -> None:
        self._app = app
        self._context = context
        self.threads: SinkThreads[EndedRun] = SinkThreads()
        self._failed_at: dict[str, float] = {}
        self._end = float("inf")

    @property
    def has_run_before(self) -> bool:
        """Return whether any sink was ever told of anything here: its queue may still exist."""
        return os.path.exists(self._build_lock_path(1))

    def end_soon(self, seconds: float) -> None:
        """Begin no more tellings after so many seconds; those that run go on to their own end."""
        self._end = min(self._end, self._app.clock.monotonic() + seconds)

    def settle(self, removed: Sequence[tuple[QueueSpec, Drop]]) -> None:
        """Forget what was given up, now that the commit which says so is made, and let other processes tell."""
        ended = self.threads.settle()
        if not (ended or removed):
            return
        try:
            with SinkQueues(self._app.state_dir) as queues, suppress(StoreError):  # it is given up again otherwise
                for run in ended:
                    if run.summary.drop:
                        queues.advance(run.queue, run.summary.drop.upto)
                if removed:
                    queues.change([], [spec.key for spec, _ in removed])
        finally:
            for run in ended:
                os.close(run.lock)

    def begin(self, occasion: Occasion) -> Round:
        """Start whoever can be told now; raise StoreError when the queues cannot be used."""
        with SinkQueues(self._app.state_dir) as queues:
            specs = build_specs(occasion.sinks)
            timeout_s = self._app.settings.experiment.hook_timeout_s
            removed = list(set_up_queues(queues, specs, occasion, timeout_s)) if occasion.is_newest else []
            waiting = {}
            starts = []
            for queue in queues.read_queues():
                if queue.spec.key not in specs:
                    continue
                places = queues.list_waiting(queue)
                if places and queue.spec.key not in occasion.health:
                    places = self._skip_old(queues, queue, places, {event.id for event in occasion.events})
                if places:
                    waiting[queue.spec.key] = Waiting(queue.spec.name, places[-1], len(places))
                    if self._may_start(queues, queue, places, specs[queue.spec.key][1], occasion):
                        starts.append((queue, specs[queue.spec.key][1]))
        self._start(starts, is_last=occasion.is_last)
        settled = {key: each.newest for key, each in occasion.health.items() if key in specs and key not in waiting}
        keys = frozenset({*specs, *name_eventless_sinks(occasion.sinks)}) if occasion.is_newest else None
        return Round(waiting, settled, removed, keys)

    def _skip_old(self, queues: SinkQueues, queue: Queue, places: list[int], new: Collection[str]) -> list[int]:
        """Leave out what is a day old though nobody knows that it waits: the sink was not configured for a while.

        `new` are the ids of the events that were put on record just now.
        """
        before = self._app.clock.now() - GIVE_UP_AFTER_S
        for number, (_, event) in enumerate(queues.read_events(queue, places)):
            if event and (event.at > before or event.id in new):
                if number:
                    queues.advance(queue, places[number - 1])
                return places[number:]
        queues.advance(queue, places[-1])
        return []

    def _may_start(
        self, queues: SinkQueues, queue: Queue, places: Sequence[int], sink: SinkSettings, occasion: Occasion
    ) -> bool:
        key, clock = queue.spec.key, self._app.clock
        if self.threads.runs(key) or not is_due(occasion.health.get(key), clock.now()):
            return False
        if clock.monotonic() < self._failed_at.get(key, float("-inf")) + _AGAIN_S:
            return False
        if occasion.is_last or not find_kind(sink).takes_batches(sink):
            return True
        oldest = queues.find_oldest(queue, places[:1])
        return oldest is not None and not 0 <= clock.now() - oldest.at < BATCH_WAIT_S

    def _start(self, starts: Sequence[tuple[Queue, SinkSettings]], *, is_last: bool) -> None:
        context = self._context._replace(nodes=self._read_nodes()) if starts else self._context
        for queue, sink in starts:
            lock = open_locked(self._build_lock_path(queue.number))
            if lock is None:
                continue
            key, work = queue.spec.key, partial(self._tell, queue, sink, context, lock)
            failed = f"{queue.spec.name}: plabctl failed, see the message before"
            broken = EndedRun(queue, TellSummary(queue.seq, error=failed), lock)
            if self.threads.start(key, work, broken):
                continue
            # No thread is to be had: it is told at the end of the tick.
            if is_last:
                self.threads.run_here(key, work, broken)
            else:
                os.close(lock)

    def _tell(self, queue: Queue, sink: SinkSettings, context: SinkContext, lock: int) -> EndedRun:
        try:
            with SinkQueues(self._app.state_dir) as queues:
                # Another process may have told it more since the round, until it let go of the lock.
                current = {each.spec.key: each for each in queues.read_queues()}.get(queue.spec.key, queue)
                summary = tell_sink(sink, current, queues, self._app.clock, context, self._may_begin)
        except StoreError as error:
            summary = TellSummary(queue.seq, error=f"{queue.spec.name}: {error}")
        if summary.error:
            self._failed_at[queue.spec.key] = self._app.clock.monotonic()
        return EndedRun(queue, summary, lock)

    def _may_begin(self) -> bool:
        return self._app.clock.monotonic() < self._end

    def _read_nodes(self) -> Mapping[str, Mapping[str, str]]:
        """Return the variables of all nodes, read anew: the store of the tick is not for other threads."""
        with suppress(StoreError):  # what happened is told all the same
            return {node.name: node.variables for node in duplicate(self._app).store.snapshot().nodes()}
        return {}

    def _build_lock_path(self, number: int) -> str:
        return f"{self._app.settings.state_dir}/deliver-{number}.lock"


def describe(event: Event) -> str:
    """Return what happened in words; what that needs is loaded by `load`."""
    from plabctl.render.event_table import describe_event

    return describe_event(event)


def load() -> None:
    """Import what describes events: while probes run, another version may be in its place."""
    import_module("plabctl.render.event_table")
