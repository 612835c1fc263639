"""What a pass, a failure and an unknown outcome make of a node."""

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.backoffs.adaptive import ADAPTIVE
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.age import AGE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.model import Cause, Hold, Member
from plabctl.core.pools.base import Reading, build_pools
from plabctl.core.pools.good import GoodOptions
from plabctl.core.settings import FlapSettings
from tests.builders import NOW, judged, make_member, make_report, make_settings, played

GOOD = make_member(pool="good", ok_streak=7)
BAD = make_member(pool="bad", fail_streak=3)


def test_a_pass_in_good_waits_longer_each_time() -> None:
    waits = [member.due_at - NOW for member in played(make_member(), "PPP")]

    assert waits == [450, 450 + 600, 450 + 600 + 750]


def test_a_failure_in_good_makes_a_suspect_that_is_due_at_once() -> None:
    result = judged(GOOD, "fail")

    assert (result.member.pool, result.member.due_at, result.member.interval_s) == ("bad", NOW, 0.0)
    assert result.member.suspicion is not None
    assert result.move is not None
    assert (result.move.kind, result.move.cause) == ("suspect", "connect")


def test_a_refuted_failure_leaves_no_trace() -> None:
    never_failed = judged(GOOD, "pass", at=NOW + 5).member

    suspect = judged(GOOD, "fail").member
    result = judged(suspect, "pass", at=NOW + 5)

    assert result.member == never_failed
    assert result.move is not None
    assert result.move.kind == "refuted"


def test_a_confirmed_failure_is_a_move_since_the_first_failure_and_a_flop() -> None:
    suspect = judged(GOOD, "fail").member
    result = judged(suspect, "fail", at=NOW + 30)

    assert result.member.pool == "bad"
    assert (result.member.since_at, result.member.penalty, result.member.fail_streak) == (NOW, 1.0, 2)
    assert result.member.due_at == NOW + 30 + 600
    assert result.move is not None
    assert (result.move.kind, result.move.at) == ("transition", NOW)


def test_a_suspicion_waits_for_a_verdict_when_the_retest_says_nothing() -> None:
    suspect = judged(GOOD, "fail").member
    after = judged(suspect, "unknown", at=NOW + 5).member

    assert after.suspicion == suspect.suspicion
    assert after.due_at == NOW + 5 + 300


def test_with_confirm_a_node_stays_in_good_for_that_many_quick_retests() -> None:
    settings = make_settings(confirm=2)
    members = played(make_member(), "FFF", settings=settings)

    assert [member.pool for member in members] == ["good", "good", "bad"]
    assert [member.due_at for member in members] == [NOW, NOW, NOW]
    assert [member.penalty for member in members] == [0.0, 0.0, 1.0]


def test_without_suspects_any_failure_is_a_move_and_a_flop() -> None:
    settings = make_settings()
    good = replace(settings.pools["good"], options=GoodOptions(suspects=False))
    settings = replace(settings, pools={**settings.pools, "good": good})
    judgement = judged(make_member(ok_streak=9), "fail", settings=settings)

    assert judgement.move
    assert judgement.move.kind == "transition"
    assert (judgement.member.pool, judgement.member.suspicion, judgement.member.penalty) == ("bad", None, 1.0)
    assert judgement.member.due_at == NOW
    assert judged(judgement.member, "pass", at=NOW + 60, settings=settings).member.suspicion is None


def test_a_failure_in_bad_waits_longer_each_time() -> None:
    assert [member.interval_s for member in played(make_member(pool="bad"), "FFF")] == [450, 600, 750]


def test_a_pass_in_bad_returns_a_steady_node_to_good_due_at_once() -> None:
    result = judged(BAD, "pass")

    assert (result.member.pool, result.member.since_at, result.member.due_at) == ("good", NOW, NOW)
    assert result.move is not None
    assert (result.move.kind, result.move.cause) == ("transition", "passed")


def test_a_flapping_node_needs_several_passes_apart() -> None:
    flapping = replace(BAD, penalty=2.9, penalty_at=NOW)

    members = played(flapping, "PPP")

    assert [member.pool for member in members] == ["bad", "bad", "good"]
    assert [member.interval_s for member in members[:2]] == [300, 300]


def test_a_failure_between_passes_starts_the_count_anew() -> None:
    flapping = replace(BAD, penalty=2.9, penalty_at=NOW)

    assert [member.ok_streak for member in played(flapping, "PFP")] == [1, 0, 1]


def test_unknown_counts_for_nothing_and_is_tried_again_soon() -> None:
    for member in (GOOD, BAD):
        result = judged(member, "unknown")

        assert result.move is None
        assert result.member == replace(
            member, due_at=NOW + 300, interval_s=300, probed_at=NOW, last=result.member.last
        )


def test_an_interrupted_probe_leaves_its_node_as_it_was() -> None:
    report = make_report(outcome="unknown", cause=Cause.INTERRUPTED)

    assert build_pools(make_settings())["good"].judge(GOOD, Reading(report, NOW, 0.0)).member == GOOD


def test_a_held_node_is_tested_and_not_moved() -> None:
    pin = Hold("ada", "in use", NOW - 1)
    for member, outcomes in ((GOOD, "FFFF"), (BAD, "PPPP")):
        members = played(replace(member, hold=pin), outcomes)

        assert {after.pool for after in members} == {member.pool}
        assert members[-1].due_at > members[0].due_at


