"""The good pool: nodes without a known issue, tested before users find out.

Pure. A first failure makes a node a suspect in the bad pool, tested again at once; `bad` judges that retest.
"""

from __future__ import annotations

from dataclasses import replace

from plabctl.core.flap import after_flop
from plabctl.core.model import Member, Suspicion
from plabctl.core.pools.base import Judgement, Move, Pool, Reading, entered


class GoodPool(Pool):
    """Nodes that can be used."""

    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Stay; due after the back-off."""
        return Judgement(self.stay(member, reading))

    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Leave as a suspect, or be tested again while still here when the pool confirms first, or stay when held."""
        now = reading.now
        if member.is_held(now):
            return Judgement(self.stay(member, reading))
        if member.fail_streak <= self.own.confirm:
            return Judgement(replace(member, due_at=now, interval_s=0.0))
        left = entered(member, self.own.goes_to, now)
        if self.own.confirm:
            left = replace(left, penalty=after_flop(member, self.settings.flap, now), penalty_at=now)
            return Judgement(left, self._move("transition", reading))
        suspicion = Suspicion(self.own.name, member.since_at, ok_streak, now)
        return Judgement(replace(left, suspicion=suspicion), self._move("suspect", reading))

    def _move(self, kind: str, reading: Reading) -> Move:
        evidence = reading.report.reason
        return Move(kind, self.own.name, self.own.goes_to, reading.now, reading.cause, evidence)
