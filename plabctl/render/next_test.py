"""When a node is tested next, and why then, in words.

Pure. The facts come from `plabctl.core.forecast`.
Tests: `tests/render/test_explanation.py`.
"""

from __future__ import annotations

from plabctl.core.adaptive_scale import read_scale
from plabctl.core.backoffs.base import WaitBasis
from plabctl.core.forecast import DueReason, compute_backoff, find_due_reason
from plabctl.core.model import Member, Outcome
from plabctl.core.settings import PoolSettings
from plabctl.durations import format_duration
from plabctl.render.times import format_clock, format_local, format_until
from plabctl.views.explained_node import BackoffView, NextTest
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord

_WORDS = {
    DueReason.ABSENT: "its inventory does not list it any more; listed again, it is as it was before",
    DueReason.BUSY: "somebody uses it, and no test is started then; it is due, and tested when it is released",
    DueReason.NEW: "it has never been tested, so it is due at once",
    DueReason.ENTERED: "a node is tested at once when it enters {pool}",
    DueReason.AT_ONCE: "it was released, or is reached in another way now: a test decides where it belongs",
    DueReason.CHANGED: "a login between its tests found another answer than before, so a test decides at once",
    DueReason.ASKED_EARLY: "asked early: {asked}",
    DueReason.HOLD_ENDS: "its hold ends then",
    DueReason.UNKNOWN: "the last test gave no verdict, so after the shortest wait: {drawn}",
    DueReason.CUT: (
        "a learned time-out cut off the last test, so it is repeated at once with the recipe's own time-outs"
    ),
    DueReason.GUARDED: "it fails and the guard holds its move, so after the shortest wait: {drawn}",
}


DISABLED = "none: its pool is disabled because a plug-in cannot be used; see: plabctl config check"


def format_when(subject: NodeRecord, context: ViewContext) -> str:
    """Return when the next test is: `in 12m, at 2026-11-22 14:20:05`."""
    member, claim, now = subject.member, subject.claim, context.now
    if claim and subject.is_testing(now):
        return f"running for {format_duration(float(max(0, int(now - claim.started_at))))}, in slot {claim.slot}"
    if member.absent_since_at is not None:
        return "none while it is absent"
    if member.pool in context.settings.disabled:
        return DISABLED
    if is_spared(subject, context):
        return "when it is released"
    if member.due_at <= now:
        return "now, as soon as a slot is free"
    return f"{format_until(member.due_at, now)}, at {format_local(member.due_at)}"


def is_spared(subject: NodeRecord, context: ViewContext) -> bool:
    """Return whether the node is due and not tested before it is released, as somebody uses it."""
    member, pool = subject.member, context.settings.pools.get(subject.member.pool)
    if not pool or pool.busy != "spare" or member.due_at > context.now or member.absent_since_at is not None:
        return False
    return subject.node.name in context.busy


def _find_reason(subject: NodeRecord, context: ViewContext) -> DueReason:
    return DueReason.BUSY if is_spared(subject, context) else find_due_reason(subject.member, context.settings)


def format_reason(subject: NodeRecord, context: ViewContext) -> str:
    """Return why the next test is then."""
    member, settings, now = subject.member, context.settings, context.now
    why = _find_reason(subject, context)
    match why:
        case DueReason.REQUESTED:
            return _format_request(subject, context)
        case DueReason.SUSPECT:
            what = "silence" if member.suspicion and member.suspicion.by_silence else "failure"
            return f"the retest that confirms or refutes its {what}" + _format_after_silence(member)
        case DueReason.CONFIRM:
            confirm = settings.pools[member.pool].quick_retests
            return f"quick retest {member.fail_streak} of {confirm}, before its failure counts"
        case DueReason.APART:
            return f"passes that count for its return are {format_duration(settings.flap.apart_s)} apart"
        case DueReason.BACKOFF:
            last = (
                ""
                if member.probed_at is None
                else f", from the end of the last test at {format_clock(member.probed_at, now)}"
            )
            return f"{format_backoff(member, context)}{last}"
        case _:
            return _WORDS[why].format(pool=member.pool, drawn=_format_drawn(member), asked=member.asked_early)


def build_next_test(subject: NodeRecord, context: ViewContext) -> NextTest:
    """Return when the next test is due, and why then."""
    member = subject.member
    why = _find_reason(subject, context)
    wait = _view_backoff(member, context) if why is DueReason.BACKOFF else None
    return NextTest(member.due_at, why, member.interval_s, format_reason(subject, context), wait)


def _view_backoff(member: Member, context: ViewContext) -> BackoffView:
    backoff = context.settings.pools[member.pool].backoff
    streak = member.ok_streak + member.fail_streak
    return BackoffView(backoff.kind.name, streak, _compute_wait(member, context), backoff.jitter_s)


def format_backoff(member: Member, context: ViewContext) -> str:
    """Return the wait by the back-off: its kind, the run it goes by, the formula with its numbers, what was drawn."""
    pool = context.settings.pools[member.pool]
    backoff = pool.backoff
    computed_s = _compute_wait(member, context)
    kind = f"the {backoff.kind.name} back-off of {pool.name}"
    text = f"{kind} after {format_run(member)}: {format_formula(pool, member, context)} = {format_duration(computed_s)}"
    if not computed_s <= member.interval_s <= computed_s + backoff.jitter_s + 1:
        return f"{kind} drew {format_duration(member.interval_s)} after {format_run(member)}"
    if not backoff.jitter_s:
        return text
    return f"{text}, with jitter {format_duration(member.interval_s)}"


def format_run(member: Member) -> str:
    """Return `3 failures in a row`."""
    count = member.ok_streak or member.fail_streak
    if not count:
        return "no result that counts"
    what = ("pass", "passes") if member.ok_streak else ("failure", "failures")
    return f"a {what[0]}" if count == 1 else f"{count} {what[1]} in a row"


def format_formula(pool: PoolSettings, member: Member, context: ViewContext) -> str:
    """Return the formula of the pool's back-off with the member's numbers in it."""
    age_s = max(0.0, _find_judged_at(member) - member.since_at)
    basis = WaitBasis(member.ok_streak + member.fail_streak, age_s, context.settings.adaptive.load_ratio)
    return pool.backoff.kind.formula(pool.backoff, basis)


def _compute_wait(member: Member, context: ViewContext) -> float:
    return compute_backoff(member, context.settings, _find_judged_at(member), 0.0, read_scale(context.state))


def _find_judged_at(member: Member) -> float:
    return member.since_at if member.probed_at is None else member.probed_at


def _format_request(subject: NodeRecord, context: ViewContext) -> str:
    at = subject.member.requested_at
    by = next((f" by {event.actor}" for event in subject.list_latest("retest")), "")
    return f"a retest was asked for{by}{'' if at is None else f' at {format_clock(at, context.now)}'}; these go first"


def _format_after_silence(member: Member) -> str:
    if member.last and member.last.outcome is Outcome.UNKNOWN and member.interval_s > 0:
        return f"; the last try gave no verdict, so after the shortest wait: {_format_drawn(member)}"
    return ", at once"


def _format_drawn(member: Member) -> str:
    return format_duration(member.interval_s)
