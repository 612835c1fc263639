"""What all health pools share: how a report changes a member's pool, counters and due time.

Pure. A kind of pool decides two things only, in `passed` and `failed`: see `good` and `bad`.
Tests: `tests/core/pools/test_pools.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from plabctl.core.backoffs.base import compute_interval
from plabctl.core.flap import add_flap, keep_relevant
from plabctl.core.keys.table import Key
from plabctl.core.keys.types import Text
from plabctl.core.model import Cause, Member, Outcome, Report, Verdict
from plabctl.core.names import POOL_NAME, is_pool_name
from plabctl.core.settings import EXIT_FIELD, PoolSettings, Settings
from plabctl.core.suspicion import Flap, Suspicion
from plabctl.fast_replace import compile_replace
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass, replace

_PASS, _FAIL, _INTERRUPTED = Outcome.PASS, Outcome.FAIL, Cause.INTERRUPTED

if TYPE_CHECKING:
    _replace_member = replace  # whose names and types of fields are checked
else:

    def _replace_member(member: Member, /, **changes: object) -> Member:
        # Each report changes a member twice, and a simulated year is millions of reports; the short commands, which
        # load this module with the configuration, judge none: it is compiled at its first use.
        globals()["_replace_member"] = compiled = compile_replace(Member)
        return compiled(member, **changes)


def _build_exit_key(name: str, text: str, other: str) -> Key:
    default = f"the only pool of kind {other}"
    return Key(name, Text(POOL_NAME, is_pool_name), EXIT_FIELD, text=text, example=f'"{other}"', default=default)


ON_FAIL = _build_exit_key("on_fail", "The pool for nodes that fail.", "bad")
"""The key of good pools that names the pool to which a node leaves."""
ON_PASS = _build_exit_key("on_pass", "The pool for nodes that have passed often enough.", "good")
"""The key of bad pools that names the pool to which a node leaves."""


@dataclass(frozen=True, slots=True)
class Move:
    """A step between pools: `suspect`, `refuted`, `guarded` or `transition`; a person makes only the last."""

    kind: str
    origin: str
    target: str
    at: float
    cause: str
    """A `Cause`, or `passed`, `guard`, `operator`."""
    evidence: str
    """In words: what was seen, or the reason a person gave."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The member after a report, and the move that the report led to, if any."""

    member: Member
    move: Move | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A report with what a pool needs to judge it: the instant, and a random number for the jitter, in [0, 1)."""

    report: Report
    now: float
    roll: float
    is_guarded: bool = False
    """Too many fail together: a failure moves nobody to bad."""
    scale: float = 1.0
    """K of the adaptive back-off."""

    @property
    def cause(self) -> str:
        """The cause in the report, as a word."""
        return str(self.report.cause or "passed")


class Pool(ABC):
    """One health pool: its own settings, and the whole configuration, because nodes move on to other pools."""

    def __init__(self, own: PoolSettings, settings: Settings) -> None:
        self.own = own
        self.settings = settings

    def judge(self, member: Member, reading: Reading) -> Judgement:
        """Return the judgement of `reading` on `member`.

        An unknown outcome counts for nothing and moves nobody: the node is due again after the shortest wait, or stays
        due when the probe was merely interrupted.
        """
        report, now = reading.report, reading.now
        if report.cause is _INTERRUPTED:
            return Judgement(member)
        if member.flaps:
            member = replace(member, flaps=keep_relevant(member.flaps, self.settings.guard, now))
        if member.strike_ats and not self.settings.flap.strikes:  # they were counted before that was turned off
            member = replace(member, strike_ats=(), stuck_since_at=None)
        outcome = report.outcome
        verdict = Verdict(outcome, report.cause, report.reason, now, report.seconds)
        if outcome is _PASS:
            return self.passed(_record_result(member, verdict, member.ok_streak + 1, 0), reading)
        if outcome is _FAIL:
            return self.failed(
                _record_result(member, verdict, 0, member.fail_streak + 1), reading, ok_streak=member.ok_streak
            )
        seen = _record_result(member, verdict, member.ok_streak, member.fail_streak)
        return Judgement(self.wait(seen, reading, compute_interval(self.own.backoff, 0, reading.roll)))

    @abstractmethod
    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Judge a pass; the streaks of `member` already include it."""

    @abstractmethod
    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Judge a failure; the streaks of `member` already include it, `ok_streak` is its passes in a row before."""

    def wait(self, member: Member, reading: Reading, seconds: float) -> Member:
        """Return `member` due in `seconds`, or when its hold ends if that is sooner."""
        due_at = reading.now + seconds
        if member.hold and member.hold.until_at is not None and member.hold.until_at > reading.now:
            due_at = min(due_at, member.hold.until_at)
        return _replace_member(member, due_at=round(due_at, 3), interval_s=seconds)

    def stay(self, member: Member, reading: Reading) -> Member:
        """Return `member` due after the back-off of the pool it is in now: by its run of equal results, or its age."""
        backoff = self.settings.pools[member.pool].backoff
        fair_s = 0.0
        if backoff.kind.is_budgeted:
            from plabctl.core.fair_wait import compute_unit_wait

            fair_s = reading.scale * compute_unit_wait(member, self.settings, reading.now)
        streak, age_s = member.ok_streak + member.fail_streak, reading.now - member.since_at
        return self.wait(member, reading, compute_interval(backoff, streak, reading.roll, age_s, fair_s))

    def confirm_move(self, member: Member, suspicion: Suspicion, target: str, reading: Reading) -> Judgement:
        """Return `member` moved to `target`, confirmed: since the first failure, and counted as a flap."""
        moved = replace(self.add_flap_penalty(member, suspicion, reading), pool=target, since_at=suspicion.failed_at)
        evidence = reading.report.reason
        move = Move("transition", suspicion.pool, target, suspicion.failed_at, reading.cause, evidence)
        return Judgement(self.stay(moved, reading), move)

    def add_flap_penalty(self, member: Member, suspicion: Suspicion, reading: Reading) -> Member:
        """Return `member` with the penalty of a confirmed move; a guard that comes on soon may roll that back."""
        # Imported here, as above: what only a judgement needs is not loaded with the configuration.
        from plabctl.core.fair_wait import add_spell
        from plabctl.core.steadiness import update_good_ratio

        was_good, flaps = self.settings.pools[suspicion.pool].is_good, member.flaps
        if not reading.is_guarded:  # the guard itself lets the move go: it has held it for long enough
            flaps = (*flaps, build_flap(member, suspicion, reading.now))
        if self.settings.flap.strikes:
            from plabctl.core.strikes import add_strike

            member = add_strike(member, self.settings.flap, reading.now)
        return replace(
            member,
            suspicion=None,
            penalty=add_flap(member, self.settings.flap, reading.now),
            penalty_at=reading.now,
            uptime=add_spell(member, suspicion.since_at, suspicion.failed_at, self.settings, is_good=was_good),
            flaps=flaps,
            good_ratio=update_good_ratio(member.good_ratio, suspicion.failed_at - suspicion.since_at, is_good=was_good),
        )


def build_pools(settings: Settings) -> dict[str, Pool]:
    """Return the health pools of this configuration, by name."""
    return {name: own.kind.build(own, settings) for name, own in settings.pools.items()}


def build_flap(member: Member, before: Suspicion, at: float) -> Flap:
    """Return the move of `member` out of good, confirmed at `at`, with the record that it ends."""
    return Flap(
        before=before,
        at=at,
        penalty=member.penalty,
        penalty_at=member.penalty_at,
        uptime=member.uptime,
        good_ratio=member.good_ratio,
    )


def enter_pool(member: Member, pool: str, now: float) -> Member:
    """Return `member` as it enters `pool`: due at once."""
    return replace(member, pool=pool, since_at=now, due_at=now, interval_s=0.0)


def _record_result(member: Member, verdict: Verdict, ok_streak: int, fail_streak: int) -> Member:
    """Return `member` with `verdict` as its last, and these streaks."""
    return _replace_member(member, ok_streak=ok_streak, fail_streak=fail_streak, probed_at=verdict.at, last=verdict)
