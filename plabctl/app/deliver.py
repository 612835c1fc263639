"""Telling what happened: the sinks are told, the history first, then the event leaves the outbox.

I/O, in a thread beside the tick, because a slow sink must never keep a slot empty. An event leaves the outbox only
after every sink was told, so that a death in between tells it again; the history knows an event by its id and keeps it
once, other sinks get the id and may do the same. A command that changes something tells the history itself, and leaves
the rest to the next tick: it reads and commits the state once. How a batch is told is decided in `plabctl.sinks.tell`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from plabctl.app.context import App
from plabctl.core.model import Event
from plabctl.core.notes import NoteKind, Notes
from plabctl.core.settings import SinkSettings
from plabctl.core.state import Changes, State
from plabctl.errors import HookFault, PlabctlError, StoreError
from plabctl.files.locks import try_lock
from plabctl.files.private import as_store_error, open_private
from plabctl.sinks.base import SinkContext
from plabctl.sinks.command import list_experiment_sinks
from plabctl.sinks.tell import find_kind, tell_records, tell_sinks

PAUSE_S = 2.0
"""A long tick tells what happened this often, not after every step."""
BUDGET_S = 60.0
"""How long the sinks of one delivery may take together; what they were not told of waits for the next."""
RECEIPTS_NOTE = NoteKind(
    "hooks",
    decode=lambda reader: [(str(sink), str(id_)) for sink, id_ in reader.read_rows("receipts", str, str)],
    encode=lambda receipts: {"receipts": [list(receipt) for receipt in receipts]},
)
"""Which sink was told already of which event that others could not be told of."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What came of telling a batch: what may leave the outbox, the note to keep, and what went wrong."""

    delivered: frozenset[str] = frozenset()
    receipts: tuple[tuple[str, str], ...] = ()
    fault: PlabctlError | None = None


class Delivery:
    """Delivers for one process. Only one process delivers at a time: the holder of `deliver.lock`.

    Whoever does not get the lock leaves its events to the holder, or to the next tick.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock: int | None = None
        self._worker: threading.Thread | None = None
        self._result: DeliveryResult | None = None
        self._next_at = app.clock.monotonic() + PAUSE_S
        self._left: tuple[Event, ...] = ()
        self._notes: Notes = {}
        self._sinks: tuple[SinkSettings, ...] = ()
        self._fault: PlabctlError | None = None
        self._context = SinkContext(app.settings.state_dir, app.settings.origin)
        for sink in app.settings.all_sinks:
            find_kind(sink)  # its module is loaded now: while probes run, another version may be in its place

    @property
    def has_result(self) -> bool:
        """Return whether a telling has ended whose events can leave the outbox now."""
        return self._result is not None

    def note_outbox(self, state: State) -> None:
        """Take note of the outbox as it is about to be committed, and of who is to be told."""
        self._left, self._notes = tuple(state.outbox), dict(state.notes)
        settings = self._app.settings
        own = list_experiment_sinks(state, self._left, settings.experiment.hook_timeout_s)
        self._sinks = (*settings.all_sinks, *own)

    def start(self) -> None:
        """Begin to tell what was looked at, now that it is committed, unless that is going on."""
        if self._left and self._lock is None and self._app.clock.monotonic() >= self._next_at and self._try_lock():
            arguments = (self._left, self._notes, self._sinks)
            worker = threading.Thread(target=self._deliver, args=arguments, daemon=True)
            try:
                worker.start()
            except RuntimeError:  # no thread to be had: it is told at the end of the tick
                self._unlock()
                self._next_at = self._app.clock.monotonic() + PAUSE_S
            else:
                self._worker = worker

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
                self.record(self._left)

    def build_changes(self) -> Changes:
        """Return the changes by which told events leave the outbox, for the commit under way."""
        result = self._result
        if result is None:
            return Changes()
        self._fault = result.fault or self._fault
        has_note = result.receipts or RECEIPTS_NOTE.topic in self._notes
        notes = RECEIPTS_NOTE.write(list(result.receipts) or None) if has_note else None
        return Changes(delivered=result.delivered, notes=notes)

    def after_commit(self) -> None:
        """Let others deliver: what was told has left the outbox. If the commit failed it is told again, harmlessly."""
        if self._result is not None:
            self._result, self._worker = None, None
            self._unlock()
            self._next_at = self._app.clock.monotonic() + PAUSE_S

    def finish(self) -> None:
        """Tell what is left, take it out of the outbox, and let other processes deliver.

        Raise the error for which something could not be told, now or earlier; it waits in the outbox.
        """
        try:
            if self._worker:
                self._worker.join()
                self._commit()
            tried: set[str] = set()
            # Again while events come in: another tick may have ended meanwhile and left its events to us.
            while {event.id for event in self._left} - tried and self._try_lock():
                tried.update(event.id for event in self._left)
                self._fault = None
                self._deliver(self._left, self._notes, self._sinks)
                self._commit()
        finally:
            self._unlock()
        if self._fault:
            raise self._fault

    def _commit(self) -> None:
        with self._app.store.session() as state:
            state.apply(self.build_changes())
            self.note_outbox(state)
        self.after_commit()

    def _deliver(self, events: Sequence[Event], notes: Notes, sinks: Sequence[SinkSettings]) -> None:
        receipts = RECEIPTS_NOTE.read(notes)
        try:
            done = tell_sinks(sinks, events, self._app.clock, BUDGET_S, self._context, receipts)
        except StoreError as error:
            # A damaged history must not keep the pools from being true: the events wait, and we complain at the end.
            self._result = DeliveryResult(receipts=tuple(receipts), fault=error)
            return
        are_told_again = len(done.delivered) < len(events)
        hint = "the next tick tries it again" if are_told_again else "fix it: events that it missed are not sent again"
        fault = HookFault("; ".join(done.faults), hint=hint) if done.faults else None
        self._result = DeliveryResult(done.delivered, tuple(sorted(done.receipts)), fault)

    def _try_lock(self) -> bool:
        path = f"{self._app.settings.state_dir}/deliver.lock"
        try:
            with as_store_error("lock", path):
                descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        except StoreError as error:
            self._fault = error  # told at the end: until then the probes that run are worth more
            return False
        if not try_lock(descriptor):
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def record_events(app: App, events: Sequence[Event]) -> None:
    """Write the committed `events` into the history at once, for a command that has just made some of them.

    They stay in the outbox, from which the next tick takes them when all are told. Raise StoreError when the history
    cannot be written.
    """
    Delivery(app).record(events)


def try_record_events(app: App, events: Sequence[Event]) -> str:
    """Write the committed `events` into the history at once; return what to warn of when that failed."""
    try:
        record_events(app, events)
    except (PlabctlError, OSError) as error:
        return f"the change is made; the next tick will tell the history of it ({error})"
    return ""
