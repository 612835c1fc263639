"""When a node is tested next, and why then, in words.

Pure. What they put into words is `plabctl.core.outlook`'s.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import WaitBasis
from plabctl.core.budget import scale_of
from plabctl.core.model import Member, Outcome
from plabctl.core.outlook import Why, backoff_of, why_due
from plabctl.core.settings import PoolSettings
from plabctl.durations import format_duration
from plabctl.report.instants import clock, iso, local, until
from plabctl.report.listing import Row
from plabctl.report.status import Situation
from plabctl.report.subject import Subject

_WORDS = {
    Why.NEW: "it has never been tested, so it is due at once",
    Why.ENTERED: "a node is tested at once when it enters {pool}",
    Why.AT_ONCE: "it was released, and what it is now is for a test to say",
    Why.HOLD_ENDS: "its hold ends then",
    Why.UNKNOWN: "the last test said nothing about the node, so after the shortest wait: {drawn}",
    Why.DOUBT: "a learned deadline cut the last test off, so again at once, with all the time that the recipe allows",
    Why.GUARDED: "it fails and the guard holds its move, so after the shortest wait: {drawn}",
}


DISABLED = "none, its pool is disabled for a plug-in that cannot be used; see: plabctl config check"


def when(subject: Subject, situation: Situation) -> str:
    """Return when the next test is: `in 12m, at 2026-11-22 14:20:05`."""
    member, claim, now = subject.member, subject.claim, situation.now
    if claim and subject.is_testing(now):
        return f"running for {format_duration(float(max(0, int(now - claim.started_at))))}, in slot {claim.slot}"
    if member.pool in situation.settings.disabled:
        return DISABLED
    if member.due_at <= now:
        return "now, as soon as a slot is free"
    return f"{until(member.due_at, now)}, at {local(member.due_at)}"


def reason(subject: Subject, situation: Situation) -> str:
    """Return why the next test is then."""
    member, settings, now = subject.member, situation.settings, situation.now
    why = why_due(member, settings)
    match why:
        case Why.REQUESTED:
            return _requested(subject, situation)
        case Why.SUSPECT:
            return "the retest that confirms or refutes its failure" + _after_silence(member)
        case Why.CONFIRM:
            confirm = settings.pools[member.pool].quick_retests
            return f"quick retest {member.fail_streak} of {confirm}, before its failure counts"
        case Why.APART:
            return f"passes that count for its return are {format_duration(settings.flap.apart_s)} apart"
        case Why.BACKOFF:
            last = (
                "" if member.probed_at is None else f", from the end of the last test at {clock(member.probed_at, now)}"
            )
            return f"{backoff_words(member, situation)}{last}"
        case _:
            return _WORDS[why].format(pool=member.pool, drawn=_drawn(member))


def wait_row(subject: Subject, situation: Situation) -> Row:
    """Return when and why for programs."""
    member, settings = subject.member, situation.settings
    why = why_due(member, settings)
    row: dict[str, object] = {
        "due_at": iso(member.due_at),
        "why": why.value,
        "interval_seconds": member.interval_s,
        "text": reason(subject, situation),
    }
    if why is Why.BACKOFF:
        backoff = settings.pools[member.pool].backoff
        row["backoff"] = {
            "kind": backoff.kind.name,
            "streak": member.ok_streak + member.fail_streak,
            "computed_seconds": _computed(member, situation),
            "jitter_seconds": backoff.jitter_s,
        }
    return row


def backoff_words(member: Member, situation: Situation) -> str:
    """Return the wait by the back-off: its kind, the run it goes by, the formula with its numbers, what was drawn."""
    pool = situation.settings.pools[member.pool]
    backoff = pool.backoff
    computed_s = _computed(member, situation)
    kind = f"the {backoff.kind.name} back-off of {pool.name}"
    text = f"{kind} after {run(member)}: {formula(pool, member, situation)} = {format_duration(computed_s)}"
    if not computed_s <= member.interval_s <= computed_s + backoff.jitter_s + 1:
        return f"{kind} drew {format_duration(member.interval_s)} after {run(member)}"
    if not backoff.jitter_s:
        return text
    return f"{text}, with jitter {format_duration(member.interval_s)}"


def run(member: Member) -> str:
    """Return `3 failures in a row`."""
    count = member.ok_streak or member.fail_streak
    if not count:
        return "no result that counts"
    what = ("pass", "passes") if member.ok_streak else ("failure", "failures")
    return f"a {what[0]}" if count == 1 else f"{count} {what[1]} in a row"


def formula(pool: PoolSettings, member: Member, situation: Situation) -> str:
    """Return the formula of the pool's back-off with the member's numbers in it."""
    age_s = max(0.0, _judged_at(member) - member.since_at)
    basis = WaitBasis(member.ok_streak + member.fail_streak, age_s, situation.settings.adaptive.load_ratio)
    return pool.backoff.kind.formula(pool.backoff, basis)


def _computed(member: Member, situation: Situation) -> float:
    return backoff_of(member, situation.settings, _judged_at(member), 0.0, scale_of(situation.state))


def _judged_at(member: Member) -> float:
    return member.since_at if member.probed_at is None else member.probed_at


def _requested(subject: Subject, situation: Situation) -> str:
    at = subject.member.requested_at
    by = next((f" by {event.actor}" for event in subject.latest("retest")), "")
    return f"a retest was asked for{by}{'' if at is None else f' at {clock(at, situation.now)}'}; such go first"


def _after_silence(member: Member) -> str:
    if member.last and member.last.outcome is Outcome.UNKNOWN and member.interval_s > 0:
        return f"; the last try said nothing, so after the shortest wait: {_drawn(member)}"
    return ", at once"


def _drawn(member: Member) -> str:
    return format_duration(member.interval_s)
