"""Has assignments carried out by workers of a Dask cluster: what is where, and what becomes of what does not come back.

I/O by `link`. Each assignment is reported once: by its worker, by the scheduler, which says that nobody will begin it,
or at its end by us. Until then its place in the window is taken, because a worker that is merely cut off goes on.
Tests: `tests/executors/dask/test_cluster.py`.
"""

from __future__ import annotations

import math
import queue
from contextlib import suppress
from dataclasses import dataclass, replace

from plabctl.clock import Clock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Report
from plabctl.executors.base import PackingProber, build_substitute
from plabctl.executors.dask.fallback import Fallback
from plabctl.executors.dask.link import CONNECT_S, Link
from plabctl.executors.dask.options import DaskOptions
from plabctl.executors.dask.protocol import GRANT_S, Message, decode_report, encode
from plabctl.executors.threads import INTERRUPT_S, ThreadExecutor

PATIENCE_S = 10.0
"""How long a test waits for a connection to the scheduler."""
MARGIN_S = 15.0
"""How long before the latest time a test must begin: its report must come before its claim ends."""
_REPORT_S = 5.0  # that a report may take from a worker
_LOOK_S = 0.02  # between looks at tests that run here


@dataclass(slots=True)
class _Job:
    assignment: Assignment
    started_at: float
    start: float
    end: float
    """As uptime, like `start`: when no report is waited for any more."""
    is_sent: bool = False
    doubt: str = ""


