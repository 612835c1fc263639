"""Where the state is kept in the weave, and the store through which processes come to it.

What is committed is never changed again, so a look at it costs nothing. Before and after everything that takes time in
a real store others may run, or the process may die; what it had not committed then is lost, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy

from plabctl.core import clock_skew
from plabctl.core.state import Changes, State
from plabctl.errors import ClockFault, CommitUncertain, StoreBusy, StoreError
from plabctl.store.head import Head
from tests.memory_state import MemoryState
from tests.torture.interleaving.kernel import Kernel
from tests.torture.interleaving.scheduler import Process

LOCK_TIMEOUT_S = 10.0
Watch = Callable[[State, State, Process, float], None]
"""Is told of a commit: the state before it and after it, who made it, and the time by which that decided."""


class Staged(MemoryState):
    """A copy that notices whether it is changed."""

    def __init__(self, base: State) -> None:
        self.__dict__.update({name: copy(value) for name, value in base.__dict__.items()})
        self.is_changed = False
        self.fold_s = 0.0

    def apply(self, changes: Changes) -> None:
        if changes:
            self.is_changed = True
            rev = self.rev
            super().apply(changes)
            self.rev = rev


class MemoryDisk:
    """The state as it was last committed."""

    def __init__(self) -> None:
        self.state: State = MemoryState()
        self.saved_at = 0.0
        self.saved_boot = ""

    def head(self) -> Head | None:
        state = self.state
        if not state.rev:
            return None
        tick = state.tick.id if state.tick else ""
        return Head(2, state.rev, self.saved_at, self._wake_at(), tick, len(list(state.names())), 0)

    def _wake_at(self) -> float | None:
        state = self.state
        if state.claims or state.outbox:
            return 0.0
        instants = [member.due_at for member in state.members()] + [vnode.due_at for vnode in state.vnodes()]
        instants += [at for note in state.notes.values() if isinstance(at := note.get("due_at"), int | float)]
        return min(instants, default=None)

    def commit(self, staged: Staged, now: float, boot: str) -> None:
        staged.rev += 1
        self.state = staged
        self.saved_at = now
        self.saved_boot = boot


class SimStore:
    """The store as one process sees it, over the disk that all share."""

    def __init__(self, kernel: Kernel, disk: MemoryDisk, watch: Watch) -> None:
        self._kernel = kernel
        self._disk = disk
        self._watch = watch

    def head(self) -> Head | None:
        return self._disk.head()

    def newest_tick(self) -> str | None:
        head = self._disk.head()
        return (head.tick or None) if head else None

    def snapshot(self) -> State:
        self._kernel.scheduler.wait()
        return self._disk.state

    def saved_at(self) -> float:
        return self._disk.saved_at

    def explain_clock_doubt(self) -> str:
        disk, kernel = self._disk, self._kernel
        is_same_boot = disk.saved_boot == kernel.boot
        return clock_skew.explain_distrust(kernel.now(), disk.saved_at, kernel.uptime(), is_same_boot=is_same_boot)

    def beat(self, *names: str) -> None:
        """Leave no trace."""

    def last_beat(self, name: str = "") -> float | None:
        """Return None, as there is no trace."""
        return None

    @contextmanager
    def session(self) -> Iterator[State]:
        kernel, scheduler = self._kernel, self._kernel.scheduler
        scheduler.wait()
        if not kernel.lock("state", LOCK_TIMEOUT_S):
            raise StoreBusy("the state is locked")
        try:
            before = self._disk.state
            staged = Staged(before)
            self._set_right(staged)
            opened_at = kernel.now()
            scheduler.process.looked_at = scheduler.now
            scheduler.wait()
            yield staged
            if staged.is_changed:
                self._commit(before, staged, opened_at)
        finally:
            if not scheduler.process.is_dead:
                kernel.unlock("state")
        scheduler.wait()

    def _set_right(self, state: Staged) -> None:
        now, saved_at = self._kernel.now(), self._disk.saved_at
        if why := self.explain_clock_doubt():
            raise ClockFault(why)
        if clock_skew.is_set_back(now, saved_at):
            state.apply(clock_skew.rebase_instants(state, now))

    def _commit(self, before: State, staged: Staged, opened_at: float) -> None:
        kernel, scheduler = self._kernel, self._kernel.scheduler
        scheduler.wait()
        fault = scheduler.dice.random() < kernel.disk_fault_ratio
        if fault and scheduler.dice.random() < 0.5:
            raise StoreError("no space left on the device")
        self._disk.commit(staged, max(opened_at, kernel.now()), kernel.boot)
        self._watch(before, self._disk.state, scheduler.process, max(opened_at, kernel.now()))
        scheduler.wait()
        if fault:
            raise CommitUncertain("the disk did not confirm it")
