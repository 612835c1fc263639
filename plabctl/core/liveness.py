"""Liveness checks: a cheap login between set-up tests, which calls the next test early when its answer changes.

Pure. A set-up test alone decides where a node belongs; the reasons are in `docs/policy.md`. The rules:

- After a test whose back-off drew the wait w (without jitter) the checks are w / (n + 1) apart, at least a minute.
- A *change* makes the set-up test due at once: in good, silence; in bad, an answer after silence. That an answer merely
  disagrees with the pool makes nothing due: most nodes whose set-up fails answer logins all the time.
- Where tests run on this machine, and a few in a row pass without a login, silence counts for nothing until an answer.
- A good node that is silent `silences` times in a row leaves as a suspect, as after a failed test; its test decides.
  Until then a silent check is repeated `apart` after the silence, and the test waits for what the repeated check says.

`plabctl.core.settle` applies this to reports, `plabctl.core.claim` takes the checks that are due; the simulator calls
the same functions.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.liveness_record import Liveness as Liveness
from plabctl.core.liveness_record import count_false_alarms
from plabctl.core.model import Cause, Member, Outcome, Report, Verdict
from plabctl.core.pools.base import Judgement, Move, enter_pool
from plabctl.core.recipe import Recipe, Transport
from plabctl.core.settings import PoolSettings
from plabctl.core.settings_parts import LivenessSettings
from plabctl.core.suspicion import SILENCE, Suspicion
from plabctl.typed import NamedTuple
from plabctl.values import replace

LEAST_SPACING_S = 60.0
"""Ticks come once a minute, and a login is not free for the node either."""
LOGIN_CAUSES = frozenset({Cause.DNS, Cause.CONNECT, Cause.HOST_KEY, Cause.AUTH, Cause.PROTOCOL})
"""Causes of failures that a mere login sees."""
SILENT_CAUSES = LOGIN_CAUSES | {Cause.DEADLINE}
"""Those of a login that is not answered."""
_NOTHING = Liveness()
_DEFAULTS = LivenessSettings()


class Look(NamedTuple):
    """What one check has found: whether the node `answered` (None: nobody knows), when, and why it did not."""

    answered: bool | None
    started_at: float
    seconds: float = 1.0
    cause: Cause | None = None
    reason: str = ""


def compute_spacing(wait_s: float, between: int) -> float:
    """Return the seconds between two of `between` checks that divide a wait for the next test (without jitter)."""
    return round(max(LEAST_SPACING_S, wait_s / (between + 1)), 3)


def is_change(*, answered: bool, is_good: bool, was_silent: bool) -> bool:
    """Return whether an answer, or silence, calls the set-up test of a node in a pool of that side."""
    return (answered and was_silent) if not is_good else not answered


def read_look(report: Report, *, is_login: bool) -> Look:
    """Return what the report of a check says; `is_login` is false for recipes that run on this machine.

    A login that succeeded is an answer, whatever the command did after it. What runs here has no login: there any
    failure is silence.
    """
    answered: bool | None = None
    if report.outcome is Outcome.PASS:
        answered = True
    elif report.outcome is Outcome.FAIL:
        answered = is_login and report.cause not in SILENT_CAUSES
    return Look(answered, report.started_at, report.seconds, report.cause, report.reason)


def weigh_check(member: Member, report: Report, own: PoolSettings, recipes: Mapping[str, Recipe]) -> Outcome | None:
    """Return what the guard makes of the report of a check, as if it were one of a test; None for nothing.

    Silence is a failure once there is enough of it to make the node a suspect.
    """
    look = read_look(report, is_login=is_login(own, recipes))
    if look.answered:
        return Outcome.PASS
    if look.answered is None:
        return Outcome.UNKNOWN if look.cause is Cause.LOCAL else None
    limit, known = own.liveness.silences if own.liveness else 0, member.liveness or _NOTHING
    return Outcome.FAIL if 0 < limit <= known.silences + 1 and not known.is_mute else None


def is_login(own: PoolSettings, recipes: Mapping[str, Recipe]) -> bool:
    """Return whether the checks of that pool log in on the node; else they run on this machine."""
    recipe = recipes.get((own.liveness or _DEFAULTS).recipe)
    return recipe is None or recipe.transport is Transport.SSH


def has_answered(report: Report) -> bool | None:
    """Return whether the login answered in a set-up test, at its start and at its end; None if nobody knows.

    A test that failed in a later stage has logged in. Otherwise nodes that log in and fail would be tested again and
    again: silent by each test, answering at the next check. One that failed on this machine made no login, and one that
    a learned time-out cut off at the login might have answered a check, which has all the time that is configured.
    """
    if report.outcome is not Outcome.FAIL:
        return True if report.outcome is Outcome.PASS else None
    if report.stages and report.stages[0].stage != "connect":
        return None
    is_at_login = not report.stages or report.stages[-1].stage == "connect"
    if is_at_login and report.is_cut:
        return None
    return not (is_at_login and report.cause in SILENT_CAUSES)


def plan_checks(
    member: Member, own: LivenessSettings | None, wait_s: float, now: float, *, answered: bool | None
) -> Member:
    """Return `member` with the checks planned that follow a test which ended at `now`.

    `wait_s` is the wait drawn for the next test, without jitter, 0 for one due at once; `own` are the settings of the
    pool that the member is in now. A check that was called before is answered by the test.
    """
    if own is None or not own.between:
        return member if member.liveness is None else replace(member, liveness=None)
    before = member.liveness or _NOTHING
    spacing_s = compute_spacing(wait_s, own.between)
    after = _note_answer(before, now, answered=answered)
    return replace(member, liveness=_plan_next(after, now, spacing_s))


def plan_after_test(member: Member, own: PoolSettings, report: Report, roll: float, now: float) -> Member:
    """Return `member`, judged after a test that ended at `now`, with its next checks planned.

    `own` is the pool that it is in now; `roll` drew the jitter of its wait. An interrupted test is due again, and so is
    the check before it.
    """
    if (own.liveness is None and member.liveness is None) or report.cause is Cause.INTERRUPTED:
        return member
    wait_s = max(0.0, member.interval_s - roll * own.backoff.jitter_s) if member.interval_s else 0.0
    planned = plan_checks(member, own.liveness, wait_s, now, answered=has_answered(report))
    if planned.liveness:
        passed = None if report.outcome is Outcome.UNKNOWN else report.outcome is Outcome.PASS
        by_login = not report.stages or report.stages[0].stage == "connect"
        alarms = count_false_alarms(member.liveness or _NOTHING, passed=passed, by_login=by_login)
        planned = replace(planned, liveness=replace(planned.liveness, false_alarms=alarms))
    return _plan_none(planned) if own.is_good and member.suspicion and planned.liveness else planned


def call_check(member: Member, now: float, why: str = "called") -> Member:
    """Return `member` with a check due at once, before all that merely has become due; `why` in words."""
    before = member.liveness or _NOTHING
    due_at = now if before.due_at is None else min(before.due_at, now)
    return replace(member, liveness=replace(before, due_at=due_at, called=why))


def call_test(member: Member, now: float) -> Member:
    """Return `member` with its set-up test due at once."""
    return replace(member, due_at=min(member.due_at, now), interval_s=0.0)


def judge_check(member: Member, look: Look, own: PoolSettings, now: float, *, is_guarded: bool = False) -> Judgement:
    """Return what a check that ended at `now` makes of a member of the pool `own`.

    At most it calls a set-up test or makes the node a suspect: no check confirms a move, and none moves a node that a
    person holds, one whose moves the guard holds, or one whose pool does not know suspects.
    """
    before = member.liveness or _NOTHING
    between = own.liveness.between if own.liveness else 0
    after = _note_answer(before, now, answered=look.answered)
    planned = replace(after, due_at=None, called="")
    if between:
        planned = _plan_next(after, look.started_at, max(LEAST_SPACING_S, before.spacing_s))
    member = replace(member, liveness=planned)
    if look.answered is None:
        return Judgement(member)
    if not own.is_good:
        return Judgement(_judge_in_bad(member, answered=look.answered, was_silent=before.is_silent, now=now))
    return _judge_in_good(member, look, own, now, was_silent=before.is_silent, is_guarded=is_guarded)


def has_changed(member: Member, *, is_good: bool) -> bool:
    """Return whether the answer of its last check is why the member's test is due at once."""
    known, last = member.liveness, member.last
    if known is None or member.interval_s or (last and last.at >= member.due_at):
        return False
    return (is_good and known.is_silent) or known.answered_at == member.due_at


