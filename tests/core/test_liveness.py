"""What a login between set-up tests makes of a node: it calls tests and makes suspects, and never decides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.liveness import (
    Liveness,
    Look,
    call_check,
    compute_spacing,
    has_answered,
    is_change,
    judge_check,
    plan_after_test,
    plan_checks,
    read_look,
)
from plabctl.core.model import Cause, Hold, Member, StageRun
from plabctl.core.pools.base import Judgement
from plabctl.core.pools.good import GoodOptions
from plabctl.core.settings import LivenessSettings, PoolSettings
from plabctl.core.suspicion import Suspicion
from plabctl.values import replace
from tests.builders import NOW, make_member, make_report, make_settings
from tests.memory_state import build_check_row

EIGHT = LivenessSettings(between=8)
WAITS = NOW + 1800.0
"""When the next test of a node is due that is not due now."""


def pool_of(name: str = "good", liveness: LivenessSettings | None = EIGHT, **fields: Any) -> PoolSettings:
    return replace(make_settings().pools[name], liveness=liveness, **fields)


def checked(member: Member, answers: str, own: PoolSettings | None = None, **more: Any) -> Judgement:
    """What checks make of `member`, one after the other: A answers, S is silent, ? nobody knows."""
    judgement = Judgement(member)
    for number, letter in enumerate(answers):
        at = NOW + 60.0 * number
        look = Look({"A": True, "S": False, "?": None}[letter], at, 1.0, Cause.CONNECT, "no answer")
        judgement = judge_check(judgement.member, look, own or pool_of(member.pool), at + 1.0, **more)
    return judgement


def waiting(pool: str = "good", **fields: Any) -> Member:
    known = Liveness(NOW, 200.0, NOW - 200.0)
    return make_member("n1", pool, **{"due_at": WAITS, "interval_s": 1800.0, "liveness": known, **fields})


@pytest.mark.parametrize(
    ("wait_s", "between", "spacing_s"),
    [(1800.0, 8, 200.0), (3600.0, 8, 400.0), (0.0, 8, 60.0), (300.0, 8, 60.0), (540.0, 8, 60.0), (3600.0, 1, 1800.0)],
)
def test_checks_divide_the_wait_and_are_a_minute_apart_at_least(wait_s: float, between: int, spacing_s: float) -> None:
    assert compute_spacing(wait_s, between) == spacing_s


def test_the_first_check_comes_one_spacing_after_the_end_of_the_test() -> None:
    planned = plan_checks(make_member(), EIGHT, 1800.0, NOW, answered=True)

    assert planned.liveness == Liveness(NOW + 200.0, 200.0, NOW)


def test_each_further_check_comes_one_spacing_after_the_start_of_the_last() -> None:
    after = judge_check(waiting(), Look(True, NOW + 30.0), pool_of(), NOW + 31.0).member.liveness

    assert after == Liveness(NOW + 230.0, 200.0, NOW + 31.0)


def test_a_pool_without_checks_keeps_no_record_of_them() -> None:
    for own in (None, LivenessSettings()):
        assert plan_checks(waiting(), own, 1800.0, NOW, answered=True).liveness is None


@pytest.mark.parametrize(("answered", "silences", "answered_at"), [(True, 0, NOW), (False, 3, None), (None, 2, None)])
def test_a_test_is_a_login_too(answered: bool | None, silences: int, answered_at: float | None) -> None:
    member = waiting(liveness=Liveness(silences=2))

    planned = plan_checks(member, EIGHT, 1800.0, NOW, answered=answered).liveness

    assert planned == Liveness(NOW + 200.0, 200.0, answered_at, silences)


def test_an_answer_in_good_changes_nothing_but_the_next_check() -> None:
    judgement = checked(waiting(), "AAA")

    assert judgement.move is None
    assert judgement.member == waiting(liveness=Liveness(NOW + 320.0, 200.0, NOW + 121.0))


def test_two_silences_make_a_good_node_a_suspect_whose_test_is_due_at_once() -> None:
    judgement = checked(waiting(ok_streak=7, fail_streak=0), "SS")
    member, now = judgement.member, NOW + 61.0

    assert (member.pool, member.due_at, member.interval_s) == ("bad", now, 0.0)
    assert member.suspicion == Suspicion("good", NOW - 86400.0, 7, now, by_silence=True)
    assert member.last is not None
    assert (member.last.outcome, member.last.reason) == ("fail", "silent 2 times in a row: no answer")
    assert judgement.move is not None
    assert (judgement.move.kind, judgement.move.cause) == ("suspect", "silence")


def test_a_silent_check_is_repeated_at_once_and_the_test_waits_for_what_that_says() -> None:
    member = checked(waiting(), "S").member
    row = build_check_row(member)

    assert member.due_at == WAITS
    assert row is not None
    assert (row.due_at, row.interval_s, row.is_check) == (NOW + 1.0, 0.0, True)


def test_the_second_look_may_come_later() -> None:
    member = checked(waiting(), "S", pool_of(liveness=replace(EIGHT, apart_s=300.0))).member

    assert member.liveness is not None
    assert (member.due_at, member.liveness.due_at) == (WAITS, NOW + 301.0)


def test_an_answer_after_one_silence_calls_the_test_of_a_good_node() -> None:
    judgement = checked(waiting(), "SA")

    assert (judgement.move, judgement.member.pool, judgement.member.due_at) == (None, "good", NOW + 61.0)


@pytest.mark.parametrize(
    ("fields", "own", "more"),
    [
        ({}, pool_of(liveness=replace(EIGHT, silences=0)), {}),
        ({}, pool_of(options=GoodOptions(confirm=1)), {}),
        ({}, pool_of(options=GoodOptions(suspects=False)), {}),
        ({}, pool_of(), {"is_guarded": True}),
        ({"hold": Hold("ada", "look at it", NOW)}, pool_of(), {}),
    ],
    ids=["bare", "quick retests", "no suspects", "guarded", "held"],
)
def test_silence_merely_calls_the_test_where_a_node_may_not_leave_on_suspicion(
    fields: dict[str, Any], own: PoolSettings, more: dict[str, Any]
) -> None:
    judgement = checked(waiting(**fields), "SSS", own, **more)

    assert (judgement.move, judgement.member.pool, judgement.member.suspicion) == (None, "good", None)
    assert (judgement.member.due_at, judgement.member.interval_s) == (NOW + 1.0, 0.0)


def test_silence_of_a_good_node_whose_failure_is_held_calls_nothing() -> None:
    member = waiting(suspicion=Suspicion("good", NOW, 3, NOW))

    judgement = checked(member, "SSSA")

    assert (judgement.move, judgement.member.due_at) == (None, WAITS)


def test_a_good_node_whose_failure_is_held_is_not_checked_until_a_test_has_passed() -> None:
    """While the guard holds many, their checks would take the slots of nodes that nobody has looked at yet."""
    failing = waiting(suspicion=Suspicion("good", NOW, 3, NOW))
    tested = plan_after_test(failing, pool_of(), make_report("n1", "fail"), 0.0, NOW)

    assert [build_check_row(each) for each in (tested, checked(failing, "S").member)] == [None, None]
    passed = plan_after_test(replace(tested, suspicion=None), pool_of(), make_report("n1"), 0.0, NOW)
    assert build_check_row(passed) is not None
    suspect = replace(failing, pool="bad")
    assert build_check_row(plan_after_test(suspect, pool_of("bad"), make_report("n1", "fail"), 0.0, NOW)) is not None


def test_what_nobody_knows_is_no_silence() -> None:
    judgement = checked(waiting(), "S??")

    assert (judgement.member.pool, judgement.member.due_at) == ("good", WAITS)
    assert judgement.member.liveness is not None
    assert judgement.member.liveness.silences == 1


@pytest.mark.parametrize(("answers", "is_called"), [("A", False), ("AAAA", False), ("SSS", False), ("SA", True)])
def test_in_bad_only_an_answer_after_silence_calls_the_test(answers: str, *, is_called: bool) -> None:
    """Half of the dead nodes answer logins: were an answer enough, each check would call a test."""
    judgement = checked(waiting("bad"), answers)

    assert (judgement.move, judgement.member.pool) == (None, "bad")
    assert (judgement.member.due_at < WAITS) is is_called


def test_passes_in_a_row_keep_their_distance_whatever_the_checks_say() -> None:
    assert checked(waiting("bad", ok_streak=1), "SASA").member.due_at == WAITS


def test_a_called_check_is_due_at_once_and_goes_before_others() -> None:
    for member in (waiting(), make_member(), waiting(liveness=Liveness(NOW + 900.0, 200.0))):
        row = build_check_row(call_check(member, NOW, "pc7 at the same site fell silent"))

        assert row is not None
        assert (row.due_at, row.interval_s) == (NOW, 0.0)


def test_a_called_check_of_a_pool_without_checks_is_made_once() -> None:
    member = call_check(make_member(due_at=WAITS), NOW)

    after = judge_check(member, Look(True, NOW), pool_of(liveness=None), NOW + 1.0).member

    assert build_check_row(after) is None
    assert after.liveness == Liveness(answered_at=NOW + 1.0)


@pytest.mark.parametrize(
    ("cause", "answered"),
    [
        (Cause.DNS, False),
        (Cause.CONNECT, False),
        (Cause.HOST_KEY, False),
        (Cause.AUTH, False),
        (Cause.PROTOCOL, False),
        (Cause.DEADLINE, False),
        (Cause.CHECK, True),
        (Cause.SUDO, True),
    ],
)
def test_silence_is_a_login_that_failed(cause: Cause, *, answered: bool) -> None:
    assert read_look(make_report("n1", "fail", cause=cause), is_login=True).answered is answered


def test_a_check_that_runs_here_is_silent_when_it_fails() -> None:
    assert read_look(make_report("n1", "fail", cause=Cause.CHECK), is_login=False).answered is False


@pytest.mark.parametrize(("outcome", "answered"), [("pass", True), ("unknown", None)])
def test_outcomes_that_are_no_failure(outcome: str, *, answered: bool | None) -> None:
    report = make_report("n1", outcome, cause=None if answered else Cause.PROTOCOL)

    assert read_look(report, is_login=True).answered is answered
    assert has_answered(report) is answered


@pytest.mark.parametrize(
    ("cause", "stages", "answered"),
    [
        (Cause.CONNECT, ["connect"], False),
        (Cause.DEADLINE, ["connect"], False),
        (Cause.DNS, [], False),
        (Cause.DEADLINE, ["connect", "setup"], True),
        (Cause.UP_TIMEOUT, ["connect", "setup", "up", "teardown"], True),
        (Cause.SETUP, ["connect", "setup", "teardown"], True),
    ],
)
def test_a_test_that_failed_after_its_login_has_been_answered(
    cause: Cause, stages: list[str], *, answered: bool
) -> None:
    report = make_report("n1", "fail", cause=cause, stages=tuple(StageRun(name, 1.0, 1) for name in stages))

    assert has_answered(report) is answered


def test_a_login_that_a_learned_time_out_cut_off_says_nothing() -> None:
    report = make_report("n1", "fail", cause=Cause.CONNECT, stages=(StageRun("connect", 1.0, None),), is_cut=True)

    assert has_answered(report) is None
    assert has_answered(replace(report, stages=(*report.stages, StageRun("setup", 1.0, None)))) is True


def test_a_test_that_fails_on_this_machine_says_nothing_of_a_login() -> None:
    report = make_report("n1", "fail", cause=Cause.CHECK, stages=(StageRun("check", 1.0, 2),))

    assert has_answered(report) is None


@given(st.booleans(), st.booleans())
def test_a_change_is_silence_in_good_and_an_answer_after_silence_in_bad(answered: bool, was_silent: bool) -> None:
    assert is_change(answered=answered, is_good=True, was_silent=was_silent) is not answered
    assert is_change(answered=answered, is_good=False, was_silent=was_silent) is (answered and was_silent)


@given(
    answers=st.text("AS?", min_size=1, max_size=12),
    pool=st.sampled_from(["good", "bad"]),
    silences=st.integers(0, 3),
    apart_s=st.sampled_from([0.0, 300.0]),
    is_held=st.booleans(),
    is_guarded=st.booleans(),
)
def test_no_check_confirms_a_move(
    answers: str, pool: str, silences: int, apart_s: float, *, is_held: bool, is_guarded: bool
) -> None:
    """Out of good only as a suspect, never out of bad; no penalty, no flap."""
    own = replace(EIGHT, silences=silences, apart_s=apart_s)
    member = waiting(pool, hold=Hold("ada", "look at it", NOW) if is_held else None)
    pools = {name: pool_of(name, own) for name in ("good", "bad")}
    for number, letter in enumerate(answers):
        before, at = member, NOW + 60.0 * number
        look = Look({"A": True, "S": False, "?": None}[letter], at)
        judgement = judge_check(before, look, pools[before.pool], at + 1.0, is_guarded=is_guarded)
        member = judgement.member
        assert (member.penalty, member.flaps, member.ok_streak) == (0.0, (), 0)
        assert member.due_at <= max(before.due_at, at + 1.0)
        if judgement.move is None:
            assert member.pool == before.pool
            continue
        assert (before.pool, member.pool, judgement.move.kind) == ("good", "bad", "suspect")
        assert answers[: number + 1].replace("?", "").endswith("S" * silences)
        assert member.is_suspect
        assert not is_held
        assert not is_guarded