def test_a_node_is_tested_when_its_hold_ends() -> None:
    held = replace(GOOD, hold=Hold("ada", "in use", NOW - 1, until_at=NOW + 60))

    assert judged(held, "fail").member.due_at == NOW + 60
    assert judged(held, "fail", at=NOW + 60).member.pool == "bad"


histories = st.text("PF?", max_size=60)


@given(histories, st.integers(0, 3), st.booleans())
def test_any_history_keeps_a_member_whole(outcomes: str, confirm: int, starts_good: bool) -> None:
    settings = make_settings(confirm=confirm)
    before = make_member(pool="good" if starts_good else "bad")
    for member in played(before, outcomes, settings=settings):
        assert member.pool in settings.pools
        assert not (member.ok_streak and member.fail_streak)
        assert member.suspicion is None or member.pool == "bad" or confirm
        assert member.due_at >= before.due_at
        assert member.due_at - (member.probed_at or NOW) <= 3600
        before = member


@given(histories)
def test_no_move_is_made_on_unknown(outcomes: str) -> None:
    member = make_member()
    for outcome in outcomes:
        after = played(member, outcome)[0]
        assert outcome != "?" or (after.pool, after.ok_streak, after.fail_streak) == _place(member)
        member = after


def _place(member: Member) -> tuple[str, int, int]:
    return (member.pool, member.ok_streak, member.fail_streak)


@given(st.integers(1, 400))
def test_a_node_that_alternates_makes_few_moves(rounds: int) -> None:
    settings = make_settings(backoff=Backoff(ADDITIVE, jitter_s=0.0), flap=FlapSettings())
    members = [make_member(), *played(make_member(), "FFP" * rounds, settings=settings)]
    days = (members[-1].due_at - NOW) / 86400

    moves = sum(
        after.pool == "bad" and after.suspicion is None and before.suspicion is not None
        for before, after in itertools.pairwise(members)
    )

    assert moves <= 2 + 12 * days


def test_what_a_learned_deadline_cut_off_is_tested_again_at_once_and_counts_for_nothing() -> None:
    pools = build_pools(make_settings())
    member = replace(GOOD, due_at=NOW - 100, interval_s=600.0)
    report = make_report(outcome="fail", cause=Cause.DEADLINE, is_cut=True)

    after = pools["good"].judge(member, Reading(report, NOW + 7, 0.0))

    assert after.move is None
    found = after.member
    assert (found.pool, found.ok_streak, found.fail_streak) == ("good", 7, 0)
    assert (found.due_at, found.interval_s, found.suspicion) == (NOW + 7, 0.0, None)


def test_a_quick_retest_is_due_when_the_first_one_ends() -> None:
    settings = make_settings(confirm=1)

    after = judged(replace(GOOD, due_at=NOW - 50), "fail", at=NOW + 20, settings=settings).member

    assert (after.pool, after.due_at, after.interval_s) == ("good", NOW + 20, 0.0)


def test_what_a_suspect_was_is_given_back_by_the_guard() -> None:
    pools = build_pools(make_settings())
    suspect = judged(GOOD, "fail", at=NOW).member

    after = pools["bad"].judge(suspect, Reading(make_report(outcome="fail"), NOW + 30, 0.0, is_guarded=True))

    assert (after.member.pool, after.member.since_at) == ("good", GOOD.since_at)
    assert after.member.due_at == NOW + 30 + 300, "after the shortest wait"
    assert after.move
    assert (after.move.kind, after.move.target) == ("guarded", "good")


def test_a_held_suspect_is_not_moved_by_the_guard_either() -> None:
    pools = build_pools(make_settings())
    held = replace(judged(GOOD, "fail").member, hold=Hold("ada", "mine", NOW, None))

    after = pools["bad"].judge(held, Reading(make_report(outcome="fail"), NOW + 30, 0.0, is_guarded=True))

    assert after.member.pool == "bad"


def test_a_return_says_by_how_many_passes() -> None:
    one = judged(make_member(pool="bad"), "pass")
    two = judged(make_member(pool="bad", ok_streak=1, penalty=1.0, penalty_at=NOW), "pass")

    assert one.move
    assert two.move
    assert (one.move.evidence, two.move.evidence) == ("test passed", "2 passes in a row")
    assert one.move.cause == Reading(make_report(), NOW, 0.0).cause == "passed"


def test_a_hold_that_has_ended_makes_nobody_due() -> None:
    for until_at in (NOW - 60, NOW):
        over = replace(GOOD, hold=Hold("ada", "mine", NOW - 3600, until_at))

        assert judged(over, "pass").member.due_at > NOW


def test_instants_have_milliseconds_and_no_more() -> None:
    pools = build_pools(make_settings(backoff=Backoff(ADDITIVE, jitter_s=60.0)))

    due_at = pools["good"].judge(GOOD, Reading(make_report(), NOW + 1 / 7, 1 / 7)).member.due_at

    assert due_at == round(due_at, 3) != round(due_at, 1)


def test_a_wait_by_age_goes_by_the_time_in_the_pool() -> None:
    settings = make_settings(backoff=Backoff(AGE, base_s=300.0, max_s=36000.0, jitter_s=0.0))
    member = make_member(since_at=NOW - 3 * 3600)

    assert judged(member, "pass", settings=settings).member.due_at == NOW + 600


def test_a_return_ends_a_spell_that_the_adaptive_back_off_learns_from() -> None:
    settings = make_settings(backoff=Backoff(ADAPTIVE, jitter_s=0.0))

    back = judged(make_member(pool="bad"), "pass", settings=settings).member

    assert back.pool == "good"
    assert back.uptime
    assert back.uptime.at == NOW
