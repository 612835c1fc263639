"""A scheduler under which processes and their threads take turns, one at a time, in an order that a seed decides.

Threads of the system carry them, because the product's own code runs in them and waits where it always waits; but only
one of them runs at a time, and which is next is for whoever turns the loom to say. Go on with `kernel`, where waiting
is what it is in a real system: for a lock, a queue, a moment.
"""

import threading
from collections.abc import Callable
from random import Random

from tests.torture.weaving.tale import Tale

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
        self.strands: list[Strand] = []
        self.at_end: list[Callable[[], None]] = []
        """What the kernel does when it ends, however it ends."""

    def __str__(self) -> str:
        """Return its name."""
        return self.name


class Strand:
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


class Loom:
    """All strands there are, and the one clock that counts seconds, which only ever goes forward."""

    def __init__(self, dice: Random, tale: Tale) -> None:
        self.dice = dice
        self.tale = tale
        self.now = 1000.0
        self.strands: list[Strand] = []
        self.fault: BaseException | None = None
        self._running: Strand | None = None
        self._back = threading.Lock()
        self._back.acquire()
        self._idle: list[_Carrier] = []

    # For those who turn the loom.

    def begin(self, process: Process, body: Callable[[], object]) -> None:
        """Let `body` be a thread of `process`; it runs when its turn comes."""
        strand = Strand(process, body)
        strand.until = self.now
        process.strands.append(strand)
        self.strands.append(strand)

    def runnable(self) -> list[Strand]:
        """Return the strands that could go on now."""
        now = self.now
        return [
            strand
            for strand in self.strands
            if not strand.process.is_stopped
            and ((strand.until is not None and strand.until <= now) or (strand.ready is not None and strand.ready()))
        ]

    def next_at(self) -> float | None:
        """Return the next instant for which a strand waits, if any does."""
        waits = [each.until for each in self.strands if each.until is not None and not each.process.is_stopped]
        return min(waits, default=None)

    def turn(self, strand: Strand) -> None:
        """Let `strand` run until it waits again or is over; raise what broke in it."""
        self._running = strand
        if strand.body is not None:
            carrier = self._idle.pop() if self._idle else _Carrier(self)
            body, strand.body = strand.body, None
            carrier.carry(strand, body)
        else:
            strand.turn.release()
        self._back.acquire()
        self._running = None
        if self.fault:
            raise self.fault
        if strand.process.is_over:
            self.end(strand.process)

    def end(self, process: Process) -> None:
        """End `process` here and now, wherever its threads are."""
        if process.is_dead:
            return
        process.is_dead = True
        process.is_stopped = False
        for undo in process.at_end:
            undo()
        for strand in list(process.strands):
            self._drop(strand)
            if strand.body is None and not strand.is_over:
                self.turn(strand)  # which unwinds, and touches nothing

    def close(self) -> None:
        """Let go of the threads of the system."""
        for carrier in self._idle:
            carrier.dismiss()

    # For what runs in a strand.

    def wait(self, ready: Callable[[], object] | None = None, until: float | None = None) -> None:
        """Let others run until `ready` says so, or until the instant `until`; without both, for one turn."""
        strand = self._running
        assert strand is not None, "nothing waits but what runs"
        if strand.process.is_dead:
            raise Killed
        strand.ready = ready
        strand.until = self.now if ready is None and until is None else until
        self._back.release()
        strand.turn.acquire()
        strand.ready = strand.until = None
        if strand.process.is_dead:
            raise Killed

    @property
    def process(self) -> Process:
        """The process that runs now."""
        assert self._running is not None, "no process runs"
        return self._running.process

    def _carry(self, strand: Strand, body: Callable[[], object]) -> None:
        try:
            body()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - told where the loom is turned
            self.fault = self.fault or error
        strand.is_over = True
        self._drop(strand)

    def _drop(self, strand: Strand) -> None:
        if strand in strand.process.strands:
            strand.process.strands.remove(strand)
            self.strands.remove(strand)

    def _done(self, carrier: "_Carrier") -> None:
        self._idle.append(carrier)
        self._back.release()


class _Carrier:
    """A thread of the system, which carries one strand after the other."""

    def __init__(self, loom: Loom) -> None:
        self._loom = loom
        self._work: tuple[Strand, Callable[[], object]] | None = None
        self._called = threading.Lock()
        self._called.acquire()
        threading.Thread(target=self._labour, name="strand", daemon=True).start()

    def carry(self, strand: Strand, body: Callable[[], object]) -> None:
        self._work = (strand, body)
        self._called.release()

    def dismiss(self) -> None:
        self._work = None
        self._called.release()

    def _labour(self) -> None:
        while True:
            self._called.acquire()
            if self._work is None:
                return
            strand, body = self._work
            self._loom._carry(strand, body)
            self._loom._done(self)
