"""One simulated run on a testbed that is in use: jobs come and go, and nodes are looked at as they are released.

Pure. Go on with `event_run` for tests and checks, with `jobs` for how long jobs last.
Tests: `tests/sim/test_busy_run.py`.
"""

from __future__ import annotations

from dataclasses import replace

from plabctl.core.liveness import call_check
from plabctl.core.model import Member
from plabctl.sim.conditions import Conditions
from plabctl.sim.event_run import JOB, RELEASE, EventRun
from plabctl.sim.jobs import Jobs
from plabctl.sim.policies import Policy
from plabctl.sim.totals import Totals
from plabctl.sim.world import World


class BusyRun(EventRun):
    """The members of a run, and when users have their nodes."""

    def __init__(self, world: World, policy: Policy, conditions: Conditions) -> None:
        super().__init__(world, policy, conditions)
        count = len(world.lives)
        self._jobs = Jobs(world.lives, conditions.busy_ratio, conditions.job_s, conditions.seed)
        self._in_use = [False] * count
        self._turns = [0] * count
        """How often each node was taken or given back: what was planned for an earlier turn does not happen."""
        self._offered_at: list[float | None] = [None] * count
        self._held_at: list[float | None] = [None] * count
        """Since when it is kept from users until it was tested."""
        for number, member in enumerate(self.members):
            if self.is_good[member.pool]:
                self._offer(number, member.since_at)

    def happen(self, what: int, number: int, at: float, version: int) -> None:
        """Let a job begin or end, among other things; none begins during a test."""
        if what not in {RELEASE, JOB}:
            super().happen(what, number, at, version)
            return
        if version != self._turns[number]:
            return
        if what is RELEASE:
            self._release(number, at)
        elif self.occupied_until[number] > at:
            self.push(self.occupied_until[number], JOB, number, version)
        else:
            self._take(number, at)

    def record_move(self, number: int, before: Member, after: Member, tested_at: float, now: float) -> None:
        """Count what ends, and end or begin the use of the node."""
        super().record_move(number, before, after, tested_at, now)
        if self.is_good[after.pool]:
            self._offer(number, now)
        else:
            self._withdraw(number, now)

    def is_spared(self, number: int) -> bool:
        """Return whether a user has the node, and its pool spares it."""
        return self._in_use[number] and self.settings.pools[self.members[number].pool].busy == "spare"

    def test(self, number: int, at: float) -> None:
        """Test the member, and offer it if that was what it was kept for."""
        if self._in_use[number] and at >= self.totals.warm_up_s:
            self.totals.disturbing_count += 1
        super().test(number, at)
        if self._held_at[number] is not None:  # it passed: a failure withdraws it
            now = self.occupied_until[number]
            self._end_use(number, now)
            self._offer(number, now)

    def close(self) -> Totals:
        """Count the uses that are under way at the end, too."""
        for number in range(len(self.members)):
            self._end_use(number, self.length_s)
        return super().close()

    def _offer(self, number: int, at: float) -> None:
        self._offered_at[number] = at
        turn = self._turns[number] = self._turns[number] + 1
        self.push(at + self._jobs.draw_free(number), JOB, number, turn)

    def _take(self, number: int, at: float) -> None:
        self._end_use(number, at)
        self._in_use[number] = True
        turn = self._turns[number] = self._turns[number] + 1
        self.push(at + self._jobs.draw_job(number, is_up=self.lives[number].is_up(at)), RELEASE, number, turn)
        self.plan(number, at)

    def _release(self, number: int, at: float) -> None:
        self._in_use[number] = False
        member = self.members[number]
        at_release = self.settings.pools[member.pool].at_release
        if at_release == "test":
            self._held_at[number] = at
            self._turns[number] += 1
            self.change(number, replace(member, due_at=min(member.due_at, at)), at)
            return
        self._offer(number, at)
        if at_release == "check" and self.occupied_until[number] <= at:
            member = call_check(member, at)
        self.change(number, member, at)

    def _withdraw(self, number: int, at: float) -> None:
        self._end_use(number, at)
        self._in_use[number] = False
        self._turns[number] += 1

    def _end_use(self, number: int, at: float) -> None:
        """Count the time that it was offered, or kept from users."""
        began_at = self._offered_at[number]
        if began_at is not None:
            self.totals.add_offered(number, began_at, at)
            self._offered_at[number] = None
        began_at = self._held_at[number]
        if began_at is not None:
            self.totals.add_held(number, began_at, at)
            self._held_at[number] = None
