"""The forecast for a node: why its next probe is due when it is, and which results would move it.

Pure. Nothing is decided here: the pools are asked what they would make of the passes and failures to come.
`plabctl.render.explanation` puts it into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plabctl.core.fair_wait import estimate_test_seconds
from plabctl.core.liveness import has_changed
from plabctl.core.model import Cause, Member, Outcome, Report, Verdict
from plabctl.core.pools.base import Judgement, Move, Reading, build_pools
from plabctl.core.settings import Settings

_FARTHEST = 1100
"""More results in a row than any configuration can ask for."""


class DueReason(StrEnum):
    """Why the next probe is due when it is."""

    ABSENT = "absent"
    """Its inventory does not list it: it is not tested."""
    BUSY = "busy"
    """Somebody uses it: it is tested when it is released."""
    REQUESTED = "requested"
    """A person asked for a retest."""
    NEW = "new"
    """It was never tested."""
    SUSPECT = "suspect"
    """The one retest that confirms or refutes a failure; at once, or later if the last try said nothing."""
    CUT = "doubt"
    """A learned deadline cut the last one off: at once, with the recipe's own time-outs."""
    CONFIRM = "confirm"
    """A quick retest while still in good."""
    ENTERED = "entered"
    """It came into its pool."""
    AT_ONCE = "at-once"
    """A person released it, or it is reached in another way now."""
    CHANGED = "changed"
    """A login between tests found another answer than before."""
    ASKED_EARLY = "asked-early"
    """Another good node of its site has failed."""
    HOLD_ENDS = "hold-ends"
    UNKNOWN = "unknown"
    """The last probe said nothing: the shortest wait."""
    GUARDED = "guarded"
    """It fails and the guard holds its move: the shortest wait."""
    APART = "apart"
    """One of several passes that it needs in a row."""
    BACKOFF = "backoff"
    """By the run of equal results."""


@dataclass(frozen=True, slots=True)
class MovePath:
    """The first move that results of one kind would lead to."""

    move: Move
    tests: int
    """How many tests it takes."""
    first_at: float
    """When the first of them can start."""
    at: float
    """When the last of them can start, at the earliest: the dice may add jitter, and a test takes its time."""
    member: Member
    """What the node is then."""


def find_due_reason(member: Member, settings: Settings) -> DueReason:
    """Return why the member's next probe is due when it is; whether anybody uses the node is not asked here."""
    hold = member.hold
    if member.absent_since_at is not None:
        return DueReason.ABSENT
    if member.requested_at is not None:
        return DueReason.REQUESTED
    # Instants are stored to the millisecond.
    if hold is not None and hold.until_at is not None and abs(hold.until_at - member.due_at) < 0.001:
        return DueReason.HOLD_ENDS
    if member.last is None:
        return DueReason.NEW
    if member.is_suspect:
        return DueReason.SUSPECT
    why = _explain_waiting if member.interval_s > 0 else _explain_at_once
    return why(member, member.last, settings)


def compute_backoff(member: Member, settings: Settings, now: float, roll: float, scale: float = 1.0) -> float:
    """Return the wait that the member's pool would draw for it now, with `roll` in [0, 1) as the dice.

    `scale` is what stretches all adaptive waits, see `plabctl.core.adaptive_scale`.
    """
    reading = Reading(_build_report(member, Outcome.PASS, now), now, roll, scale=scale)
    return build_pools(settings)[member.pool].stay(member, reading).interval_s


def predict_result(
    member: Member, settings: Settings, outcome: Outcome, now: float, *, is_guarded: bool, scale: float = 1.0
) -> Judgement:
    """Return what the member's pool would make of `outcome`, if its next probe ended when it is due."""
    at = max(now, member.due_at)
    reading = Reading(_build_report(member, outcome, at), at, 0.0, is_guarded, scale)
    return build_pools(settings)[member.pool].judge(member, reading)


def find_path(
    member: Member, settings: Settings, outcome: Outcome, now: float, *, is_guarded: bool = False
) -> MovePath | None:
    """Return the first move that nothing but `outcome` from now on leads to; None when it leads to none.

    While a person pins the node, tests move it nowhere: it is reckoned from the end of the hold. One that is stuck is
    moved by no test at all.
    """
    if member.stuck_since_at is not None:
        return None
    pools = build_pools(settings)
    first_at = max(now, member.due_at)
    hold = member.hold
    if hold is not None and hold.holds(first_at):
        if hold.until_at is None:
            return None
        first_at = hold.until_at
    at = first_at
    for tests in range(1, _FARTHEST):
        reading = Reading(_build_report(member, outcome, at), at, 0.0, is_guarded)
        judgement = pools[member.pool].judge(member, reading)
        if judgement.move:
            return MovePath(judgement.move, tests, first_at, at, judgement.member)
        member, at = judgement.member, max(at, judgement.member.due_at)
    return None


def _explain_at_once(member: Member, last: Verdict, settings: Settings) -> DueReason:
    if member.asked_early:
        return DueReason.ASKED_EARLY
    if 0 < member.fail_streak <= settings.pools[member.pool].quick_retests:
        return DueReason.CONFIRM
    if last.outcome is Outcome.FAIL and last.at == member.due_at:
        return DueReason.CUT
    if has_changed(member, is_good=settings.pools[member.pool].is_good):
        return DueReason.CHANGED
    return DueReason.ENTERED if member.due_at == member.since_at else DueReason.AT_ONCE


def _explain_waiting(member: Member, last: Verdict, settings: Settings) -> DueReason:
    if last.outcome is Outcome.UNKNOWN:
        return DueReason.UNKNOWN
    # One that waits with a suspicion and is no suspect is held by the guard, until that has lasted for too long.
    suspicion = member.suspicion
    if suspicion and last.at - suspicion.failed_at < settings.guard.max_age_s:
        return DueReason.GUARDED
    is_bad = not settings.pools[member.pool].is_good
    if is_bad and member.ok_streak and not member.is_held(last.at) and member.stuck_since_at is None:
        return DueReason.APART
    return DueReason.BACKOFF


def _build_report(member: Member, outcome: Outcome, at: float) -> Report:
    cause = None if outcome is Outcome.PASS else Cause.CHECK
    return Report(
        node=member.node,
        token="",
        outcome=outcome,
        cause=cause,
        reason="",
        started_at=at,
        seconds=estimate_test_seconds(member),
    )
