"""Telling those sinks that a tick begins and how it ended that are told of ticks: a ping, a file with metrics.

I/O, in a thread for each such sink. They are told of the end when all else is done: no lock is held, and the next tick
begins meanwhile. What takes longer than a moment goes on in the background, for a few seconds. What goes wrong is noted
in the state, for `check`, and makes no tick fail. Go on with `plabctl.sinks.base.TickSinkKind`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from plabctl.app.background import Background
from plabctl.app.context import App, duplicate
from plabctl.app.due_sources import find_tick_sinks, name_sync_stamp
from plabctl.app.metrics import read_metrics
from plabctl.app.signals import STOP_CODES
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
from plabctl.values import replace

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


def begin_tick(app: App, background: Background) -> TickSinks | None:
    """Tell those sinks that a tick begins; return what tells them how it ended, None when there are none."""
    if not find_tick_sinks(app.settings.sinks):
        return None
    background.prepare(app)
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
        self._ends: dict[str, float] = {}
        self._told: set[str] = set()
        self._tick_id = _make_uuid()

    def begin(self) -> None:
        """Begin to tell that the tick begins, and wait for nobody."""
        for key, kind in self._kinds.items():
            if kind.hears_begin:
                self._begun[key] = threading.Event()
                with suppress(RuntimeError):  # no thread to be had
                    threading.Thread(target=self._begin_one, args=(key, kind), daemon=True).start()

    def end(self, exit_code: int, background: Background, *, says_all: bool) -> list[str]:
        """Tell how the tick ended; return what went wrong in words, unless that was so before and not all is asked.

        What takes longer than the `background` has patience goes on there, and the next tick returns what went wrong.
        """
        clock, is_stopped = self._app.clock, exit_code in STOP_CODES
        for key, kind in self._kinds.items():
            broken = ToldTick(key, kind.describe(self._sinks[key]), "plabctl failed, see the message before")
            end = clock.monotonic() + kind.limit_s
            self._threads.start(key, partial(self._end_one, key, kind, exit_code, end), broken)
            self._ends[key] = float("inf") if is_stopped else end + _SLACK_S
        self._wait(clock.monotonic() + (_STOPPED_S if is_stopped else background.patience_s))
        found = self._take()
        if not is_stopped and any(map(self._is_awaited, self._kinds)):
            background.add(self.go_on)
        new: list[str] = []
        with suppress(PlabctlError):  # the next tick finds it again
            new = self._note(found, is_heard=True)
        return [each.text for each in found if each.error] if says_all else new

    def go_on(self, is_stopped: Callable[[], bool]) -> None:
        """Wait for the sinks for which `end` had no patience, unless `is_stopped`, and note how it went."""
        while any(map(self._is_awaited, self._kinds)) and not is_stopped():
            self._wait(self._app.clock.monotonic() + _LOOK_S)
        self._note(self._take(), is_heard=False)

    def _wait(self, until: float) -> None:
        """Wait until all are told or their time is over, but no longer than `until`."""
        while any(map(self._is_awaited, self._kinds)) and (left_s := until - self._app.clock.monotonic()) > 0:
            self._threads.wait(min(_LOOK_S, left_s), for_all=True)

    def _is_awaited(self, key: str) -> bool:
        return self._threads.runs(key) and self._app.clock.monotonic() < self._ends[key]

    def _take(self) -> list[ToldTick]:
        """Return what came of those that are told, and of those whose time is over; of each once."""
        told = self._threads.take()
        self._threads.settle()
        self._told |= {each.key for each in told}
        late = [
            ToldTick(key, kind.describe(self._sinks[key]), f"no answer within {kind.limit_s:g} s")
            for key, kind in self._kinds.items()
            if key not in self._told and self._threads.runs(key) and self._app.clock.monotonic() >= self._ends[key]
        ]
        self._told |= {each.key for each in late}
        return [*told, *late]

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
        return "".join(format_metrics(read_metrics(duplicate(self._app), max_nodes).families, "prometheus"))

    def _note(self, told: list[ToldTick], *, is_heard: bool) -> list[str]:
        """Note in the state what goes wrong now and did not before, or the other way round; return what is new.

        What is new when nobody hears it is returned when somebody does. A file beside the state says of each sink that
        all was well: then it need not be looked at.
        """
        store = self._app.store
        doubtful = {key for key in self._kinds if store.last_beat(name_sync_stamp(key)) is None}
        changed = [each for each in told if each.error or each.key in doubtful]
        if not (changed or (doubtful and is_heard)):
            return []
        now, new = self._app.clock.now(), list[str]()
        if _build_health(store.snapshot(), changed, now, is_heard=is_heard)[0]:
            with store.session() as state:
                changes, new = _build_health(state, changed, now, is_heard=is_heard)
                state.apply(changes)
        for each in changed:
            stamp = name_sync_stamp(each.key)
            if each.error:
                remove(f"{self._app.settings.state_dir}/{stamp}")
            else:
                store.beat(stamp)
        return new


def _build_health(state: State, told: list[ToldTick], now: float, *, is_heard: bool) -> tuple[Changes, list[str]]:
    before = SINKS_NOTE.read(state.notes)
    sinks = dict(before)
    for each in told:
        known = before.get(each.key)
        error = each.text
        if not each.error:
            sinks.pop(each.key, None)
        elif known is None or known.last_error != error:
            failed = note_failure(known or SinkHealth(each.name), error, now, waiting_count=0, dropped_count=0)
            sinks[each.key] = replace(failed, is_unheard=True)
    new = [key for key, health in sinks.items() if health.is_unheard and is_heard]
    sinks |= {key: replace(sinks[key], is_unheard=False) for key in new}
    texts = [sinks[key].last_error for key in new]
    return Changes(notes=None if sinks == before else SINKS_NOTE.write(sinks or None)), texts


def _make_uuid() -> str:
    """Return a random UUID; the module of that name takes as long to import as all this."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
