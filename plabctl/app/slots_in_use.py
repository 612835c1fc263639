"""The slots of one tick and what is running in them.

I/O through the executor. A slot that this process has locked passes from probe to probe without being unlocked, and a
few claims are kept in hand, so that the next probe starts the moment one ends and not after the next commit.
Tests: `tests/app/test_tick.py`.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

from plabctl.app.capacity import compute_capacity
from plabctl.app.context import App
from plabctl.core.assign import Job
from plabctl.core.assignment import Assignment
from plabctl.core.model import Claim, Report
from plabctl.kinds import find
from plabctl.store.slots import Slots

if TYPE_CHECKING:
    from plabctl.executors.base import Executor, RemoteExecutor

IDLE_S = 60.0
"""A tick uses a slot or gives it back within moments; this long after that it must be stuck."""
STALE_S = 5.0
"""A claim in hand for longer than this is given back: its node may be due elsewhere, or not at all any more."""
REST_S = 0.05
"""The least pause between two steps; a costly step is followed by a pause of four times its length."""
MOST_REST_S = 30.0
"""The longest: a step in which the process was stopped for hours, or the disk stood, says nothing of what it costs."""


class _InHand(NamedTuple):
    """A committed claim that waits for a slot of ours, and since when (monotonic)."""

    claim: Claim
    assignment: Assignment
    since: float


class SlotsInUse:
    """Which claim runs in which slot, which slots are idle, and which claims wait in hand."""

    def __init__(self, app: App, slots: Slots) -> None:
        self._app = app
        self._slots = slots
        self.is_elsewhere: bool = find("executor", app.settings.executor.kind).is_elsewhere
        """Whether other machines make the tests."""
        self._running: dict[str, Claim] = {}
        self._in_hand: deque[_InHand] = deque()
        self._idle: list[int] = []
        self._moved: dict[str, Claim] = {}
        self.heeds_orphans = self.is_elsewhere
        """Whether there may be tests that are made elsewhere and whose tick is gone. Then slots are idle at first."""
        self.reserved_count = 0
        """How many slots are left alone for them."""

    @property
    def running_count(self) -> int:
        """How many probes run."""
        return len(self._running)

    @property
    def in_hand_count(self) -> int:
        """How many claims wait for a slot of ours."""
        return len(self._in_hand)

    @property
    def waits_for_step(self) -> bool:
        """Whether claims in hand may begin in idle slots once a step has looked for tests of dead ticks."""
        return self.heeds_orphans and bool(self._in_hand and self._idle)

    @property
    def idle(self) -> tuple[int, ...]:
        """The slots that we hold and that nothing runs in."""
        return tuple(self._idle)

    def prepare(self) -> None:
        """Import what running a probe and settling it needs, before a claim waits for it."""
        from plabctl.app import preload

        preload.load()
        _ = self._executor

    def take_slots(self, limit: int) -> None:
        """Lock up to `limit` more slots, as many as this process has room for.

        Each takes up the next claim in hand, or is idle. Where tests are made elsewhere they are all idle, until a step
        has looked whether the test of a dead tick goes on.
        """
        room = min(limit, self._capacity - len(self._slots.held))
        for slot in self._slots.take(room, but_leave=self.reserved_count):
            if self.heeds_orphans:
                self._keep_idle(slot)
            else:
                self._occupy(slot)

    def reserve(self, count: int) -> bool:
        """Leave `count` slots to tests elsewhere; return whether idle ones had to be unlocked for that."""
        self.reserved_count = count
        missing = count - self._slots.count_free() if count and self._idle else 0
        for _ in range(min(missing, len(self._idle))):
            self._slots.release(self._idle.pop())
        return missing > 0

    def start_in_hand(self) -> None:
        """Have idle slots take up the claims in hand."""
        while self._idle and self._in_hand:
            self._occupy(self._idle.pop(0))

    def take_one(self, wanted: int) -> int | None:
        """Lock a slot and return it, `wanted` if that can be had, else any; None when the window is full."""
        if wanted in self._idle:
            self._idle.remove(wanted)
            return wanted
        if self._slots.take_this(wanted):
            return wanted
        taken = [self._idle.pop()] if self._idle else self._slots.take(1)
        return taken[0] if taken else None

    def has(self, claim: Claim) -> bool:
        """Return whether this process runs the claim, or keeps it in hand."""
        return claim.token in self._running or any(each.claim.token == claim.token for each in self._in_hand)

    def adopt(self, claim: Claim, assignment: Assignment, remaining_s: float) -> None:
        """Wait in the slot of `claim` for the report of a test that another process had begun elsewhere."""
        self._running[claim.token] = claim
        self._mark(claim.slot, claim.until_uptime_s)
        self._remote.adopt(assignment, claim.started_at, remaining_s)

    def launch(self, jobs: Iterable[Job]) -> None:
        """Start each job in its slot if that is idle, else keep it in hand. The claims must be committed."""
        for claim, assignment in jobs:
            if claim.slot in self._idle:
                self._idle.remove(claim.slot)
                self._start(claim, assignment)
            else:
                self._in_hand.append(_InHand(claim, assignment, self._app.clock.monotonic()))

    def collect(self, timeout_s: float) -> list[Report]:
        """Return the reports of probes that ended, waiting up to `timeout_s` for a first one.

        Each slot that comes free takes up the next claim in hand, or is idle. A report from elsewhere may be late.
        """
        if not self._running:
            time.sleep(timeout_s)
            return []
        reports = self._executor.wait(timeout_s)
        for report in reports:
            claim = self._running.pop(report.token, None)
            self._moved.pop(report.token, None)
            if claim:
                self._occupy(claim.slot)
        return reports

    def pop_moved(self) -> tuple[Claim, ...]:
        """Return the claims that run in another slot than the store says, once."""
        moved = tuple(self._moved.values())
        self._moved.clear()
        return moved

    def give_back(self, *, everything: bool) -> tuple[Claim, ...]:
        """Give up claims in hand, all of them or the stale ones, and return them. None of them was started."""
        now = self._app.clock.monotonic()
        given: list[Claim] = []
        while self._in_hand and (everything or now - self._in_hand[0].since > STALE_S):
            given.append(self._in_hand.popleft().claim)
        return tuple(given)

    def release_idle(self) -> None:
        """Unlock the idle slots. Call it only after the commit that settled what ran in them.

        Before it, another tick that finds the slot free would void the claim as dead.
        """
        for slot in self._idle:
            self._slots.release(slot)
        self._idle.clear()

    def acknowledge(self) -> None:
        """Tell an executor elsewhere that what it has reported is recorded. Call it only after that commit."""
        if self.is_elsewhere and "_executor" in self.__dict__:
            self._remote.acknowledge()

    def close(self) -> None:
        """Give the connection of an executor elsewhere back, with what is to be said over it."""
        if self.is_elsewhere and "_executor" in self.__dict__:
            self._remote.close()

    def interrupt(self) -> None:
        """Interrupt every running probe; each reports that at once. Those made elsewhere go on, for the next tick."""
        if self._running and self.is_elsewhere:
            for token in self._running.keys() - self._remote.detach():
                self._slots.release(self._running.pop(token).slot)
        if self._running:
            self._executor.interrupt()

    @cached_property
    def _executor(self) -> Executor:
        """The executor, made when there is something to run: it imports fabric, which costs as much as all the rest."""
        from plabctl.app.wiring import make_executor

        return make_executor(self._app)

    @property
    def _remote(self) -> RemoteExecutor:
        return cast("RemoteExecutor", self._executor)

    @cached_property
    def _capacity(self) -> int:
        return compute_capacity()

    def _occupy(self, slot: int) -> None:
        if not self._in_hand:
            self._keep_idle(slot)
            return
        in_hand = self._in_hand.popleft()
        claim = replace(in_hand.claim, slot=slot)
        self._moved[claim.token] = claim
        self._start(claim, in_hand.assignment)

    def _keep_idle(self, slot: int) -> None:
        self._idle.append(slot)
        self._mark(slot, self._app.clock.uptime() + IDLE_S)

    def _mark(self, slot: int, until_uptime_s: float | None) -> None:
        """Record in `slot` by when something must have happened, so that others can see whether this tick is stuck."""
        self._slots.mark(slot, f"{os.getpid()} {'-' if until_uptime_s is None else until_uptime_s}")

    def _start(self, claim: Claim, assignment: Assignment) -> None:
        self._running[claim.token] = claim
        self._mark(claim.slot, claim.until_uptime_s)
        self._executor.start(assignment)


def compute_rest(took_s: float, *, is_leaving: bool) -> float:
    """Return for how long a tick leaves the state to others after a step that took so many seconds.

    It keeps its slots meanwhile. Others wait for those of a tick that is leaving.
    """
    return min(took_s if is_leaving else max(REST_S, 4 * took_s), MOST_REST_S)
