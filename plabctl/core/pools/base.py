"""What all health pools share: how a report becomes the member's new place, counters and due time.

Pure. A kind of pool decides two things only, in `passed` and `failed`: see `good` and `bad`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from operator import attrgetter

from plabctl.core.adaptive import after_spell, unit_wait
from plabctl.core.backoff import interval
from plabctl.core.flap import after_flop
from plabctl.core.model import Cause, Member, Outcome, Report, Verdict
from plabctl.core.ranking import after_stay
from plabctl.core.records import Flop, Suspicion
from plabctl.core.settings import BackoffKind, PoolKind, PoolSettings, Settings
from plabctl.core.takeback import still_matters

_PASS, _FAIL, _INTERRUPTED, _ADAPTIVE = Outcome.PASS, Outcome.FAIL, Cause.INTERRUPTED, BackoffKind.ADAPTIVE
_GOOD = PoolKind.GOOD
# `replace` asks every field for its rules. These are the fields of a member behind those that each report changes, to
# be handed on at once: a simulated year is millions of reports.
_CHANGED_COUNT = 9
_rest_of = attrgetter(*[field.name for field in fields(Member)[_CHANGED_COUNT:]])


@dataclass(frozen=True, slots=True)
class Move:
    """A step between pools that a report led to: `suspect`, `refuted`, `guarded` or `transition`."""

    kind: str
    origin: str
    target: str
    at: float
    cause: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a report makes of a member, and the move it led to, if any."""

    member: Member
    move: Move | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A report as a pool reads it: with the instant of judging and the dice for the jitter, in [0, 1)."""

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
    """One health pool: its own settings, and the whole configuration for looking at the pools it sends nodes to."""

    def __init__(self, own: PoolSettings, settings: Settings) -> None:
        self.own = own
        self.settings = settings

    def judge(self, member: Member, reading: Reading) -> Judgement:
        """Return what `reading` makes of `member`.

        An unknown outcome counts for nothing and moves nobody: the node is due again after the shortest wait, or stays
        due when the probe was merely interrupted.
        """
        report, now = reading.report, reading.now
        if report.cause is _INTERRUPTED:
            return Judgement(member)
        if member.flops:
            member = replace(member, flops=still_matters(member.flops, self.settings, now))
        outcome = report.outcome
        verdict = Verdict(outcome, report.cause, report.reason, now, report.seconds)
        if outcome is _PASS:
            return self.passed(_seen(member, verdict, member.ok_streak + 1, 0), reading)
        if outcome is _FAIL:
            return self.failed(_seen(member, verdict, 0, member.fail_streak + 1), reading, ok_streak=member.ok_streak)
        seen = _seen(member, verdict, member.ok_streak, member.fail_streak)
        return Judgement(self.wait(seen, reading, interval(self.own.backoff, 0, reading.roll)))

    @abstractmethod
    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Judge a pass; the streaks of `member` are counted already."""

    @abstractmethod
    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Judge a failure; the streaks of `member` are counted already, `ok_streak` is what it had before."""

    def wait(self, member: Member, reading: Reading, seconds: float) -> Member:
        """Return `member` due in `seconds`, or when its hold ends if that is sooner."""
        due_at = reading.now + seconds
        if member.hold and member.hold.until_at is not None and member.hold.until_at > reading.now:
            due_at = min(due_at, member.hold.until_at)
        return Member(
            member.node,
            member.pool,
            member.since_at,
            round(due_at, 3),
            member.ok_streak,
            member.fail_streak,
            member.probed_at,
            seconds,
            member.last,
            *_rest_of(member),
        )

    def stay(self, member: Member, reading: Reading) -> Member:
        """Return `member` due after the back-off of the pool it is in now: by its run of equal results, or its age."""
        backoff = self.settings.pools[member.pool].backoff
        fair_s = 0.0
        if backoff.kind is _ADAPTIVE:
            fair_s = reading.scale * unit_wait(member, self.settings, reading.now)
        streak, age_s = member.ok_streak + member.fail_streak, reading.now - member.since_at
        return self.wait(member, reading, interval(backoff, streak, reading.roll, age_s, fair_s))

    def confirmed(self, member: Member, suspicion: Suspicion, target: str, reading: Reading) -> Judgement:
        """Return `member` moved to `target` for good: since the first failure, and counted as a flop."""
        moved = replace(self.flopped(member, suspicion, reading), pool=target, since_at=suspicion.failed_at)
        evidence = reading.report.reason
        move = Move("transition", suspicion.pool, target, suspicion.failed_at, reading.cause, evidence)
        return Judgement(self.stay(moved, reading), move)

    def flopped(self, member: Member, suspicion: Suspicion, reading: Reading) -> Member:
        """Return `member` with the penalty of a confirmed move, which a guard that comes on soon may take back."""
        left, flops = self.settings.pools[suspicion.pool].kind, member.flops
        if not reading.is_guarded:  # the guard itself lets the move go: it has held it for long enough
            flops = (
                *flops,
                Flop(suspicion, reading.now, member.penalty, member.penalty_at, member.spells, member.good_ratio),
            )
        return replace(
            member,
            suspicion=None,
            penalty=after_flop(member, self.settings.flap, reading.now),
            penalty_at=reading.now,
            spells=after_spell(member, left, suspicion.since_at, suspicion.failed_at, self.settings),
            flops=flops,
            good_ratio=after_stay(member.good_ratio, suspicion.failed_at - suspicion.since_at, is_good=left is _GOOD),
        )


def entered(member: Member, pool: str, now: float) -> Member:
    """Return `member` as it enters `pool`: due at once."""
    return replace(member, pool=pool, since_at=now, due_at=now, interval_s=0.0)


def _seen(member: Member, verdict: Verdict, ok_streak: int, fail_streak: int) -> Member:
    """Return `member` with `verdict` as its last, and these streaks."""
    return Member(
        member.node,
        member.pool,
        member.since_at,
        member.due_at,
        ok_streak,
        fail_streak,
        verdict.at,
        member.interval_s,
        verdict,
        *_rest_of(member),
    )
