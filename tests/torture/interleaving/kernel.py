"""What the product stands on, as the weave gives it: the clock, locks, slots, the history.

All of it waits by way of the loom, so that every such moment is one at which others may run, or the process may die.
What a dead process held is free at once, as the kernel has it. Go on with `disk` for the state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from plabctl.core.model import Event
from tests.torture.interleaving.scheduler import Process, Scheduler


class Kernel:
    """The machine that the product runs on: its wall clock, which people set, and what its processes hold."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.offset = 1_700_000_000.0
        self.boot = "boot-1"
        self.booted_at = scheduler.now - 500.0
        self.locks: dict[str, Process] = {}
        """By name, who holds it."""
        self.slots: dict[int, Process] = {}
        self.disk_fault_ratio = 0.0

    def now(self) -> float:
        return round(self.scheduler.now + self.offset, 3)

    def monotonic(self) -> float:
        return self.scheduler.now

    def uptime(self) -> float:
        return round(self.scheduler.now - self.booted_at, 3)

    def lock(self, name: str, timeout_s: float) -> bool:
        """Have the lock of that name for the running process, unless it stays taken for so long."""
        me = self.scheduler.process
        if name in self.locks and timeout_s:
            self.scheduler.wait(lambda: name not in self.locks, self.scheduler.now + timeout_s)
        if name in self.locks:
            return False
        self.locks[name] = me
        return True

    def unlock(self, name: str) -> None:
        self.locks.pop(name, None)

    def forget(self, process: Process) -> None:
        """Take back all that `process` held."""
        self.locks = {name: holder for name, holder in self.locks.items() if holder is not process}
        self.slots = {slot: holder for slot, holder in self.slots.items() if holder is not process}


class SimClock:
    """The clock as the product asks for it."""

    def __init__(self, kernel: Kernel) -> None:
        self.now = kernel.now
        self.monotonic = kernel.monotonic
        self.uptime = kernel.uptime


class SimSlots:
    """The slots as one process sees them."""

    def __init__(self, kernel: Kernel, window: int) -> None:
        self._kernel = kernel
        self._me = kernel.scheduler.process
        self._window = window

    @property
    def held(self) -> frozenset[int]:
        return frozenset(slot for slot, holder in self._kernel.slots.items() if holder is self._me)

    def take(self, limit: int, *, but_leave: int = 0) -> list[int]:
        slots = self._kernel.slots
        room = min(limit, self._window - len(slots) - but_leave)
        taken = [slot for slot in range(1, self._window + 1) if slot not in slots][: max(0, room)]
        slots.update(dict.fromkeys(taken, self._me))
        return taken

    def release(self, slot: int) -> None:
        if self._me.is_dead:
            return
        assert self._kernel.slots.pop(slot) is self._me, "it gave back a slot that was not its own"

    def mark(self, slot: int, text: str) -> None:
        """Nobody looks at the marks here."""

    def is_free(self, slot: int) -> bool:
        return slot not in self._kernel.slots


class SimHistory:
    """The history, which keeps each event once."""

    def __init__(self, kernel: Kernel, told: dict[str, int]) -> None:
        self._kernel = kernel
        self._told = told

    def __enter__(self) -> Self:
        self._kernel.scheduler.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def record(self, events: Iterable[Event]) -> None:
        self._kernel.scheduler.wait()
        for event in events:
            self._told.setdefault(event.id, len(self._told))
        self._kernel.scheduler.wait()

    def prune(self, *_: object) -> None:
        """Nothing grows too old here."""