class DaskExecutor:
    """An executor as `plabctl.executors.base` describes it; one thread owns it."""

    def __init__(self, own: DaskOptions, prober: PackingProber, clock: Clock, monitor: str, fallback: Fallback) -> None:
        self._own, self._prober, self._clock, self._fallback = own, prober, clock, fallback
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._jobs: dict[str, _Job] = {}
        self._told: list[str] = []
        """What was handed out since the last `acknowledge`."""
        self._reported: set[str] = set()  # all: the scheduler repeats what it is asked for
        self._ready: list[Report] = []
        self._offset_s: float | None = None  # from our uptime to the scheduler's; None: there is no connection
        self._fault = "the scheduler does not answer"
        self._local: ThreadExecutor | None = None
        self._local_tokens: set[str] = set()
        self._interrupted_at: float | None = None
        self._link = Link(own, monitor, self._inbox.put)

    @property
    def running(self) -> int:
        """Return how many assignments were started and not yet reported."""
        return len(self._jobs) + len(self._ready) + (self._local.running if self._local else 0)

    def await_link(self) -> None:
        """Wait until the scheduler answers, or is known not to."""
        self._await_message(CONNECT_S)

    def start(self, assignment: Assignment) -> None:
        """Hand an assignment in; its report comes from `wait`, whatever happens."""
        self._read_inbox()
        if self._offset_s is None and self._fallback.is_due(self._clock.now()):
            self._local = self._local or ThreadExecutor(self._prober, self._clock)
            self._local_tokens.add(assignment.token)
            self._local.start(assignment)
            return
        uptime = self._clock.uptime()
        begin_by = assignment.begin_by_uptime_s or uptime + MARGIN_S + PATIENCE_S
        end = begin_by + assignment.deadline_s - MARGIN_S / 2
        packed = self._prober.pack(assignment)
        if isinstance(packed, str):
            now = self._clock.now()
            self._ready.append(build_substitute(assignment, now, 0.0, Cause.LOCAL, packed, begun=False))
            return
        job = self._jobs[assignment.token] = _Job(packed, self._clock.now(), uptime, end)
        if self._interrupted_at is not None:
            self._give_up(job, Cause.INTERRUPTED, "interrupted", begun=False)
        elif self._offset_s is not None:
            self._submit(job, self._offset_s)

    def adopt(self, assignment: Assignment, started_at: float, remaining_s: float) -> None:
        """Wait for what comes of an assignment that another process handed in, for `remaining_s` at most."""
        if assignment.token in self._reported:
            return
        uptime = self._clock.uptime()
        age_s = max(0.0, self._clock.now() - started_at)
        job = _Job(assignment, started_at, uptime - age_s, uptime + remaining_s, is_sent=True)
        self._jobs[assignment.token] = job
        if self._offset_s is not None:
            self._claim(job, self._offset_s)

    def wait(self, timeout_s: float | None = None) -> list[Report]:
        """Return the reports that have come in, as soon as there is one; none after `timeout_s` or if nothing runs.

        Among them may be late ones, of assignments that nobody waits for any more.
        """
        end = math.inf if timeout_s is None else self._clock.monotonic() + timeout_s
        while True:
            self._read_inbox()
            if self._local and self._local.running:
                self._ready += self._local.wait(0)
            self._report_overdue()
            left_s = end - self._clock.monotonic()
            if self._ready or left_s <= 0 or not self.running:
                found, self._ready = self._ready, []
                self._told += [report.token for report in found]
                self._local_tokens.difference_update(self._told)
                return found
            self._await_message(min(left_s, self._compute_patience()))

    def acknowledge(self) -> None:
        """Let the scheduler forget the reports that were handed out so far: they are recorded."""
        if self._told and self._offset_s is not None:
            self._link.send(*({"op": "ack", "token": token} for token in self._told))
            self._told.clear()

    def interrupt(self) -> None:
        """Have everything that runs ended; `wait` reports each within 1.5 s."""
        if self._interrupted_at is None:
            self._interrupted_at = self._clock.uptime()
            self._link.send(*({"op": "cancel", "token": token} for token in list(self._jobs)))
            if self._local:
                self._local.interrupt()
            self._inbox.put({"op": "wake"})

    def detach(self) -> frozenset[str]:
        """Leave what runs at workers to whoever adopts it; return the tokens of what runs here."""
        self._jobs.clear()
        return frozenset(self._local_tokens)

    def close(self) -> None:
        """Give the connection back, once all is said; takes a second at most."""
        self._link.close()

    def _await_message(self, timeout_s: float) -> None:
        with suppress(queue.Empty):
            self._handle(self._inbox.get(timeout=max(timeout_s, 0.0)))

    def _compute_patience(self) -> float:
        """Return how long may be slept: until the next assignment is given up, or the local ones are looked at."""
        if self._local and self._local.running:
            return _LOOK_S
        return min((self._compute_end(job) for job in self._jobs.values()), default=math.inf) - self._clock.uptime()

    def _compute_end(self, job: _Job) -> float:
        end = job.end if job.is_sent or self._offset_s is not None else min(job.end, job.start + PATIENCE_S)
        return end if self._interrupted_at is None else min(end, self._interrupted_at + INTERRUPT_S)

    def _read_inbox(self) -> None:
        while not self._inbox.empty():
            self._handle(self._inbox.get_nowait())

    def _handle(self, message: Message) -> None:
        job = self._jobs.get(message.get("token", ""))
        match message["op"]:
            case "up":
                self._take_up(message["now"])
            case "down":
                self._offset_s, self._fault = None, message["reason"]
                self._fallback.note_lost(self._clock.now())
            case "report":
                self._take_report(message, job)
            case "refused" if job:
                self._give_up(job, Cause(message["cause"]), message["reason"], begun=False)
            case "begun" if job:
                # The worker ends it by its deadline; the rest is for the way of its report.
                longest_s = GRANT_S + job.assignment.deadline_s + _REPORT_S - message["ago_s"]
                job.end = min(job.end, self._clock.uptime() + longest_s)
            case "doubt" if job:
                job.doubt = message["reason"]

    def _take_up(self, scheduler_now: float) -> None:
        self._fallback.note_found()
        # A lower bound: the scheduler's clock was there when it wrote, a moment ago.
        offset_s = self._offset_s = scheduler_now - self._clock.uptime()
        for job in list(self._jobs.values()):
            if job.is_sent:
                self._claim(job, offset_s)
            else:
                self._submit(job, offset_s)

    def _submit(self, job: _Job, offset_s: float) -> None:
        assignment, job.is_sent = job.assignment, True
        begin_by = job.end - assignment.deadline_s - MARGIN_S / 2 + offset_s
        self._link.send(
            {
                "op": "submit",
                "token": assignment.token,
                "begin_by": begin_by,
                "end_by": job.end + offset_s,
                "site": assignment.node.variables.get(self._own.site_label, ""),
                "away_from": assignment.away_from,
                "document": encode(replace(assignment, begin_by_uptime_s=None)),
            }
        )

    def _claim(self, job: _Job, offset_s: float) -> None:
        times = {"age_s": max(0.0, self._clock.uptime() - job.start), "end_by": job.end + offset_s}
        self._link.send({"op": "adopt", "token": job.assignment.token, **times})

    def _take_report(self, message: Message, job: _Job | None) -> None:
        if message["token"] in self._reported:
            return
        self._reported.add(message["token"])
        try:
            report = replace(decode_report(message["document"]), vantage=message["vantage"])
        except ValueError as error:
            if job:
                self._give_up(job, Cause.EXECUTOR, f"its report cannot be read: {error}", begun=True)
            self._link.send({"op": "ack", "token": message["token"]})
            return
        if job and report.node != job.assignment.node.name:
            reason = report.reason or "its report is of another node"
            self._give_up(job, Cause.EXECUTOR, reason, begun=bool(report.node))
            return
        if job:
            del self._jobs[report.token]
            # By our clock: that of the worker may be another.
            report = replace(report, started_at=max(job.started_at, round(self._clock.now() - report.seconds, 3)))
        if report.cause is Cause.LOCAL:  # "this machine" is not the reader's
            report = replace(report, reason=f"at {report.vantage}: {report.reason}")
        self._ready.append(report)

    def _report_overdue(self) -> None:
        uptime = self._clock.uptime()
        for job in [job for job in self._jobs.values() if self._compute_end(job) <= uptime]:
            if self._interrupted_at is not None and uptime < job.end:
                self._give_up(job, Cause.INTERRUPTED, "interrupted", begun=job.is_sent)
            elif not job.is_sent or self._offset_s is None:
                self._give_up(job, Cause.EXECUTOR, self._fault, begun=job.is_sent)
            else:
                reason = job.doubt or "its worker did not report by its end"
                self._give_up(job, Cause.EXECUTOR, reason, begun=True)

    def _give_up(self, job: _Job, cause: Cause, reason: str, *, begun: bool) -> None:
        seconds = self._clock.uptime() - job.start if begun else 0.0
        self._ready.append(build_substitute(job.assignment, job.started_at, seconds, cause, reason, begun=begun))
        del self._jobs[job.assignment.token]