def _judge_in_bad(member: Member, *, answered: bool, was_silent: bool, now: float) -> Member:
    """Call the test at an answer after silence; passes in a row keep the time between them."""
    is_called = is_change(answered=answered, is_good=False, was_silent=was_silent) and not member.ok_streak
    return call_test(member, now) if is_called else member


def _judge_in_good(
    member: Member, look: Look, own: PoolSettings, now: float, *, was_silent: bool, is_guarded: bool
) -> Judgement:
    if member.suspicion:
        return Judgement(_plan_none(member))
    if look.answered:
        return Judgement(call_test(member, now) if was_silent else member)
    if member.liveness and member.liveness.is_mute:
        return Judgement(member)
    limit, apart_s = (own.liveness.silences, own.liveness.apart_s) if own.liveness else (0, 0.0)
    may_leave = limit and not is_guarded and not member.is_held(now) and own.kind.has_suspects(own)
    if not may_leave:
        # A test has found the same already, and a person keeps the node here: silence is no change any more.
        is_known = was_silent and member.fail_streak
        return Judgement(member if is_known else call_test(member, now))
    known = member.liveness or _NOTHING
    if known.silences < limit:
        again = replace(known, due_at=round(now + apart_s, 3), called=f"silent {_format_times(known.silences)}")
        return Judgement(replace(member, liveness=again))
    return _leave(member, look, own, now, known.silences)


def _leave(member: Member, look: Look, own: PoolSettings, now: float, silences: int) -> Judgement:
    """Return `member` out of good as a suspect, as after a failed test."""
    reason = f"silent {_format_times(silences)} in a row: {look.reason}"
    suspicion = Suspicion(own.name, member.since_at, member.ok_streak, now, by_silence=True)
    left = replace(
        enter_pool(member, own.goes_to, now),
        ok_streak=0,
        fail_streak=member.fail_streak + 1,
        probed_at=now,
        last=Verdict(Outcome.FAIL, look.cause, reason, now, look.seconds),
        suspicion=suspicion,
    )
    return Judgement(left, Move("suspect", own.name, own.goes_to, now, SILENCE, reason))


def _note_answer(before: Liveness, now: float, *, answered: bool | None) -> Liveness:
    if answered is None:
        return before
    if answered:
        return replace(before, silences=0, answered_at=now, false_alarms=0)
    return replace(before, silences=before.silences + 1)


def _plan_next(known: Liveness, since_at: float, spacing_s: float) -> Liveness:
    return replace(known, due_at=round(since_at + spacing_s, 3), spacing_s=spacing_s, called="")


def _plan_none(member: Member) -> Member:
    """Return `member` without a further check: it fails and is still in good, where tests alone count from now on.

    Such nodes are many while the guard holds moves, and their checks would take the slots of nodes not looked at yet.
    """
    return replace(member, liveness=replace(member.liveness or _NOTHING, due_at=None, called=""))


def _format_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
