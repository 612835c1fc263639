"""The shells that probes open on the machines of the weave, and the prober that runs the product's course over them.

A stage takes its time, and at any moment of it the machine may be cut off, the stage be late, or the process that waits
for it die; what was begun over there may then come to its end by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Report
from plabctl.core.recipe import Become, Transport
from plabctl.executors.threads import LATE_S
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.orphaned_stage import END
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.probe_run import ProbeRun
from plabctl.probes.shell import StageFault, StageResult
from tests.torture.interleaving.kernel import SimClock
from tests.torture.interleaving.machines import Machine, Testbed
from tests.torture.interleaving.scheduler import Process, Scheduler

FOR_EVER = 1e9
_IN_BATCH = re.compile(r"^\(PLABCTL_VNODE='?([^';]+)'?; export PLABCTL_VNODE$", re.MULTILINE)
"""The vnodes whose teardowns `plabctl.probes.leftover_batch` makes one stage of."""


class SimCancel(Cancellation):
    """A cut whose waits are the loom's."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._loom = scheduler

    def sleep(self, seconds: float) -> None:
        self._loom.wait(self._requested.is_set, self._loom.now + seconds)
        self.check()


class SimStalls:
    """Knows for how long a process was stopped."""

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self._loom = scheduler
        self._process = process

    def compute_lost_since(self, start: float) -> float:
        return self._process.stopped_s if self._process.stopped_at >= start else 0.0


class Shell:
    """A connection to a machine."""

    def __init__(
        self, bed: Testbed, machine: Machine, cancellation: Cancellation, token: str, longest_s: float
    ) -> None:
        self.process = bed.scheduler.process
        self.making = ""
        self.until = bed.scheduler.now + longest_s
        """The watchdog ends it then."""
        self._bed = bed
        self._machine = machine
        self._cut = cancellation
        self._token = token
        self._is_alive = True
        bed.sessions.add(self)
        bed.most_sessions = max(bed.most_sessions, len(bed.sessions))

    def is_open(self, now: float) -> bool:
        """Return whether the connection is there, whatever its thread may hang in: a cut and the watchdog close it."""
        return now <= self.until and not self._cut.is_requested

    def run(
        self, text: str, variables: Mapping[str, str], timeout_s: float, become: Become = Become.NONE
    ) -> StageResult:
        bed, machine, scheduler = self._bed, self._machine, self._bed.scheduler
        batch = _IN_BATCH.findall(text)
        verb, vnode = ("teardown", variables["PLABCTL_VNODE"]) if batch else text.removeprefix(END).split()
        vnode = vnode.strip("'")
        assert vnode == variables["PLABCTL_VNODE"], "a stage is told of another vnode than it names"
        if verb == "setup":
            assert vnode not in machine.placement or not bed.log.is_current(self._token), (
                f"{vnode} is set up where it stands"
            )
            machine.making[vnode] = scheduler.now
            self.making = vnode
        for ended in batch or [vnode] * text.startswith(END):
            machine.making.pop(ended, None)
        ends_at = scheduler.now + scheduler.dice.random() * (1.0 if bed.is_calm else 8.0)
        if bed.happens(machine, "stuck"):
            self._stick(timeout_s)
        fault = (
            StageFault.LATE
            if bed.happens(machine, "late")
            else StageFault.LOST
            if bed.happens(machine, "lost")
            else None
        )
        ends_at = scheduler.now + timeout_s if fault is StageFault.LATE else ends_at
        scheduler.wait(self._cut._requested.is_set, ends_at)
        self._cut.check()
        if fault or machine.mood == "dead" or bed.is_cut_off or not self._is_alive:
            return self._broken(vnode, fault or StageFault.LOST)
        if not batch:
            return self._done(verb, vnode)
        codes = [self._done(verb, each).exit_code or 0 for each in batch]
        output = "".join(f"\nplabctl leftover {number}: {code}\n" for number, code in enumerate(codes))
        return StageResult(max(codes), output, truncated=False)

    def _stick(self, timeout_s: float) -> None:
        """Let the thread hang for ever; the watchdog closes the connection under it all the same."""
        self._bed.scheduler.wait(until=self._bed.scheduler.now + timeout_s)
        self.close()
        self._bed.scheduler.wait(until=self._bed.scheduler.now + FOR_EVER)

    def _broken(self, vnode: str, fault: StageFault) -> StageResult:
        self._is_alive = fault is StageFault.LATE and self._machine.mood != "silent"
        if fault is StageFault.LATE:
            self._machine.making.pop(vnode, None)  # over there it has a time-out of its own
        self.making = ""
        return StageResult(None, "", truncated=False, fault=fault)

    def _done(self, verb: str, vnode: str) -> StageResult:
        bed, machine = self._bed, self._machine
        self.making = ""
        code = 75 if bed.happens(machine, "unsure") else int(bed.happens(machine, verb))
        match verb:
            case "setup":
                is_ended = machine.making.pop(vnode, None) is None
                code = code or int(is_ended)
                if not code or (not is_ended and bed.scheduler.dice.random() < 0.5):
                    machine.placement.add(vnode)
            case "teardown" if not code:
                machine.placement.discard(vnode)
            case "up" | "check":
                code = code or int(vnode not in machine.placement)
            case _:
                pass
        return StageResult(code, verb, truncated=False)

    def is_alive(self) -> bool:
        return self._is_alive and self._machine.mood != "dead"

    def close(self) -> None:
        self._bed.sessions.discard(self)


class SimProber:
    """Runs the product's own course of a probe on machines of the testbed."""

    def __init__(self, bed: Testbed, clock: SimClock) -> None:
        self._bed = bed
        self._clock = clock
        self._process = bed.scheduler.process
        self._cuts: set[Cancellation] = set()
        self._is_interrupted = False

    def probe(self, job: Assignment) -> Report:
        bed, scheduler = self._bed, self._bed.scheduler
        cancellation = SimCancel(scheduler)
        self._cuts.add(cancellation)
        if self._is_interrupted:
            cancellation.request()
        bed.probes += 1
        ends_at = scheduler.now + job.deadline_s + LATE_S
        bed.log.begun(job, self._process)

        def open_shell(_: Transport, __: float) -> Shell:
            machine = bed.machine(job.node.name)
            scheduler.wait(until=scheduler.now + scheduler.dice.random())
            cancellation.check()
            if bed.happens(machine, "stuck"):
                scheduler.wait(until=scheduler.now + FOR_EVER)
            if machine.mood == "dead" or bed.is_cut_off:
                raise ProbeError(Cause.CONNECT, "no route to host")
            if not bed.is_calm and scheduler.dice.random() < 0.02:
                raise ProbeError(Cause.LOCAL, "too many open files")
            return Shell(bed, machine, cancellation, job.token, ends_at - scheduler.now)

        report = ProbeRun(job, open_shell, cancellation, self._clock, None, SimStalls(scheduler, self._process)).run()  # type: ignore[arg-type]
        self._cuts.discard(cancellation)
        bed.log.ended(report, self._process)
        scheduler.step_log.tell(
            scheduler.now,
            "{}: probe of {} for {}: {} {}",
            self._process,
            job.key,
            job.goal,
            report.outcome,
            report.cause,
        )
        return report

    def interrupt(self) -> None:
        self._is_interrupted = True
        for cancellation in list(self._cuts):
            cancellation.request()
