"""The members of one simulated run: a test is made, the core judges it, and what came of it is counted.

Pure. What a report makes of a member is decided by `plabctl.core.pools`, K by `plabctl.core.adaptive_scale`. A test
passes if the node is up all the while; else it fails, in the time that a failure takes. Go on with `driver` for when
tests start, with `totals` for what is measured.
Tests: `tests/sim/test_driver.py`.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from plabctl.core import adaptive_scale
from plabctl.core.fair_wait import is_adaptive
from plabctl.core.model import Cause, Member, Outcome, Report
from plabctl.core.pools.base import Reading, build_pools
from plabctl.sim.conditions import NODES_PER_SLOT, Conditions
from plabctl.sim.policies import Policy
from plabctl.sim.totals import Totals
from plabctl.sim.world import Life, World


class SimRun:
    """The members of a run as they go, and what is counted of them."""

    def __init__(self, world: World, policy: Policy, conditions: Conditions) -> None:
        window = conditions.window or max(1, -(-len(world.lives) // NODES_PER_SLOT))
        self.settings = replace(policy.settings, window=window)
        self.scenario = conditions
        self.lives = world.lives
        self.length_s = world.length_s
        self.totals = Totals(world, conditions.warm_up_s)
        self.pools = build_pools(self.settings)
        self.is_good = {name: pool.is_good for name, pool in self.settings.pools.items()}
        entry = self._find_entry_pool()
        home = self.settings.pools[entry].goes_to
        self.members = [
            Member(life.name, home if life.starts_up else entry, life.born_at, life.born_at) for life in world.lives
        ]
        self.since = [life.born_at for life in world.lives]
        self.rng = Random(conditions.seed)
        self.scale = policy.scale or adaptive_scale.FIRST_SCALE
        self.adapts = policy.scale is None and is_adaptive(self.settings)
        self.shares = (
            [adaptive_scale.compute_share(member, self.settings) for member in self.members] if self.adapts else []
        )
        self._looked_at = 0.0
        self._pass = Report("", "", Outcome.PASS, None, "", 0.0, conditions.up_s)
        self._fail = Report("", "", Outcome.FAIL, Cause.CONNECT, "", 0.0, conditions.down_s)

    def _find_entry_pool(self) -> str:
        """Return the bad pool that nodes are in which are down at first."""
        entry = self.settings.entry_pool
        pools = self.settings.pools
        if entry in pools and not pools[entry].is_good:
            return entry
        return next(name for name, pool in pools.items() if not pool.is_good)

    def find_start(self, number: int) -> float:
        """Return the first tick at which the member can be tested."""
        tick_s = self.scenario.tick_s
        return -(-self.members[number].due_at // tick_s) * tick_s

    def probe(self, number: int, at: float) -> float:
        """Test the member from `at` on, judge what that finds, and return when the test ends."""
        false_ratio, rng = self.scenario.false_ratio, self.rng
        # The same as `passes`, without a call: this is done millions of times.
        passes = self.lives[number].is_up_through(at, self.scenario.up_s) and not (
            false_ratio and rng.random() < false_ratio
        )
        return self.judge(number, self._pass if passes else self._fail, at, rng.random())

    def passes(self, life: Life, at: float) -> bool:
        """Return whether a test of this node passes that begins then."""
        false_ratio = self.scenario.false_ratio
        return life.is_up_through(at, self.scenario.up_s) and not (false_ratio and self.rng.random() < false_ratio)

    def judge(self, number: int, report: Report, at: float, roll: float) -> float:
        """Let the core judge the report of a test that began at `at`, and return when the test ended."""
        member, totals = self.members[number], self.totals
        now = at + report.seconds
        judgement = self.pools[member.pool].judge(member, Reading(report, now, roll, scale=self.scale))
        after = self.members[number] = judgement.member
        totals.probe_count += 1
        if at >= totals.warm_up_s:
            if report is self._pass:
                totals.pass_count += 1
            else:
                totals.fail_count += 1
            if judgement.move and judgement.move.kind == "transition":
                totals.move_count += 1
        if after.pool != member.pool:
            self.record_move(number, member, after, at, now)
        if self.adapts:
            self.shares[number] = adaptive_scale.compute_share(after, self.settings)
        return now

    def record_move(self, number: int, before: Member, after: Member, tested_at: float, now: float) -> None:
        """Count the time in the pool that the member left, and how late that was."""
        was_good, began_at = self.is_good[before.pool], self.since[number]
        if was_good is self.is_good[after.pool]:
            return
        self.totals.add_spell(number, began_at, now, is_good=was_good)
        leave = self.totals.add_detection if was_good else self.totals.add_readmission
        leave(self.lives[number], began_at, tested_at, now)
        self.since[number] = now

    def adjust_scale(self, now: float) -> None:
        """Let K follow the load that is planned, as a tick does."""
        if self.adapts and now - self._looked_at >= adaptive_scale.EVERY_S:
            self._looked_at = now
            self.scale = adaptive_scale.compute_next_scale(self.scale, self.shares, self.settings)

    def close(self) -> Totals:
        """Count the spells that are under way at the end, and return the sums."""
        for number, member in enumerate(self.members):
            self.totals.add_spell(number, self.since[number], float("inf"), is_good=self.is_good[member.pool])
        sums = self.totals
        sums.slot_s = sums.pass_count * self.scenario.up_s + sums.fail_count * self.scenario.down_s
        return sums
