"""One simulated run with what happens between tests: liveness checks, and ways to the nodes that are cut.

Pure. What a check makes of a member is decided by `plabctl.core.liveness`. A check that finds what was seen last only
says when the next is due: such checks are counted, and one is made when the answer has changed. Go on with `sim_run`
for tests.
Tests: `tests/sim/test_event_run.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import heappop, heappush
from math import ceil, inf

from plabctl.core.liveness import Look, judge_check, plan_after_test
from plabctl.core.model import Cause, Member, Outcome, Report
from plabctl.sim.conditions import Conditions
from plabctl.sim.paths import Reach
from plabctl.sim.policies import Policy
from plabctl.sim.sim_run import SimRun
from plabctl.sim.site_state import SiteState
from plabctl.sim.sites import list_by_site
from plabctl.sim.totals import Totals
from plabctl.sim.world import World

RELEASE, CALL, NEXT, JOB = range(4)
"""What happens to a node: a job ends, its neighbours are called, a test or a check begins, a job begins. At the same
instant in this order."""


class EventRun(SimRun):
    """The members of a run, and when something happens to each of them next."""

    def __init__(self, world: World, policy: Policy, conditions: Conditions) -> None:
        super().__init__(world, policy, conditions)
        count = len(world.lives)
        self._reach = Reach(world, conditions)
        self._events: list[tuple[float, int, int, int]] = []
        self._versions = [0] * count
        self._checks_at = [inf] * count
        """When the next check of each node is due that has been neither made nor counted."""
        self._called = [False] * count
        """Whether its test was called by something else than a test, and so does not wait for a tick."""
        self._by_site = list_by_site(world.lives) if policy.settings.guard.neighbours else {}
        self.occupied_until = [0.0] * count
        """Until when it is tested or checked."""
        down_s = conditions.down_s
        silent_s = down_s if conditions.silent_s is None else conditions.silent_s
        self._silent_fail = Report("", "", Outcome.FAIL, Cause.CONNECT, "", 0.0, silent_s)
        self._late_silent_fail = Report("", "", Outcome.FAIL, Cause.CONNECT, "", 0.0, down_s)
        self._fail = Report("", "", Outcome.FAIL, Cause.SETUP, "", 0.0, down_s)

    def steps(self) -> Iterator[float]:
        """Run to the end; yield the instant of each event."""
        for number, life in enumerate(self.lives):
            self.plan(number, life.born_at)
        events, versions = self._events, self._versions
        while events and events[0][0] < self.length_s:
            at, what, number, version = heappop(events)
            if at >= self.lives[number].gone_at:
                continue
            if what is not NEXT:
                self.happen(what, number, at, version)
            elif version == versions[number]:
                self.adjust_scale(at)
                if at >= self._find_test_at(number, at):
                    self.test(number, at)
                else:
                    self._check(number, at)
                self.plan(number, at)
            yield at

    def happen(self, what: int, number: int, at: float, version: int) -> None:
        """Do what happens between tests and checks: the neighbours of a node that failed are called."""
        if what is CALL:
            self._call_neighbours(number, at)

    def record_move(self, number: int, before: Member, after: Member, tested_at: float, now: float) -> None:
        """Count the time in the pool that the member left; the first failure of a good node calls its neighbours."""
        super().record_move(number, before, after, tested_at, now)
        is_new = before.suspicion is None and self.is_good[before.pool]
        if is_new and self._by_site and self.lives[number].site:
            self.push(now, CALL, number)

    def _call_neighbours(self, number: int, at: float) -> None:
        site, guard = self.lives[number].site, self.settings.guard
        near = {
            self.lives[other].name: other
            for other in self._by_site[site]
            if self.occupied_until[other] <= at < self.lives[other].gone_at and self.may_be_asked(other)
        }
        members = {name: self.members[other] for name, other in near.items()}
        state = SiteState(guard.site_label, site, members, self.members[number])
        for member in state.call(self.settings, "failed", at):
            self.change(near[member.node], member, at)

    def may_be_asked(self, number: int) -> bool:
        """Return whether something may be called that looks at the node: a check of it, or else a test."""
        own = self.settings.pools[self.members[number].pool]
        return not self.is_spared(number) or bool(own.liveness and own.liveness.between)

    def push(self, at: float, what: int, number: int, version: int = 0) -> None:
        """Let something happen to the node then."""
        heappush(self._events, (at, what, number, version))

    def plan(self, number: int, now: float) -> None:
        """Find out when the node is tested, or checked with another answer, whichever is sooner."""
        test_at = self._find_test_at(number, now)
        version = self._versions[number] = self._versions[number] + 1
        next_at = min(test_at, self._find_check_at(number, test_at))
        if next_at < inf:
            heappush(self._events, (next_at, NEXT, number, version))

    def is_spared(self, number: int) -> bool:
        """Return whether no test of the node may begin."""
        return False

    def change(self, number: int, member: Member, at: float) -> None:
        """Let something from outside change the member at that instant."""
        self._count_checks(number, at)
        is_due = member.due_at < self.members[number].due_at
        self.members[number] = member
        self._note_due_check(number)
        if is_due:
            self._called[number] = True
        self.plan(number, at)

    def _find_test_at(self, number: int, now: float) -> float:
        if self.is_spared(number):
            return inf
        at = max(self.members[number].due_at, now)
        tick_s = self.scenario.tick_s
        return at if self._called[number] else -(-at // tick_s) * tick_s

    def _find_check_at(self, number: int, before: float) -> float:
        """Return when the first check begins that the core must judge, if that is before then; else infinity."""
        at = self._checks_at[number]
        if at >= before:
            return inf
        member = self.members[number]
        known = member.liveness
        assert known is not None
        was_silent = known.is_silent
        if known.called or (was_silent and self.is_good[member.pool]):
            return at
        step_s = self._step_s(known.spacing_s)
        end = min(before, self.lives[number].gone_at)
        while at < end:
            if self._reach.answers(number, at) is was_silent:
                return at
            at += max(1, ceil((self._reach.find_next_answer(number, at) - at) / step_s)) * step_s
        return inf

    def _step_s(self, spacing_s: float) -> float:
        """Return how far checks are apart that begin at ticks."""
        tick_s = self.scenario.tick_s
        return -(-spacing_s // tick_s) * tick_s

    def _count_checks(self, number: int, until: float) -> None:
        """Count the checks that began before then and found what was seen last."""
        at = self._checks_at[number]
        if at >= until:
            return
        known = self.members[number].liveness
        assert known is not None
        step_s = self._step_s(known.spacing_s)
        count = ceil((until - at) / step_s)
        self._checks_at[number] = at + count * step_s
        if at < self.totals.warm_up_s:
            count -= min(count, ceil((self.totals.warm_up_s - at) / step_s))
        self._add_checks(count, answered=not known.is_silent)

    def _add_checks(self, count: int, *, answered: bool) -> None:
        self.totals.check_count += count
        self.totals.check_s += count * (self.scenario.login_s if answered else self.scenario.silence_s)

    def test(self, number: int, at: float) -> None:
        """Test the member from then on, and plan the checks after it."""
        self._count_checks(number, at)
        self._called[number] = False
        member = self.members[number]
        if member.is_suspect:
            self._reach.change_vantage(number)
        report = self._find_report(number, at)
        roll, moved_count = self.rng.random(), self.totals.move_count
        now = self.occupied_until[number] = self.judge(number, report, at, roll)
        after = self.members[number]
        if at >= self.totals.warm_up_s:
            self.totals.test_s += report.seconds
            is_move = self.totals.move_count > moved_count and not self.is_good[after.pool]
            self.totals.false_move_count += is_move and self.lives[number].is_up(at)
        if after.asked_early:
            after = replace(after, asked_early="")
        own = self.settings.pools[after.pool]
        self.members[number] = plan_after_test(after, own, report, roll, now)
        self._note_due_check(number)

    def _find_report(self, number: int, at: float) -> Report:
        """Return what a test says that begins then; its cause says whether logins were answered at start and end."""
        life, scenario = self.lives[number], self.scenario
        is_cut = self._reach.is_cut_within(number, at, scenario.up_s)
        if not is_cut and self.passes(life, at):
            return self._pass
        if not self._reach.answers(number, at):
            return self._silent_fail
        if not self._reach.answers(number, at + scenario.down_s):
            return self._late_silent_fail
        return self._fail

    def _check(self, number: int, at: float) -> None:
        """Try a login, and let the core judge what came of it."""
        self._count_checks(number, at)
        member, scenario = self.members[number], self.scenario
        known = member.liveness
        assert known is not None
        if known.is_silent and self.is_good[member.pool]:
            self._reach.change_vantage(number)
        answered = self._reach.answers(number, at)
        seconds = scenario.login_s if answered else scenario.silence_s
        now = self.occupied_until[number] = at + seconds
        if at >= self.totals.warm_up_s:
            self._add_checks(1, answered=answered)
        look = Look(answered, at, seconds, None if answered else Cause.CONNECT)
        after = judge_check(member, look, self.settings.pools[member.pool], now).member
        self._called[number] |= after.due_at < member.due_at
        self.members[number] = after
        if after.pool != member.pool:
            self.record_move(number, member, after, at, now)
        self._note_due_check(number)

    def _note_due_check(self, number: int) -> None:
        """Note when the member's next check begins: at a tick, unless it was called."""
        known = self.members[number].liveness
        if known is None or known.due_at is None:
            self._checks_at[number] = inf
            return
        self._checks_at[number] = known.due_at if known.called else self._step_s(known.due_at)

    def close(self) -> Totals:
        """Count the spells and checks that are under way at the end, and return the sums."""
        for number, life in enumerate(self.lives):
            self._count_checks(number, min(self.length_s, life.gone_at))
        sums = super().close()
        sums.slot_s = sums.test_s + sums.check_s
        return sums
