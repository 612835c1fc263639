"""The good pool: nodes without a known issue, tested before users find out.

Pure. A first failure makes a node a suspect in the bad pool, tested again at once; `bad` judges that retest.
Tests: `tests/core/pools/test_pools.py`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import compute_interval
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Flag, Whole
from plabctl.core.model import Member
from plabctl.core.pools.base import ON_FAIL, Judgement, Move, Pool, Reading, enter_pool
from plabctl.core.settings import GuardThen, PoolKind, PoolSettings, Settings
from plabctl.core.suspicion import Suspicion
from plabctl.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class GoodOptions:
    """Options of good pools."""

    confirm: int = 0
    """Quick retests while still in the pool before a failure counts; 0: leave at once."""
    suspects: bool = True
    """With `confirm` 0, whether one retest after leaving may refute the failure; else each failure is a move."""


class GoodPool(Pool):
    """Nodes that can be used."""

    def __init__(self, own: PoolSettings, settings: Settings) -> None:
        super().__init__(own, settings)
        self.options = find_options(own)

    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Stay; due after the back-off. Failures that were held, or that a quick retest refutes, leave no trace."""
        if member.suspicion:
            member = replace(member, ok_streak=member.suspicion.ok_streak + 1, suspicion=None)
        return Judgement(self.stay(member, reading))

    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Leave as a suspect, or be tested again while still here when the pool confirms first, or stay when held.

        A test that a learned deadline cut off does not count, but the node is tested again at once.
        """
        now = reading.now
        if member.is_held(now):
            return Judgement(self.stay(member, reading))
        suspicion = member.suspicion or Suspicion(self.own.name, member.since_at, ok_streak, now)
        if reading.is_guarded:
            return self._stay_guarded(replace(member, suspicion=suspicion), suspicion, reading)
        if reading.report.is_cut:
            return _retest_at_once(replace(member, ok_streak=ok_streak), now)
        return self._leave(member, suspicion, reading)

    def _leave(self, member: Member, suspicion: Suspicion, reading: Reading) -> Judgement:
        now = reading.now
        if member.fail_streak <= self.options.confirm:
            return Judgement(replace(member, suspicion=suspicion, due_at=now, interval_s=0.0))
        if self.options.confirm or not self.options.suspects:
            left = enter_pool(self.add_flap_penalty(member, suspicion, reading), self.own.goes_to, now)
            return Judgement(left, self._build_move("transition", reading))
        if member.suspicion:
            return self.confirm_move(member, suspicion, self.own.goes_to, reading)
        left = replace(enter_pool(member, self.own.goes_to, now), suspicion=suspicion)
        return Judgement(left, self._build_move("suspect", reading))

    def _stay_guarded(self, member: Member, suspicion: Suspicion, reading: Reading) -> Judgement:
        """Stay and be tested soon; when that has lasted for the guard's longest time, move or stay by its settings."""
        guard = self.settings.guard
        if reading.now - suspicion.failed_at < guard.max_age_s:
            return Judgement(self.wait(member, reading, compute_interval(self.own.backoff, 0, reading.roll)))
        if guard.then is GuardThen.LEAVE:
            return Judgement(self.stay(member, reading))
        if reading.report.is_cut:
            return _retest_at_once(member, reading.now)
        return self.confirm_move(member, suspicion, self.own.goes_to, reading)

    def _build_move(self, kind: str, reading: Reading) -> Move:
        evidence = reading.report.reason
        return Move(kind, self.own.name, self.own.goes_to, reading.now, reading.cause, evidence)


def _retest_at_once(member: Member, now: float) -> Judgement:
    """Return `member` as it was but for the failure it was just seen with, to be tested at once.

    That test has the recipe's own time-outs (`plabctl.core.timeouts`), and what it finds counts.
    """
    return Judgement(replace(member, fail_streak=member.fail_streak - 1, due_at=now, interval_s=0.0))


class GoodKind(PoolKind):
    """The kind `good`."""

    name = "good"
    help = "offers its nodes until they fail"
    is_good = True
    pool = GoodPool
    keys = Table(
        "pool.good",
        GoodOptions(),
        ON_FAIL,
        Key(
            "confirm",
            Whole(0, 20),
            text="The number of quick retests, while still in the pool, before a failure counts; with 0 the node "
            "leaves at once and is tested again at once. 0 because each quick retest of a dead node takes "
            "another time-out before it leaves: broken nodes are offered for half as long again.",
            example="2",
        ),
        Key(
            "suspects",
            Flag(),
            text="With `confirm = 0`: whether a failing node leaves as a suspect, which one passed retest clears "
            "without a trace; if false, every single failure is a move that counts.",
            example="false",
        ),
    )

    def count_quick_retests(self, own: PoolSettings) -> int:
        """Return `confirm`."""
        return find_options(own).confirm

    def has_suspects(self, own: PoolSettings) -> bool:
        """Return whether a node leaves at once, and one passed retest clears it."""
        options = find_options(own)
        return options.suspects and not options.confirm

    def simplify(self, own: PoolSettings) -> PoolSettings:
        """Return `own` without quick retests and without suspects."""
        return replace(own, options=GoodOptions(confirm=0, suspects=False))

    def describe_exit(self, own: PoolSettings, settings: Settings) -> str:
        """Return when a node leaves the pool, and where it goes."""
        options = find_options(own)
        if options.confirm:
            return f"to {own.goes_to} when a failure was confirmed by {options.confirm} quick retests"
        if not options.suspects:
            return f"to {own.goes_to} at the first failure"
        return f"to {own.goes_to} at the first failure, as a suspect, and is tested again at once"


def find_options(own: PoolSettings) -> GoodOptions:
    """Return the options of a good pool; the defaults for a pool of another kind."""
    return own.options if isinstance(own.options, GoodOptions) else GoodOptions()


GOOD = GoodKind()
