"""The tests of one worker process, whatever becomes of its connections to the scheduler.

Tests run in threads of this process. `worker` makes the connections.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Outcome, Report
from plabctl.executors.base import Prober
from plabctl.executors.dask.protocol import Message, decode_assignment, encode
from plabctl.executors.threads import ThreadExecutor

_LOOK_S = 0.25
_SOON_S = (0.001, 0.01, 0.05)
"""After a test has come back its report is there within a millisecond, or a little later on a busy machine."""
_MOST_SEEN = 100_000


class CancellingProber(Prober, Protocol):
    """A prober that can end one of its probes."""

    def cancel(self, token: str) -> None:
        """Cut the probe with this token if it runs; does not block."""
        ...


class _Announcing:
    """A prober that calls `announce` as each probe comes back."""

    def __init__(self, prober: Prober, announce: Callable[[], None]) -> None:
        self._prober = prober
        self._announce = announce

    def probe(self, assignment: Assignment) -> Report:
        """Return what came of it; never raises."""
        try:
            return self._prober.probe(assignment)
        finally:
            self._announce()

    def interrupt(self) -> None:
        """Make all probes return soon."""
        self._prober.interrupt()


class RunningTests:
    """The tests of this process, whatever becomes of its connections; used by the event loop's thread alone."""

    def __init__(self, prober: CancellingProber, clock: Clock) -> None:
        self._prober = prober
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadExecutor(_Announcing(prober, self._announce), clock)
        self._asked: dict[str, float] = {}
        """When the scheduler was asked for a test that it offered, as uptime."""
        self._running: dict[str, tuple[str, float]] = {}
        """Of each test its monitor, and the uptime by which it will have ended."""
        self._seen: dict[str, None] = {}
        """The tests that were begun here, the latest ones."""
        self.reports: dict[str, tuple[str, str]] = {}
        """Reports that the scheduler has not acknowledged: the monitor and the document of each."""
        self.is_empty = asyncio.Event()
        """Set while nothing runs and no report is left here."""
        self.is_empty.set()
        self.send: Callable[[Message], None] = lambda _: None
        """Sends a message to the scheduler, if there is a connection."""

    def build_hello(self) -> Message:
        """Return what a new connection begins with: the tests that run, and the reports that are not acknowledged."""
        self._asked.clear()
        uptime = self._clock.uptime()
        running = {token: [monitor, end - uptime] for token, (monitor, end) in self._running.items()}
        reports = {token: list(each) for token, each in self.reports.items()}
        return {"running": running, "reports": reports}

    def on_offer(self, token: str) -> None:
        """Ask for a test that is offered."""
        self._asked[token] = self._clock.uptime()
        self.send({"op": "plabctl-accept", "token": token})

    def on_drop(self, token: str) -> None:
        """Forget a test that we may not begin."""
        self._asked.pop(token, None)

    def on_run(self, token: str, monitor: str, document: str, begin_in_s: float, end_in_s: float) -> None:
        """Begin a test, unless it is too late for it or it was begun before."""
        asked = self._asked.pop(token, None)
        if asked is None or token in self._seen:
            return
        self._seen[token] = None
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        try:
            assignment = decode_assignment(document)
        except ValueError as error:
            why = f"a worker cannot read it: {error}"
            self._file(Report("", token, Outcome.UNKNOWN, Cause.EXECUTOR, why, self._clock.now(), 0.0), monitor)
            return
        # The answer may have lain here for a while, as when this process was stopped: it counts from when we asked.
        begin_by, end = asked + begin_in_s, asked + end_in_s
        self._running[token] = monitor, end
        self.is_empty.clear()
        self._executor.start(replace(assignment, begin_by_uptime_s=begin_by))
        self._collect()

    def on_cancel(self, token: str) -> None:
        """End a test early."""
        self._prober.cancel(token)

    def on_ack(self, token: str) -> None:
        """Forget a report that the scheduler has."""
        self.reports.pop(token, None)
        if not self._running and not self.reports:
            self.is_empty.set()

    def interrupt(self) -> None:
        """End all tests early."""
        self._executor.interrupt()

    async def look(self) -> None:
        """See now and then to tests that do not come back by themselves."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self._collect()

    def _announce(self) -> None:
        """Have a report collected; called in the thread of its test, a moment before it is there."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._expect)

    def _expect(self) -> None:
        for delay_s in _SOON_S:
            self._loop.call_later(delay_s, self._collect)

    def _collect(self) -> None:
        for report in self._executor.wait(0):
            monitor, _ = self._running.pop(report.token)
            self._file(report, monitor)

    def _file(self, report: Report, monitor: str) -> None:
        document = encode(report)
        self.reports[report.token] = monitor, document
        self.is_empty.clear()
        self.send({"op": "plabctl-report", "token": report.token, "monitor": monitor, "document": document})
