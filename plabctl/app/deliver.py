"""Telling what happened: the history first, then the event leaves the outbox and waits there for each sink.

I/O, in threads beside the tick, because nothing that is slow must ever keep a slot empty. An event leaves the outbox
only after the history has it, so that a death in between records it again; the history knows an event by its id and
keeps it once. Each sink has a place of its own in the history (`plabctl.app.sink_runs`); while events wait for one, the
state says so in a note (`plabctl.core.sink_health`), so that the next tick looks. A command that changes something
records it itself, and leaves the rest to the next tick: it reads and commits the state once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from plabctl.app import sink_runs
from plabctl.app.background import LEAST_S, Background
from plabctl.app.context import App
from plabctl.app.due_sources import TICK_PREFIX
from plabctl.app.sink_report import build_drop_events, build_hook_fault, build_note, forget_memories
from plabctl.app.sink_runs import Round, SinkRuns
from plabctl.app.sink_threads import R, SinkThreads
from plabctl.core.model import Event
from plabctl.core.sink_health import RECEIPTS_NOTE, SINKS_NOTE, is_due, list_failing
from plabctl.core.state import Changes, State
from plabctl.errors import PlabctlError, StoreError
from plabctl.files.locks import open_locked
from plabctl.sinks.base import SinkContext
from plabctl.sinks.command import list_experiment_sinks
from plabctl.sinks.queue_setup import Occasion
from plabctl.sinks.tell import find_kind, tell_records

PAUSE_S = 2.0
"""A long tick delivers this often, in seconds, not after every step."""
QUICK_S = 1.0
"""How long the outbox waits for the sinks, so that one commit records the results of both."""
BEGIN_S = 30.0
"""For how long a tick with nothing else to do starts deliveries; those under way run until their own time-out."""
_LOOK_S = 0.5
_SLACK_S = 5.0


class DeliveryResult(NamedTuple):
    """What came of a round: which events may leave the outbox, what was found of the queues, and what went wrong."""

    delivered: frozenset[str] = frozenset()
    found: Round = Round()
    fault: PlabctlError | None = None


class Delivery:
    """Delivers for one process. Only one process empties the outbox at a time: the holder of `deliver.lock`.

    A process that does not get the lock leaves its events to the holder, or to the next tick.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock: int | None = None
        self._worker: threading.Thread | None = None
        self._result: DeliveryResult | None = None
        self._next_at = app.clock.monotonic() + PAUSE_S
        self._started_at = app.clock.now()
        self._occasion = Occasion((), (), {}, (), is_last=False, is_newest=False)
        self._fault: PlabctlError | None = None
        self._patience_s = float("inf")  # for so long sinks are still waited for
        self._context = SinkContext(app.settings.state_dir, app.settings.origin, describe=sink_runs.describe)
        self._runs = SinkRuns(app, self._context)
        for sink in app.settings.all_sinks:
            find_kind(sink)  # its module is loaded now: while probes run, another version may be in its place

    @property
    def has_result(self) -> bool:
        """Return whether something was told that the state is to say now."""
        return self._result is not None or self._runs.threads.has_ended

    def note_outbox(self, state: State) -> None:
        """Take note of the outbox as it is about to be committed, and of who is to be told."""
        settings, events = self._app.settings, tuple(state.outbox)
        own = tuple(list_experiment_sinks(state.experiments, events, settings.experiment.hook_timeout_s))
        if own or len(settings.all_sinks) > 1:
            sink_runs.load()
        mark = state.tick
        self._occasion = Occasion(
            (*settings.all_sinks, *own),
            events,
            SINKS_NOTE.read(state.notes),
            RECEIPTS_NOTE.read(state.notes),
            is_last=False,
            # A tick that began later reads a newer configuration.
            is_newest=mark is None or not self._started_at < mark.started_at <= self._app.clock.now(),
        )

    def start(self) -> None:
        """Begin to tell what was looked at, now that it is committed, unless that is going on."""
        is_time = self._app.clock.monotonic() >= self._next_at
        if is_time and self._has_work() and self._lock is None and self._try_lock():
            worker = threading.Thread(target=self._deliver, args=(self._occasion,), daemon=True)
            try:
                worker.start()
            except RuntimeError:  # no thread to be had: it is told at the end of the tick
                self._unlock()
                self._next_at = self._app.clock.monotonic() + PAUSE_S
            else:
                self._worker = worker

    def _has_work(self) -> bool:
        now = self._app.clock.now()
        return bool(self._occasion.events) or any(is_due(each, now) for each in self._occasion.health.values())

    def record(self, events: Sequence[Event]) -> None:
        """Put `events` on record now, unless somebody delivers; raise StoreError when that is impossible."""
        if not self._try_lock():
            if self._fault:
                raise self._fault
            return
        try:
            tell_records(self._app.settings.all_sinks, events, self._context)
        finally:
            self._unlock()

    def record_outbox(self) -> None:
        """Write what was looked at into the history now. If that is impossible, `finish` raises why."""
        if self._lock is None:
            with suppress(StoreError):
                self.record(self._occasion.events)

    def build_changes(self, state: State) -> Changes:
        """Return the changes that say who was told of what, for the commit under way."""
        result, ended = self._result, self._runs.threads.take()
        forgotten = forget_memories(state, self._app.settings)
        if result is None and not ended:
            return Changes(notes=forgotten or None)
        found = result.found if result else Round()
        self._fault = (result.fault if result else None) or self._fault
        now = self._app.clock.now()
        notes = forgotten | build_note(SINKS_NOTE.read(state.notes), found, ended, now)
        if result and not result.fault and RECEIPTS_NOTE.topic in state.notes:
            notes |= RECEIPTS_NOTE.write(None)
        events = tuple(build_drop_events(found, ended, now))
        return Changes(events=events, delivered=result.delivered if result else frozenset(), notes=notes or None)

    def after_commit(self) -> None:
        """Let others deliver: what was told has left the outbox. If the commit failed it is told again, harmlessly."""
        self._runs.settle(self._result.found.removed if self._result else ())
        if self._result is not None:
            self._result, self._worker = None, None
            self._unlock()
            self._next_at = self._app.clock.monotonic() + PAUSE_S

    def finish(self, is_stopped: Callable[[], bool] = lambda: False, background: Background | None = None) -> None:
        """Tell what is left, as far as that is done soon, and let other processes deliver.

        A sink that was begun to be told is waited for, unless `is_stopped`; what takes longer than the `background`
        has patience goes on there. Raise the error for which something could not be told, now or earlier; it waits.
        """
        self._runs.end_soon(BEGIN_S)
        self._patience_s = background.patience_s if background else float("inf")
        try:
            if self._worker:
                self._worker.join()
                self._commit()
            self._empty_outbox()
            self._wait_for_sinks(is_stopped)
        finally:
            self._unlock()
            if background:
                background.patience_s = max(LEAST_S, self._patience_s)
                if self.is_telling:
                    background.add(self.go_on)
        if self._fault:
            raise self._fault
        if failing := list_failing(self._occasion.health, but=TICK_PREFIX):
            raise build_hook_fault(failing, self._app.clock.now())

    @property
    def is_telling(self) -> bool:
        """Return whether a sink is being told something, or was, and the state does not say so yet."""
        return self._runs.threads.is_running

    def go_on(self, is_stopped: Callable[[], bool]) -> None:
        """Wait for the sinks for which `finish` had no patience, unless `is_stopped`, and commit how it went."""
        self._patience_s = float("inf")
        self._wait_for_sinks(is_stopped)

    def _empty_outbox(self) -> None:
        tried: set[str] = set()
        is_first = True
        # Again while events come in: another tick may have ended meanwhile and left its events to us.
        while (is_first and self._occasion.health) or {event.id for event in self._occasion.events} - tried:
            if not self._try_lock():
                return
            is_first = False
            tried.update(event.id for event in self._occasion.events)
            self._fault = None
            self._deliver(self._occasion._replace(is_last=True))
            self._wait(self._runs.threads, QUICK_S, for_all=True)
            self._commit()

    def _wait_for_sinks(self, is_stopped: Callable[[], bool]) -> None:
        longest_s = max((sink.timeout_s for sink in self._occasion.sinks), default=0.0)
        self._wait_for(self._runs.threads, BEGIN_S + longest_s + _SLACK_S, is_stopped)

    def _wait_for(self, threads: SinkThreads[R], seconds: float, is_stopped: Callable[[], bool]) -> None:
        """Wait for `threads` and commit what comes of them, unless the patience is over or `is_stopped`."""
        end = self._app.clock.monotonic() + seconds
        while threads.is_running and self._patience_s > 0 and not is_stopped() and self._app.clock.monotonic() < end:
            self._wait(threads, _LOOK_S)
            if threads.has_ended:
                self._commit()

    def _wait(self, threads: SinkThreads[R], seconds: float, *, for_all: bool = False) -> None:
        began = self._app.clock.monotonic()
        threads.wait(min(seconds, max(0.0, self._patience_s)), for_all=for_all)
        self._patience_s -= self._app.clock.monotonic() - began

    def _commit(self) -> None:
        with self._app.store.session() as state:
            state.apply(self.build_changes(state))
            self.note_outbox(state)
        self.after_commit()

    def _deliver(self, occasion: Occasion) -> None:
        try:
            tell_records(occasion.sinks, occasion.events, self._context)
            has_sinks = len(occasion.sinks) > 1 or occasion.health or self._runs.has_run_before
            found = self._runs.begin(occasion) if has_sinks else Round()
        except StoreError as error:
            # A damaged history must not keep the pools from being true: the events wait, and we complain at the end.
            self._result = DeliveryResult(fault=error)
        else:
            self._result = DeliveryResult(frozenset(event.id for event in occasion.events), found)

    def _try_lock(self) -> bool:
        try:
            descriptor = open_locked(f"{self._app.settings.state_dir}/deliver.lock")
        except StoreError as error:
            self._fault = error  # told at the end: until then the probes that run are worth more
            return False
        if descriptor is None:
            return False
        self._lock = descriptor
        return True

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
