"""Telling those sinks that a tick begins and how it ended that are told of ticks: a ping, a file with metrics.

I/O, in a thread for each such sink. They are told of the end when all else is done, and the tick waits for no more than
a few seconds then: no lock is held, and the next tick begins meanwhile. What goes wrong is noted in the state, for
`check`, and makes no tick fail. Go on with `plabctl.sinks.base.TickSinkKind`.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from plabctl.app.context import App
from plabctl.app.due_sources import find_tick_sinks, name_sync_stamp
from plabctl.app.metrics import read_metrics
from plabctl.app.sink_threads import SinkThreads
from plabctl.core.sink_health import SINKS_NOTE, SinkHealth, note_failure
from plabctl.core.state import Changes, State
from plabctl.errors import PlabctlError, StoreError
from plabctl.files.atomic import remove
from plabctl.files.locks import poll_lock
from plabctl.files.private import open_private
from plabctl.kinds import find
from plabctl.render.metrics_text import format_metrics
from plabctl.sinks.base import SinkContext, TickEnd, TickSinkKind
from plabctl.store.store import Store

_STOPPED = frozenset({130, 143})
_STOPPED_S = 1.0
"""How long is waited when somebody wants the tick to end."""
_LOOK_S = 0.5
_LEAST_S = 0.1
_SLACK_S = 0.2
_PAUSE_S = 0.02


class ToldTick(NamedTuple):
    """What came of telling one sink; `error` is empty when nothing went wrong."""

    key: str
    name: str
    error: str

    @property
    def text(self) -> str:
        """Return in words what went wrong with whom."""
        return f"{self.name}: {self.error}"


def begin_tick(app: App) -> TickSinks | None:
    """Tell those sinks that a tick begins; return what tells them how it ended, None when there are none."""
    if not find_tick_sinks(app.settings.sinks):
        return None
    sinks = TickSinks(app)
    sinks.begin()
    return sinks


class TickSinks:
    """Tells the sinks of one tick."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sinks = find_tick_sinks(app.settings.sinks)
        self._kinds: dict[str, TickSinkKind] = {key: find("sink", sink.kind) for key, sink in self._sinks.items()}
        self._context = SinkContext(app.settings.state_dir, app.settings.origin)
        self._threads: SinkThreads[ToldTick] = SinkThreads()
        self._begun: dict[str, threading.Event] = {}
        self._tick_id = _make_uuid()

    def begin(self) -> None:
        """Begin to tell that the tick begins, and wait for nobody."""
        for key, kind in self._kinds.items():
            if kind.hears_begin:
                self._begun[key] = threading.Event()
                with suppress(RuntimeError):  # no thread to be had
                    threading.Thread(target=self._begin_one, args=(key, kind), daemon=True).start()

    def end(self, exit_code: int, *, says_all: bool) -> list[str]:
        """Tell how the tick ended; return what went wrong in words, unless that was so before and not all is asked."""
        clock, is_stopped = self._app.clock, exit_code in _STOPPED
        ends: dict[str, float] = {}
        for key, kind in self._kinds.items():
            broken = ToldTick(key, kind.describe(self._sinks[key]), "plabctl failed, see the message before")
            end = clock.monotonic() + kind.limit_s
            self._threads.start(key, partial(self._end_one, key, kind, exit_code, end), broken)
            ends[key] = (clock.monotonic() + _STOPPED_S if is_stopped else end) + _SLACK_S
        while any(self._threads.runs(key) and clock.monotonic() < end for key, end in ends.items()):
            self._threads.wait(_LOOK_S, for_all=True)
        told = {each.key: each for each in self._threads.take()}
        late = [
            ToldTick(key, kind.describe(self._sinks[key]), f"no answer within {kind.limit_s:g} s")
            for key, kind in self._kinds.items()
            if self._threads.runs(key) and key not in told and not is_stopped
        ]
        found = [*told.values(), *late]
        new: list[str] = []
        with suppress(PlabctlError):  # the next tick finds it again
            new = self._note(found)
        return [each.text for each in found if each.error] if says_all else new

    def _begin_one(self, key: str, kind: TickSinkKind) -> None:
        try:
            kind.begin_tick(self._sinks[key], self._tick_id, self._context)
        finally:
            self._begun[key].set()

    def _end_one(self, key: str, kind: TickSinkKind, exit_code: int, end: float) -> ToldTick | None:
        sink, path = self._sinks[key], f"{self._app.settings.state_dir}/{name_sync_stamp(key)}.lock"
        clock = self._app.clock
        if key in self._begun:
            self._begun[key].wait(kind.limit_s)  # what ends after its end would seem to run
        try:
            lock = open_private(path, os.O_RDWR | os.O_CREAT)
            try:
                # What an earlier tick found out never replaces what a later one did.
                if not poll_lock(lock, kind.limit_s, _PAUSE_S):
                    return None
                left_s = max(_LEAST_S, end - clock.monotonic())
                how = TickEnd(exit_code, self._write_metrics)
                error = kind.end_tick(sink, self._tick_id, how, left_s, self._context)
            finally:
                os.close(lock)
        except OSError as fault:
            error = (fault.strerror or str(fault)).lower()
        except StoreError as fault:
            error = str(fault)
        return ToldTick(key, kind.describe(sink), error)

    def _write_metrics(self, max_nodes: int) -> str:
        app = self._app
        store = Store(app.settings.state_dir, app.clock, network_disk=True, owners=app.settings.origin.owners)
        return "".join(
            format_metrics(read_metrics(App(app.settings, app.clock, store), max_nodes).families, "prometheus")
        )

    def _note(self, told: list[ToldTick]) -> list[str]:
        """Note in the state what goes wrong now and did not before, or the other way round; return what is new.

        A file beside the state says of each sink that all was well: then it need not be looked at.
        """
        store = self._app.store
        changed = [each for each in told if each.error or store.last_beat(name_sync_stamp(each.key)) is None]
        if not changed:
            return []
        now, new = self._app.clock.now(), list[str]()
        if _build_health(store.snapshot(), changed, now)[0]:
            with store.session() as state:
                changes, new = _build_health(state, changed, now)
                state.apply(changes)
        for each in changed:
            stamp = name_sync_stamp(each.key)
            if each.error:
                remove(f"{self._app.settings.state_dir}/{stamp}")
            else:
                store.beat(stamp)
        return new


def _build_health(state: State, told: list[ToldTick], now: float) -> tuple[Changes, list[str]]:
    before = SINKS_NOTE.read(state.notes)
    sinks, new = dict(before), list[str]()
    for each in told:
        known = before.get(each.key)
        error = each.text
        if not each.error:
            sinks.pop(each.key, None)
        elif known is None or known.last_error != error:
            new.append(error)
            sinks[each.key] = note_failure(known or SinkHealth(each.name), error, now, waiting_count=0, dropped_count=0)
    return Changes(notes=None if sinks == before else SINKS_NOTE.write(sinks or None)), new


def _make_uuid() -> str:
    """Return a random UUID; the module of that name takes as long to import as all this."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
