"""Keeping other systems in line with where the nodes stand: what sinks of a `SyncSinkKind` do, beside the tick.

I/O, in a thread for each such sink, so that one that hangs keeps no slot empty. A tick looks at its beginning if that
was not done for as long as the sink says, and again when something happened that the sink looks on; a kind may have it
wait for what the tick finds. Whatever went wrong is told like the failure of any sink, and the next tick tries again.
Go on with `plabctl.sinks.base.Scene` for what they go by, and with `plabctl.app.sync_results` for what comes of it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from plabctl.app.context import App, duplicate
from plabctl.app.deliver import Delivery
from plabctl.app.due_sources import find_due_syncs, find_sync_kind, find_synced_sinks, name_sync_stamp
from plabctl.app.queries import read_context_of
from plabctl.app.sink_threads import SinkThreads
from plabctl.app.sync_results import EndedSync, add_sync_results
from plabctl.app.tell_faults import find_faults
from plabctl.core.sink_health import SINK_MEMORY_NOTE, SINKS_NOTE
from plabctl.core.state import Changes, State
from plabctl.errors import StoreError
from plabctl.files.locks import poll_lock
from plabctl.files.private import as_store_error, open_private
from plabctl.sinks.base import Scene, SinkContext, SyncResult

if TYPE_CHECKING:
    from plabctl.app.goals import TickGoal
    from plabctl.core.settings import SinkSettings

_LOCK_WAIT_S = 10.0
"""How long it is waited for another process that is at it; then what we have seen is left to the next tick."""
_LOCK_LOOK_S = 0.05
_SLACK_S = 5.0


def make_delivery(app: App, tick_goal: TickGoal | None) -> Delivery:
    """Return what delivers for a tick; one without a goal brings other systems in line even if no node moves."""
    is_syncing = app.settings.eventless_sinks and find_synced_sinks(app.settings.sinks)
    return SyncingDelivery(app, is_whole=tick_goal is None) if is_syncing else Delivery(app)


def sync_now(app: App, *, is_rehearsal: bool) -> list[EndedSync]:
    """Bring all these systems in line now, one after the other; in a rehearsal nothing is changed. Raise StoreError."""
    context = SinkContext(app.settings.state_dir, app.settings.origin, is_waited=True)
    ended = [
        EndedSync(key, sink, result)
        for number, (key, sink) in enumerate(find_synced_sinks(app.settings.sinks).items(), 1)
        if (result := _sync(app, number, key, sink, context, is_rehearsal=is_rehearsal))
    ]
    if not is_rehearsal:
        with app.store.session() as state:
            state.apply(add_sync_results(Changes(), state, app.settings, ended, app.clock.now(), random.Random()))
    return ended


class SyncingDelivery(Delivery):
    """Delivers, and keeps other systems in line."""

    def __init__(self, app: App, *, is_whole: bool) -> None:
        super().__init__(app)
        self._syncs = _SyncRuns(app, self._context, is_whole=is_whole)

    @property
    def has_result(self) -> bool:
        """Return whether something was told, or done, that the state is to say now."""
        return super().has_result or self._syncs.threads.has_ended

    @property
    def is_telling(self) -> bool:
        """Return whether a sink is being told something, or brought in line, and the state does not say so yet."""
        return super().is_telling or self._syncs.threads.is_running

    def note_outbox(self, state: State) -> None:
        """Take note of the outbox as it is about to be committed, and of nodes that moved."""
        super().note_outbox(state)
        self._syncs.note(state)

    def start(self) -> None:
        """Begin to tell what was looked at, and to bring in line what is due."""
        super().start()
        self._syncs.begin()

    def build_changes(self, state: State) -> Changes:
        """Return the changes that say who was told of what, and what was found elsewhere."""
        changes = super().build_changes(state)
        now = self._app.clock.now()
        return add_sync_results(changes, state, self._app.settings, self._syncs.take(), now, random.Random())

    def after_commit(self) -> None:
        """Let others deliver, and forget what is committed now."""
        super().after_commit()
        self._syncs.threads.settle()

    def _empty_outbox(self) -> None:
        self._syncs.begin(is_last=True)
        super()._empty_outbox()

    def _wait_for_sinks(self, is_stopped: Callable[[], bool]) -> None:
        super()._wait_for_sinks(is_stopped)
        self._syncs.begin(is_last=True)
        self._wait_for(self._syncs.threads, 2 * self._syncs.longest_s + _SLACK_S, is_stopped)

    def _commit(self) -> None:
        super()._commit()
        self._syncs.begin(is_last=True)  # what has become due by what is committed


class _SyncRuns:
    """The runs of one process."""

    def __init__(self, app: App, context: SinkContext, *, is_whole: bool) -> None:
        self._app = app
        self._context = context
        self.threads: SinkThreads[EndedSync] = SinkThreads()
        self._sinks = find_synced_sinks(app.settings.sinks)
        self._is_whole = is_whole
        self._due: set[str] = set()
        self._has_looked = False
        self._failed: set[str] = set()
        """What went wrong is tried again by the next tick: one that hangs would delay the end of this one again."""
        now, kinds = app.clock.monotonic(), {key: find_sync_kind(sink) for key, sink in self._sinks.items()}
        self._next_at = {key: now + kind.least_pause_s for key, kind in kinds.items() if not kind.begins_with_tick}
        self._seen: set[str] = set()

    @property
    def longest_s(self) -> float:
        """Return how long one of them may take at most."""
        return max((sink.timeout_s for sink in self._sinks.values()), default=0.0) + _LOCK_WAIT_S

    def note(self, state: State) -> None:
        """Take note of what happened, and at first of what is due though nothing did: it is time to look again."""
        if self._is_whole and not self._has_looked:
            self._has_looked = True
            self._due |= self._find_due(state)
        new = [event for event in state.outbox if event.id not in self._seen]
        self._seen |= {event.id for event in new}
        kinds = {event.kind for event in new}
        self._due |= {key for key, sink in self._sinks.items() if kinds.intersection(find_sync_kind(sink).looks_on)}

    def _find_due(self, state: State) -> set[str]:
        often = {key for key, sink in self._sinks.items() if find_sync_kind(sink).find_interval(sink) is None}
        return {*often, *find_due_syncs(self._app), *(SINKS_NOTE.read(state.notes).keys() & self._sinks.keys())}

    def begin(self, *, is_last: bool = False) -> None:
        """Begin what is due and may begin; the last runs of a tick make no pause."""
        now = self._app.clock.monotonic()
        for number, (key, sink) in enumerate(self._sinks.items(), 1):
            if key in self._due and self._may_begin(key, now, is_last=is_last):
                self._due.discard(key)
                kind = find_sync_kind(sink)
                self._next_at[key] = now + kind.least_pause_s
                result = SyncResult(error=f"{kind.describe(sink)}: plabctl failed, see the message before")
                # Where no thread is to be had the next tick does it.
                self.threads.start(key, partial(self._run, number, key, sink), EndedSync(key, sink, result))

    def _may_begin(self, key: str, now: float, *, is_last: bool) -> bool:
        # What its last run returned is committed first: the next one goes by it.
        is_free = key not in self._failed and not self.threads.runs(key) and not self.threads.has_ended
        return is_free and (is_last or now >= self._next_at.get(key, now))

    def take(self) -> list[EndedSync]:
        """Return the runs that have ended and are not committed."""
        taken = self.threads.take()
        self._failed |= {each.key for each in taken if each.result.error}
        return taken

    def _run(self, number: int, key: str, sink: SinkSettings) -> EndedSync | None:
        try:
            result = _sync(self._app, number, key, sink, self._context)
        except StoreError as error:
            result = SyncResult(error=f"{find_sync_kind(sink).describe(sink)}: {error}")
        return EndedSync(key, sink, result) if result else None


def _sync(
    app: App, number: int, key: str, sink: SinkSettings, context: SinkContext, *, is_rehearsal: bool = False
) -> SyncResult | None:
    """Bring one system in line; return None when another process does so for too long. Raise StoreError."""
    path = f"{app.settings.state_dir}/sync-{number}.lock"
    with as_store_error("lock", path):
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        if not poll_lock(descriptor, _LOCK_WAIT_S, _LOCK_LOOK_S):
            return None
        # Read anew: the store of the tick is not for other threads, and another process may have changed the state.
        own = duplicate(app)
        scene = read_scene(own, key)
        result = find_sync_kind(sink).sync(sink, scene, sink.timeout_s, context, is_rehearsal=is_rehearsal)
        if not (is_rehearsal or result.error):
            own.store.beat(name_sync_stamp(key))
        return result
    finally:
        os.close(descriptor)


def read_scene(app: App, key: str) -> Scene:
    """Return what is so now for the sink with that key; raise StoreError."""
    context = read_context_of(app)
    memory = SINK_MEMORY_NOTE.read(context.state.notes).get(key, {})
    return Scene(context.state, app.settings, context.now, lambda: find_faults(context), memory)
