"""One episode: a testbed, ticks and people, everything that can go wrong, and then a time in which all is well.

The first part is chaos: which thread runs next, who is killed, stopped, told to stop, which machine falls ill, when the
clock is set, is for the dice to say. The second part is calm, and by its end all that was begun has to be finished.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from plabctl.app.context import App
from plabctl.core.clock_skew import NEVER_BEFORE, SETTLES_S
from tests.torture.interleaving import actors
from tests.torture.interleaving.calm import left
from tests.torture.interleaving.disk import MemoryDisk, SimStore
from tests.torture.interleaving.faults import mishap
from tests.torture.interleaving.kernel import Kernel, SimClock
from tests.torture.interleaving.machines import Testbed
from tests.torture.interleaving.oracle import Oracle
from tests.torture.interleaving.patches import in_place
from tests.torture.interleaving.scheduler import Defect, Process, Scheduler
from tests.torture.interleaving.settings import LONGEST_S, make_settings
from tests.torture.interleaving.step_log import StepLog

CALM_S = 5400.0
"""How long it may take at most until all is as it should be."""


class Episode:
    """Everything of one episode. `steps` is how many it had so far."""

    def __init__(self, seed: str) -> None:
        dice = Random(seed)
        self.step_log = StepLog()
        self.scheduler = Scheduler(dice, self.step_log)
        self.kernel = Kernel(self.scheduler)
        self.bed = Testbed(self.scheduler)
        self.oracle = Oracle(self.bed)
        self.bed.log = self.oracle
        self.delivered: dict[str, int] = {}
        self.in_use: set[str] = set()
        self.is_desk_closed = False
        self.names = [f"n{number}" for number in range(dice.randint(2, 7))]
        self.settings = make_settings(dice)
        self.sets_clock = dice.random() < 0.4
        self.disk = MemoryDisk()
        self._processes: list[tuple[Process, actors.Asked]] = []
        self.owed: dict[str, float] = {}
        self._count = self.killed = self.clock_set = 0
        self._calm_since = 0.0

    def counts(self) -> dict[str, int]:
        """Return what it came to."""
        truth = self.oracle
        return {
            "steps": self.step_log.steps,
            "commits": truth.commits,
            "moves": truth.moves,
            "probes": self.bed.probes,
            "checks": self.oracle.checks,
            "killed": self.killed,
            "clock": self.clock_set,
            "told": len(self.delivered),
        }

    def owe_tests(self, names: list[str]) -> None:
        """Remember that a retest of these nodes was acknowledged."""
        self.owed.update(dict.fromkeys(names, self.scheduler.now))

    def run(self, steps: int) -> None:
        """Play `steps` of chaos and then the calm; raise Defect."""
        with in_place(self):
            try:
                self.start("operator", lambda app, _: actors.add_all(app, self.names, self.scheduler.dice))
                for _ in range(20):
                    self._step()
                self.kernel.disk_fault_ratio = 0.002
                for _ in range(steps):
                    self._step()
                    mishap(self)
                self._calm_down()
                self._calm()
            finally:
                self.kernel.disk_fault_ratio = 0.0
                for process, _ in self._processes:
                    self.scheduler.end(process)
                self.scheduler.close()

    # Steps.

    def start(self, kind: str, body: Callable[[App, actors.Asked], object]) -> None:
        self._count += 1
        process = Process(f"{kind}-{self._count}", self.settings.window)
        process.at_end += [
            lambda: self.kernel.forget(process),
            lambda: self.bed.forget(process),
            lambda: self.oracle.forget(process),
        ]
        stop = actors.Asked()
        store = SimStore(self.kernel, self.disk, self.oracle.committed)
        app = App(self.settings, SimClock(self.kernel), store)  # type: ignore[arg-type]  # by all they are asked

        def main() -> None:
            actors.tolerant(lambda: body(app, stop))()
            process.is_over = True

        self._processes.append((process, stop))
        self.scheduler.begin(process, main)

    def living(self) -> list[tuple[Process, actors.Asked]]:
        self._processes = [each for each in self._processes if not each[0].is_dead]
        return self._processes

    def _step(self) -> None:
        """Let one thread have its turn, or time go on to when there is one."""
        scheduler = self.scheduler
        self.step_log.steps += 1
        runnable = scheduler.runnable()
        if not runnable:
            at = scheduler.next_at()
            scheduler.now = max(scheduler.now, min(at, scheduler.now + 60.0)) if at is not None else scheduler.now + 1.0
            return
        scheduler.turn(scheduler.dice.choice(runnable))
        scheduler.now += scheduler.dice.random() * 0.1
        self._check()

    def _check(self) -> None:
        windows = [process.window for process, _ in self._processes if not process.is_dead]
        now = self.scheduler.now
        sessions = sum(shell.is_open(now) for shell in self.bed.sessions)
        if sessions > max(windows, default=0):
            raise Defect(f"{sessions} probes run, and the window is {windows}")

    # Calm.

    def _calm_down(self) -> None:
        self.kernel.disk_fault_ratio = 0.0
        self.bed.is_calm, self.bed.is_cut_off = True, False
        self.in_use, self.is_desk_closed = set(), False
        for machine in self.bed.machines.values():
            machine.mood = "well"
        for process, _ in self.living():
            if process.is_stopped:
                self.scheduler.end(process)
        if self.kernel.now() < NEVER_BEFORE:
            by_s = max(self.disk.saved_at, NEVER_BEFORE) - self.kernel.now()
            self.kernel.offset += by_s
            self.oracle.clock_set(by_s)
        self.step_log.tell(self.scheduler.now, "all is well from here on")
        self._calm_since = self.scheduler.now

    def _set_right(self) -> None:
        """Undo what people did, who may still be at it."""
        self.start("operator", lambda app, _: actors.add_all(app, self.names, self.scheduler.dice))
        self.start("operator", lambda app, _: actors.release_all(app, self.scheduler.dice))

    def _calm(self) -> None:
        """Let ticks come every minute until all is as it should be; raise Defect when it does not get there."""
        cron_at = self.scheduler.now
        while self.scheduler.now < self._calm_since + CALM_S:
            if self.scheduler.now >= cron_at:
                cron_at += 60.0
                self.bed.straggle(self.scheduler.dice)
                if self.scheduler.now > self._calm_since + LONGEST_S and not left(self):
                    return
                if cron_at < self._calm_since + SETTLES_S + LONGEST_S:
                    self._set_right()
                self.start("tick", actors.tick)
            if not self.scheduler.runnable() and (self.scheduler.next_at() or cron_at) >= cron_at:
                self.step_log.steps += 1
                self.scheduler.now = cron_at
                continue
            self._step()
        raise Defect(f"long after all is well: {'; '.join(left(self))}")
