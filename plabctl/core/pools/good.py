"""The good pool: nodes without a known issue, tested before users find out.

Pure. A first failure makes a node a suspect in the bad pool, tested again at once; `bad` judges that retest.
"""

from __future__ import annotations

from dataclasses import replace

from plabctl.core.backoff import interval
from plabctl.core.model import Member
from plabctl.core.pools.base import Judgement, Move, Pool, Reading, entered
from plabctl.core.records import Suspicion
from plabctl.core.settings import GuardThen


class GoodPool(Pool):
    """Nodes that can be used."""

    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Stay; due after the back-off. Failures that were held, or that a quick retest refutes, leave no trace."""
        if member.suspicion:
            member = replace(member, ok_streak=member.suspicion.ok_streak + 1, suspicion=None)
        return Judgement(self.stay(member, reading))

    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Leave as a suspect, or be tested again while still here when the pool confirms first, or stay when held.

        What a learned deadline cut off counts for nothing, but it is tested again at once.
        """
        now = reading.now
        if member.is_held(now):
            return Judgement(self.stay(member, reading))
        suspicion = member.suspicion or Suspicion(self.own.name, member.since_at, ok_streak, now)
        if reading.is_guarded:
            return self._guarded(replace(member, suspicion=suspicion), suspicion, reading)
        if reading.report.is_cut:
            return _doubted(replace(member, ok_streak=ok_streak), now)
        return self._left(member, suspicion, reading)

    def _left(self, member: Member, suspicion: Suspicion, reading: Reading) -> Judgement:
        now = reading.now
        if member.fail_streak <= self.own.confirm:
            return Judgement(replace(member, suspicion=suspicion, due_at=now, interval_s=0.0))
        if self.own.confirm or not self.own.suspects:
            left = entered(self.flopped(member, suspicion, reading), self.own.goes_to, now)
            return Judgement(left, self._move("transition", reading))
        if member.suspicion:
            return self.confirmed(member, suspicion, self.own.goes_to, reading)
        left = replace(entered(member, self.own.goes_to, now), suspicion=suspicion)
        return Judgement(left, self._move("suspect", reading))

    def _guarded(self, member: Member, suspicion: Suspicion, reading: Reading) -> Judgement:
        """Stay and be tested soon; when that has lasted for the guard's longest time, move or stay by its settings."""
        guard = self.settings.guard
        if reading.now - suspicion.failed_at < guard.max_age_s:
            return Judgement(self.wait(member, reading, interval(self.own.backoff, 0, reading.roll)))
        if guard.then is GuardThen.LEAVE:
            return Judgement(self.stay(member, reading))
        if reading.report.is_cut:
            return _doubted(member, reading.now)
        return self.confirmed(member, suspicion, self.own.goes_to, reading)

    def _move(self, kind: str, reading: Reading) -> Move:
        evidence = reading.report.reason
        return Move(kind, self.own.name, self.own.goes_to, reading.now, reading.cause, evidence)


def _doubted(member: Member, now: float) -> Judgement:
    """Return `member` as it was but for the failure it was just seen with, to be tested at once.

    That test has the recipe's own time-outs (`plabctl.core.deadlines`), and what it finds counts.
    """
    return Judgement(replace(member, fail_streak=member.fail_streak - 1, due_at=now, interval_s=0.0))
