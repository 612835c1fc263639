"""Keeping other systems in line with where the nodes stand: what sinks of a `SyncSinkKind` do, beside the tick.

I/O, in a thread for each such sink, so that one that hangs keeps no slot empty. A tick looks at its beginning, again
when a node has moved, and at its end; whatever went wrong is told like the failure of any sink, and the next tick tries
again. Go on with `plabctl.core.standing` for what they are told, and with `plabctl.app.sync_results` for what comes of
it.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from plabctl.app.context import App
from plabctl.app.deliver import PAUSE_S, Delivery
from plabctl.app.sync_results import EndedSync, add_sync_results
from plabctl.core.event_kinds import PLACE_KINDS
from plabctl.core.model import Event
from plabctl.core.standing import list_standings
from plabctl.core.state import Changes, State
from plabctl.errors import StoreError
from plabctl.files.locks import poll_lock
from plabctl.files.private import as_store_error, open_private
from plabctl.sinks.base import SinkContext, SyncResult, SyncSinkKind
from plabctl.sinks.tell import build_sync_keys, find_kind
from plabctl.store.store import Store

if TYPE_CHECKING:
    from plabctl.app.goals import TickGoal
    from plabctl.core.settings import SinkSettings

_LOCK_WAIT_S = 10.0
"""How long it is waited for another process that is at it; then what we have seen is left to the next tick."""
_LOCK_LOOK_S = 0.05
_LOOK_S = 0.5
_SLACK_S = 5.0


def make_delivery(app: App, tick_goal: TickGoal | None) -> Delivery:
    """Return what delivers for a tick; one without a goal brings other systems in line even if no node moves."""
    return SyncingDelivery(app, is_whole=tick_goal is None) if app.settings.synced_sinks else Delivery(app)


def sync_now(app: App, *, is_rehearsal: bool) -> list[EndedSync]:
    """Bring all these systems in line now, one after the other; in a rehearsal nothing is changed. Raise StoreError."""
    context = SinkContext(app.settings.state_dir, app.settings.origin)
    ended = [
        EndedSync(key, sink, result)
        for number, (key, sink) in enumerate(build_sync_keys(app.settings.sinks).items(), 1)
        if (result := _sync(app, number, sink, context, is_rehearsal=is_rehearsal))
    ]
    if not is_rehearsal:
        with app.store.session() as state:
            state.apply(add_sync_results(Changes(), state, app.settings, ended, app.clock.now(), random.Random()))
    return ended


class SyncingDelivery(Delivery):
    """Delivers, and keeps other systems in line."""

    def __init__(self, app: App, *, is_whole: bool) -> None:
        super().__init__(app)
        self._syncs = _SyncRuns(app, self._context, is_due=is_whole)

    @property
    def has_result(self) -> bool:
        """Return whether something was told, or done, that the state is to say now."""
        return super().has_result or self._syncs.has_ended

    def note_outbox(self, state: State) -> None:
        """Take note of the outbox as it is about to be committed, and of nodes that moved."""
        super().note_outbox(state)
        self._syncs.note(state.outbox)

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
        self._syncs.settle()

    def _empty_outbox(self) -> None:
        self._syncs.begin(is_last=True)
        super()._empty_outbox()

    def _wait_for_sinks(self, is_stopped: Callable[[], bool]) -> None:
        super()._wait_for_sinks(is_stopped)
        longest_s = max(sink.timeout_s for sink in self._app.settings.synced_sinks)
        end = self._app.clock.monotonic() + 2 * (longest_s + _LOCK_WAIT_S) + _SLACK_S
        self._syncs.begin(is_last=True)
        while self._syncs.is_running and not is_stopped() and self._app.clock.monotonic() < end:
            self._syncs.wait(_LOOK_S)
            if self._syncs.has_ended:
                self._commit()
            self._syncs.begin(is_last=True)


class _SyncRuns:
    """The runs of one process."""

    def __init__(self, app: App, context: SinkContext, *, is_due: bool) -> None:
        self._app = app
        self._context = context
        self._sinks = build_sync_keys(app.settings.sinks)
        self._is_due = is_due
        self._has_failed = False
        """What went wrong is tried again by the next tick: one that hangs would delay the end of this one again."""
        self._next_at = app.clock.monotonic()
        self._seen: set[str] = set()
        self._changed = threading.Condition()
        self._running: set[str] = set()
        self._ended: list[EndedSync] = []
        self._taken: list[EndedSync] = []

    @property
    def has_ended(self) -> bool:
        """Return whether there is a result to commit."""
        return bool(self._ended)

    @property
    def is_running(self) -> bool:
        """Return whether something runs, or has a result that is not committed."""
        return bool(self._running or self._ended)

    def note(self, events: Sequence[Event]) -> None:
        """Take note of what happened: it is time to look again when a node has moved."""
        new = {event.id for event in events if event.kind in PLACE_KINDS} - self._seen
        self._seen |= new
        self._is_due = self._is_due or bool(new)

    def begin(self, *, is_last: bool = False) -> None:
        """Begin if it is time to, and the last run is over; the last runs of a tick make no pause."""
        now = self._app.clock.monotonic()
        if not self._is_due or self._has_failed or self.is_running or (now < self._next_at and not is_last):
            return
        self._is_due = False
        self._next_at = now + PAUSE_S
        for number, (key, sink) in enumerate(self._sinks.items(), 1):
            self._running.add(key)
            try:
                threading.Thread(target=partial(self._run, number, key, sink), daemon=True).start()
            except RuntimeError:  # no thread to be had: the next tick does it
                self._running.discard(key)

    def wait(self, seconds: float) -> None:
        """Wait until a run has ended, but for no longer than that."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._running, seconds)

    def take(self) -> list[EndedSync]:
        """Return the runs that have ended and are not committed."""
        self._taken = list(self._ended)
        return self._taken

    def settle(self) -> None:
        """Forget the runs that were taken, as they are committed now."""
        with self._changed:  # another sink's run may end now
            self._ended = [each for each in self._ended if each not in self._taken]
        self._taken = []

    def _run(self, number: int, key: str, sink: SinkSettings) -> None:
        name = find_kind(sink).describe(sink)
        result: SyncResult | None = SyncResult(error=f"{name}: plabctl failed, see the message before")
        try:
            result = _sync(self._app, number, sink, self._context)
        except StoreError as error:
            result = SyncResult(error=f"{name}: {error}")
        finally:
            with self._changed:
                self._running.discard(key)
                if result:
                    self._has_failed = self._has_failed or bool(result.error)
                    self._ended.append(EndedSync(key, sink, result))
                self._changed.notify_all()


def _sync(
    app: App, number: int, sink: SinkSettings, context: SinkContext, *, is_rehearsal: bool = False
) -> SyncResult | None:
    """Bring one system in line; return None when another process does so for too long. Raise StoreError."""
    kind = find_kind(sink)
    assert isinstance(kind, SyncSinkKind), "others are told events"
    settings = app.settings
    path = f"{settings.state_dir}/sync-{number}.lock"
    with as_store_error("lock", path):
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        if not poll_lock(descriptor, _LOCK_WAIT_S, _LOCK_LOOK_S):
            return None
        # Read anew: the store of the tick is not for other threads, and another process may have changed the state.
        store = Store(settings.state_dir, app.clock, network_disk=True, owners=settings.origin.owners)
        standings = list(list_standings(store.snapshot(), settings, app.clock.now(), kind.actor_prefix))
        return kind.sync(sink, standings, sink.timeout_s, context, is_rehearsal=is_rehearsal)
    finally:
        os.close(descriptor)
