"""A scheduler under which processes and their threads take turns, one at a time, in an order that a seed decides.

Threads of the system carry them, because the product's own code runs in them and waits where it always waits; but only
one of them runs at a time, and which is next is for whoever turns the loom to say. Go on with `kernel`, where waiting
is what it is in a real system: for a lock, a queue, a moment.
"""

import threading
from collections.abc import Callable
from random import Random

from tests.torture.interleaving.step_log import StepLog

STACK_BYTES = 512 * 1024


class Killed(BaseException):
    """The process was killed: nothing of it runs any more, not even what it keeps for its end."""


class Defect(AssertionError):
    """A promise is broken."""


class Process:
    """One process: its threads, whether it is there, and what the kernel takes back when it is not."""

    def __init__(self, name: str, window: int) -> None:
        self.name = name
        self.window = window
        self.is_dead = False
        self.is_stopped = False
        self.is_over = False
        """Its main thread has come to its end."""
        self.stopped_s = 0.0
        """For how long it was stopped so far, and since when it is, if it is."""
        self.stopped_at = 0.0
        self.looked_at = 0.0
        """When it last opened the state."""
        self.threads: list[SimThread] = []
        self.at_end: list[Callable[[], None]] = []
        """What the kernel does when it ends, however it ends."""

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class SimThread:
    """One thread of a process. It waits until `ready` says so, or until the instant `until`."""

    __slots__ = ("body", "is_over", "process", "ready", "turn", "until")

    def __init__(self, process: Process, body: Callable[[], object]) -> None:
        self.process = process
        self.body: Callable[[], object] | None = body
        self.ready: Callable[[], object] | None = None
        self.until: float | None = None
        self.is_over = False
        self.turn = threading.Lock()
        self.turn.acquire()


class Scheduler:
    """All strands there are, and the one clock that counts seconds, which only ever goes forward."""

    def __init__(self, dice: Random, step_log: StepLog) -> None:
        self.dice = dice
        self.step_log = step_log
        self.now = 1000.0
        self.threads: list[SimThread] = []
        self.fault: BaseException | None = None
        self._running: SimThread | None = None
        self._back = threading.Lock()
        self._back.acquire()
        self._idle: list[_Carrier] = []

    # For those who turn the loom.

    def begin(self, process: Process, body: Callable[[], object]) -> None:
        """Let `body` be a thread of `process`; it runs when its turn comes."""
        sim_thread = SimThread(process, body)
        sim_thread.until = self.now
        process.threads.append(sim_thread)
        self.threads.append(sim_thread)

    def runnable(self) -> list[SimThread]:
        """Return the strands that could go on now."""
        now = self.now
        return [
            sim_thread
            for sim_thread in self.threads
            if not sim_thread.process.is_stopped
            and (
                (sim_thread.until is not None and sim_thread.until <= now)
                or (sim_thread.ready is not None and sim_thread.ready())
            )
        ]

    def next_at(self) -> float | None:
        """Return the next instant for which a strand waits, if any does."""
        waits = [each.until for each in self.threads if each.until is not None and not each.process.is_stopped]
        return min(waits, default=None)

    def turn(self, sim_thread: SimThread) -> None:
        """Let `sim_thread` run until it waits again or is over; raise what broke in it."""
        self._running = sim_thread
        if sim_thread.body is not None:
            carrier = self._idle.pop() if self._idle else _Carrier(self)
            body, sim_thread.body = sim_thread.body, None
            carrier.carry(sim_thread, body)
        else:
            sim_thread.turn.release()
        self._back.acquire()
        self._running = None
        if self.fault:
            raise self.fault
        if sim_thread.process.is_over:
            self.end(sim_thread.process)

    def end(self, process: Process) -> None:
        """End `process` here and now, wherever its threads are."""
        if process.is_dead:
            return
        process.is_dead = True
        process.is_stopped = False
        for undo in process.at_end:
            undo()
        for sim_thread in list(process.threads):
            self._drop(sim_thread)
            if sim_thread.body is None and not sim_thread.is_over:
                self.turn(sim_thread)  # which unwinds, and touches nothing

    def close(self) -> None:
        """Let go of the threads of the system."""
        for carrier in self._idle:
            carrier.dismiss()

    # For what runs in a strand.

    def wait(self, ready: Callable[[], object] | None = None, until: float | None = None) -> None:
        """Let others run until `ready` says so, or until the instant `until`; without both, for one turn."""
        sim_thread = self._running
        assert sim_thread is not None, "nothing waits but what runs"
        if sim_thread.process.is_dead:
            raise Killed
        sim_thread.ready = ready
        sim_thread.until = self.now if ready is None and until is None else until
        self._back.release()
        sim_thread.turn.acquire()
        sim_thread.ready = sim_thread.until = None
        if sim_thread.process.is_dead:
            raise Killed

    @property
    def process(self) -> Process:
        """The process that runs now."""
        assert self._running is not None, "no process runs"
        return self._running.process

    def _carry(self, sim_thread: SimThread, body: Callable[[], object]) -> None:
        try:
            body()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - told where the loom is turned
            self.fault = self.fault or error
        sim_thread.is_over = True
        self._drop(sim_thread)

    def _drop(self, sim_thread: SimThread) -> None:
        if sim_thread in sim_thread.process.threads:
            sim_thread.process.threads.remove(sim_thread)
            self.threads.remove(sim_thread)

    def _done(self, carrier: "_Carrier") -> None:
        self._idle.append(carrier)
        self._back.release()


class _Carrier:
    """A thread of the system, which carries one strand after the other."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._loom = scheduler
        self._work: tuple[SimThread, Callable[[], object]] | None = None
        self._called = threading.Lock()
        self._called.acquire()
        threading.Thread(target=self._labour, name="strand", daemon=True).start()

    def carry(self, sim_thread: SimThread, body: Callable[[], object]) -> None:
        self._work = (sim_thread, body)
        self._called.release()

    def dismiss(self) -> None:
        self._work = None
        self._called.release()

    def _labour(self) -> None:
        while True:
            self._called.acquire()
            if self._work is None:
                return
            sim_thread, body = self._work
            self._loom._carry(sim_thread, body)
            self._loom._done(self)
