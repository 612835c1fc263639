"""The bad pool: nodes that cannot be used now, retested end to end until they come up.

Pure. Suspects from the good pool are here too, for the one retest that confirms or refutes their failure.
Tests: `tests/core/pools/test_pools.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import compute_interval
from plabctl.core.flap import count_needed_passes
from plabctl.core.keys.table import Table
from plabctl.core.model import Member
from plabctl.core.pools.base import ON_PASS, Judgement, Move, Pool, Reading, enter_pool
from plabctl.core.settings import PoolKind, PoolSettings, Settings
from plabctl.core.suspicion import Suspicion
from plabctl.durations import format_duration
from plabctl.values import replace


class BadPool(Pool):
    """Nodes that failed, or that have not proved themselves yet."""

    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Return to good after enough passes in a row, unless stuck; a refuted suspicion leaves no trace."""
        now = reading.now
        if member.is_held(now):
            return Judgement(self.stay(member, reading))
        if member.suspicion:
            return self._refute(member, member.suspicion, reading)
        if member.stuck_since_at is not None:
            return Judgement(self.stay(member, reading))
        if count_needed_passes(member, self.settings.flap, now):
            return Judgement(self.wait(member, reading, self.settings.flap.apart_s))
        move = Move("transition", self.own.name, self.own.goes_to, now, "passed", _format_passes(member.ok_streak))
        # Imported here: this module comes with the configuration, into commands that judge nothing.
        from plabctl.core.fair_wait import add_spell
        from plabctl.core.steadiness import update_good_ratio

        spells = add_spell(member, member.since_at, now, self.settings, is_good=False)
        ratio = update_good_ratio(member.good_ratio, now - member.since_at, is_good=False)
        return Judgement(replace(enter_pool(member, self.own.goes_to, now), uptime=spells, good_ratio=ratio), move)

    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Stay; due after the back-off. The failed retest of a suspect confirms its move, unless the guard holds it."""
        suspicion = member.suspicion
        if not suspicion:
            return Judgement(self.stay(member, reading))
        if reading.is_guarded and not member.is_held(reading.now):
            return self._take_back(member, suspicion, reading)
        return self.confirm_move(member, suspicion, self.own.name, reading)

    def _take_back(self, member: Member, suspicion: Suspicion, reading: Reading) -> Judgement:
        back = replace(member, pool=suspicion.pool, since_at=suspicion.since_at)
        wait_s = compute_interval(self.settings.pools[suspicion.pool].backoff, 0, reading.roll)
        evidence = "too many fail together"
        move = Move("guarded", self.own.name, suspicion.pool, reading.now, "guard", evidence)
        return Judgement(self.wait(back, reading, wait_s), move)

    def _refute(self, member: Member, suspicion: Suspicion, reading: Reading) -> Judgement:
        restored = replace(
            member,
            pool=suspicion.pool,
            since_at=suspicion.since_at,
            ok_streak=suspicion.ok_streak + 1,
            suspicion=None,
        )
        move = Move("refuted", self.own.name, suspicion.pool, reading.now, "passed", "the retest passed")
        return Judgement(self.stay(restored, reading), move)


def _format_passes(count: int) -> str:
    return "test passed" if count == 1 else f"{count} passes in a row"


class BadKind(PoolKind):
    """The kind `bad`."""

    name = "bad"
    help = "tests its nodes again until they pass, several times in a row after they flapped"
    is_good = False
    pool = BadPool
    keys = Table("pool.bad", None, ON_PASS)

    def describe_exit(self, own: PoolSettings, settings: Settings) -> str:
        """Return when a node leaves the pool, and where it goes."""
        flap = settings.flap
        more = f"one more for each point of flap penalty (half-life {format_duration(flap.half_life_s)})"
        return f"to {own.goes_to} after one pass, and {more}, {format_duration(flap.apart_s)} apart"


BAD = BadKind()
