"""Runs probes concurrently, in threads that can be abandoned.

I/O. Plain daemon threads: the pool of the standard library joins its threads at exit, so that a single stuck one would
keep the process alive for ever. Begin at `ThreadExecutor`; what runs in a thread stands in `plabctl.probes`.
"""

from __future__ import annotations

import math
import queue
import sys
import threading
from dataclasses import dataclass

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Report
from plabctl.core.settings import ExecutorSettings
from plabctl.executors.base import Executor, ExecutorKind, Prober, build_substitute, report_expired

STACK_BYTES = 256 * 1024
"""Of each thread: a thousand probes are two thousand threads."""

LATE_S = 0.9
"""Seconds after a probe's deadline at which it is reported for if its thread has not come back."""

INTERRUPT_S = 1.2
"""Seconds that probes have to come back after an interrupt."""

_SWITCH_S, _SWITCH_S_PER_WORKER = 0.005, 50e-6
"""Seconds after which a thread that waits for the interpreter asks for it again: Python's own, up to a hundred probes.
Each asking is a wake-up; a thousand threads that ask two hundred times a second leave no time for anything else."""


@dataclass(slots=True)
class _Running:
    assignment: Assignment
    started_at: float
    start: float
    overdue: float


class ThreadExecutor:
    """Runs each assignment in a thread and hands the reports back.

    One thread owns it: it alone calls `start` and `wait`. `interrupt` may come from a signal handler in that
    thread. The workers share nothing with it but two queues.
    """

    def __init__(self, prober: Prober, clock: Clock) -> None:
        # For the whole process: the SSH library starts a thread of its own for each connection.
        threading.stack_size(STACK_BYTES)
        self._prober = prober
        self._clock = clock
        self._work: queue.SimpleQueue[Assignment] = queue.SimpleQueue()
        # None only wakes the owner. A SimpleQueue may be put to from a signal handler that interrupts a get.
        self._done: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._running: dict[str, _Running] = {}
        self._workers = 0
        self._next_overdue = math.inf
        """None of those that run is overdue before this instant."""
        self._interrupted_at: float | None = None

    @property
    def running(self) -> int:
        """Return how many assignments were started and not yet reported."""
        return len(self._running)

    def start(self, assignment: Assignment) -> None:
        """Begin an assignment; its report comes from `wait`, also when no thread is to be had for it."""
        now = self._clock.monotonic()
        overdue = now + assignment.deadline_s + LATE_S
        self._running[assignment.token] = _Running(assignment, self._clock.now(), now, overdue)
        self._next_overdue = min(self._next_overdue, overdue)
        if self._interrupted_at is not None:
            self._done.put(
                build_substitute(assignment, self._clock.now(), 0.0, Cause.INTERRUPTED, "interrupted", begun=False)
            )
        elif self._workers >= self.running or self._has_new_worker():
            self._work.put(assignment)
        else:
            reason = "this machine has no thread left for the probe"
            self._done.put(build_substitute(assignment, self._clock.now(), 0.0, Cause.LOCAL, reason, begun=False))

    def wait(self, timeout_s: float | None = None) -> list[Report]:
        """Return the reports that have come in, as soon as there is one; none after `timeout_s` or if nothing runs."""
        end = None if timeout_s is None else self._clock.monotonic() + timeout_s
        while self._running:
            found = self._report_overdue()
            found += self._collect(0 if found else self._compute_timeout(end))
            if found or (end is not None and self._clock.monotonic() >= end):
                return found
        return []

    def interrupt(self) -> None:
        """Cut everything that runs; within 1.5 s `wait` reports each probe, as interrupted unless it had ended."""
        if self._interrupted_at is None:
            self._interrupted_at = self._clock.monotonic()
        self._prober.interrupt()
        self._done.put(None)

    def _has_new_worker(self) -> bool:
        try:
            threading.Thread(target=self._run_worker, name="plabctl-probe", daemon=True).start()
        except RuntimeError:
            return False
        self._workers += 1
        sys.setswitchinterval(max(_SWITCH_S, self._workers * _SWITCH_S_PER_WORKER))
        return True

    def _run_worker(self) -> None:
        while True:
            assignment = self._work.get()
            running = self._running.get(assignment.token)
            if running is not None:
                # Its deadline counts from here, and so must the owner's patience: the process may have been stopped.
                running.overdue = self._clock.monotonic() + assignment.deadline_s + LATE_S
            if assignment.token not in self._running:
                # Given up before it began, also a moment ago: its slot is somebody else's by now.
                continue
            try:
                report = report_expired(assignment, self._clock) or self._prober.probe(assignment)
            except BaseException as error:  # noqa: BLE001 - a thread that dies silently would cost a slot until its deadline
                reason = f"a bug in plabctl: {type(error).__name__}: {error}"
                report = build_substitute(assignment, self._clock.now(), 0.0, Cause.LOCAL, reason)
            self._done.put(report)
            del assignment, report  # a waiting thread holds on to nothing

    def _compute_timeout(self, end: float | None) -> float:
        """Return how long the owner may sleep: until its own time-out or until the next probe is overdue."""
        due = self._compute_due(self._next_overdue)
        return max(min(due, math.inf if end is None else end) - self._clock.monotonic(), 0)

    def _compute_due(self, overdue: float) -> float:
        return overdue if self._interrupted_at is None else min(overdue, self._interrupted_at + INTERRUPT_S)

    def _collect(self, max_wait_s: float) -> list[Report]:
        """Return the reports in the queue, after waiting for the first; those already given up on are dropped."""
        found: list[Report] = []
        try:
            report = self._done.get(timeout=max_wait_s) if max_wait_s != 0 else self._done.get_nowait()
            while True:
                if report is not None and self._running.pop(report.token, None) is not None:
                    found.append(report)
                report = self._done.get_nowait()
        except queue.Empty:
            return found

    def _report_overdue(self) -> list[Report]:
        """Report for probes whose threads have not come back, and leave those threads to themselves."""
        now = self._clock.monotonic()
        if now < self._compute_due(self._next_overdue):
            return []  # without a look at each of a thousand, for each report that comes in
        late = [running for running in self._running.values() if self._compute_due(running.overdue) <= now]
        reports = []
        for running in late:
            cause, reason = Cause.LOCAL, "the probe did not come back by its deadline and was given up"
            if self._interrupted_at is not None:
                cause, reason = Cause.INTERRUPTED, "interrupted"
            reports.append(build_substitute(running.assignment, running.started_at, now - running.start, cause, reason))
            del self._running[running.assignment.token]
            self._workers -= 1
        self._next_overdue = min((running.overdue for running in self._running.values()), default=math.inf)
        return reports


class ThreadsKind(ExecutorKind):
    """The kind `threads`: everything is probed from this machine."""

    name = "threads"
    help = "side by side, from this machine"

    def build(self, own: ExecutorSettings, prober: Prober, clock: Clock, state_dir: str) -> Executor:
        """Return an executor that probes in threads of this process."""
        return ThreadExecutor(prober, clock)


THREADS = ThreadsKind()
