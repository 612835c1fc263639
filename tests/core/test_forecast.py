"""What is said of the future is what the pools do when it comes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.backoffs.adaptive import ADAPTIVE
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.flap import count_passes_to_go
from plabctl.core.forecast import DueReason, compute_backoff, find_due_reason, find_path, predict_result
from plabctl.core.model import Cause, Hold, Member, Outcome, Verdict
from plabctl.core.pools.base import Reading, build_pools
from plabctl.core.settings import FlapSettings, GuardSettings, GuardThen, Settings
from plabctl.core.suspicion import Suspicion
from tests.builders import NOW, judged, make_member, make_report, make_settings, played

SETTINGS = make_settings()
PASS, FAIL = Outcome.PASS, Outcome.FAIL
PASSED = Verdict(PASS, None, "", NOW - 300.0, 1.0)
STRETCHED = Backoff(ADAPTIVE, base_s=60.0, jitter_s=0.0)
WORDS = {"P": "pass", "F": "fail", "?": "unknown", "p": "pass", "f": "fail"}


def test_a_failure_in_good_makes_a_suspect_that_the_next_test_confirms_or_refutes() -> None:
    member = make_member(due_at=NOW + 60)
    first = find_path(member, SETTINGS, FAIL, NOW)

    assert first is not None
    assert (first.move.kind, first.tests, first.at) == ("suspect", 1, NOW + 60)
    confirmed, refuted = (find_path(first.member, SETTINGS, outcome, NOW) for outcome in (FAIL, PASS))
    assert confirmed is not None
    assert refuted is not None
    assert (confirmed.move.kind, confirmed.tests) == ("transition", 1)
    assert (refuted.move.kind, refuted.move.target) == ("refuted", "good")
    assert (first.move.cause, confirmed.move.cause, refuted.move.cause) == ("check", "check", "passed")


def test_passes_in_good_and_failures_in_bad_lead_nowhere() -> None:
    assert find_path(make_member(), SETTINGS, PASS, NOW) is None
    assert find_path(make_member(pool="bad"), SETTINGS, FAIL, NOW) is None


def test_the_quick_retests_of_confirm_are_counted() -> None:
    found = find_path(make_member(), make_settings(confirm=2), FAIL, NOW)

    assert found is not None
    assert (found.move.kind, found.tests) == ("transition", 3)


def test_a_flapping_node_needs_its_passes_and_the_last_can_be_so_soon() -> None:
    member = make_member(pool="bad", penalty=2.9, penalty_at=NOW, due_at=NOW + 120)
    found = find_path(member, SETTINGS, PASS, NOW)

    assert found is not None
    assert (found.tests, found.first_at, found.at) == (3, NOW + 120, NOW + 120 + 600)
    assert found.move.target == "good"


def test_a_pinned_node_is_moved_by_nothing_before_the_pin_is_out() -> None:
    member = make_member(pool="bad")
    pinned = replace(member, hold=Hold("ada", "mine", NOW))
    for_a_while = replace(member, hold=Hold("ada", "mine", NOW, until_at=NOW + 7200))
    found = find_path(for_a_while, SETTINGS, PASS, NOW)

    assert find_path(pinned, SETTINGS, PASS, NOW) is None
    assert found is not None
    assert found.at == NOW + 7200


def test_a_pin_that_is_out_before_the_next_test_changes_nothing() -> None:
    member = make_member(pool="bad", due_at=NOW + 60, hold=Hold("ada", "mine", NOW - 9, until_at=NOW + 5))
    found = find_path(member, SETTINGS, PASS, NOW)

    assert found is not None
    assert (found.first_at, found.at) == (NOW + 60, NOW + 60)


def test_the_wait_by_the_run_of_results_is_told_without_the_hold_that_cuts_it_short() -> None:
    member = make_member(hold=Hold("ada", "mine", NOW, until_at=NOW + 5))

    assert compute_backoff(member, SETTINGS, NOW, 0.0) == compute_backoff(
        replace(member, hold=None), SETTINGS, NOW, 0.0
    )


def test_what_comes_is_told_as_it_would_come_at_the_earliest() -> None:
    settings = make_settings(backoff=Backoff(ADDITIVE, jitter_s=70.0))
    under_guard = find_path(make_member(), settings, FAIL, NOW, is_guarded=True)
    after = predict_result(make_member(pool="bad", fail_streak=3), settings, FAIL, NOW, is_guarded=False).member

    assert under_guard is not None
    assert under_guard.at == NOW + 3600
    assert after.due_at == NOW + 900


def test_under_the_guard_failures_move_a_node_when_its_longest_time_is_over_or_never() -> None:
    for then, moved in ((GuardThen.MOVE, True), (GuardThen.LEAVE, False)):
        settings = replace(SETTINGS, guard=GuardSettings(then=then))
        found = find_path(make_member(), settings, FAIL, NOW, is_guarded=True)

        assert (found is not None) is moved
        assert found is None or found.at == NOW + 3600


def test_the_next_result_says_when_the_one_after_it_comes() -> None:
    member = make_member(pool="bad", fail_streak=3, due_at=NOW + 60)
    after = predict_result(member, SETTINGS, FAIL, NOW, is_guarded=False).member

    assert after.due_at == NOW + 60 + 900


def test_the_next_wait_is_told_for_tests_that_take_as_long_as_the_last_one() -> None:
    adaptive = {name: replace(pool, backoff=STRETCHED) for name, pool in SETTINGS.pools.items()}
    settings = replace(SETTINGS, pools=adaptive)
    member = make_member(pool="bad", due_at=NOW, last=Verdict(FAIL, Cause.CHECK, "", NOW - 60, 30.0))
    reading = Reading(make_report(outcome="fail", seconds=30.0), NOW, 0.0)
    comes = build_pools(settings)["bad"].judge(member, reading).member

    assert predict_result(member, settings, FAIL, NOW, is_guarded=False).member.due_at == comes.due_at


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (Member("n1", "bad", NOW, NOW), DueReason.NEW),
        (replace(played(make_member(), "P")[-1], requested_at=NOW), DueReason.REQUESTED),
        (played(make_member(), "PPP")[-1], DueReason.BACKOFF),
        (played(make_member(), "PP?")[-1], DueReason.UNKNOWN),
        (played(make_member(), "F")[-1], DueReason.SUSPECT),
        (played(make_member(), "F?")[-1], DueReason.SUSPECT),
        (played(make_member(), "FF")[-1], DueReason.BACKOFF),
        (played(make_member(), "FP")[-1], DueReason.BACKOFF),
        (played(make_member(), "F", settings=make_settings(confirm=2))[-1], DueReason.CONFIRM),
        (played(make_member(), "FF", settings=make_settings(confirm=2))[-1], DueReason.CONFIRM),
        (played(make_member(pool="bad"), "P")[-1], DueReason.ENTERED),
        (played(make_member(pool="bad", penalty=3.5, penalty_at=NOW), "P")[-1], DueReason.APART),
        (replace(played(make_member(), "P")[-1], due_at=NOW + 7, interval_s=0.0), DueReason.AT_ONCE),
        (replace(played(make_member(pool="bad"), "F")[-1], due_at=NOW + 7, interval_s=0.0), DueReason.AT_ONCE),
        (replace(played(make_member(), "P")[-1], due_at=NOW + 0.5, interval_s=0.5), DueReason.BACKOFF),
        (make_member(last=PASSED, interval_s=300.0, hold=Hold("ada", "", NOW, NOW + 0.5)), DueReason.BACKOFF),
        (played(make_member(hold=Hold("ada", "", NOW, NOW + 60)), "P")[-1], DueReason.HOLD_ENDS),
        (played(make_member(pool="bad", hold=Hold("ada", "", NOW)), "P")[-1], DueReason.BACKOFF),
    ],
)
def test_why_a_test_is_due_when_it_is(member: Member, why: DueReason) -> None:
    settings = make_settings(confirm=2) if why is DueReason.CONFIRM else SETTINGS

    assert find_due_reason(member, settings) is why


def test_a_failing_node_whose_move_the_guard_holds_is_tested_for_that() -> None:
    reading = Reading(make_report(outcome="fail"), NOW, 0.0, is_guarded=True)

    assert (
        find_due_reason(build_pools(SETTINGS)["good"].judge(make_member(), reading).member, SETTINGS)
        is DueReason.GUARDED
    )


def test_what_a_learned_deadline_cut_off_is_tested_again_for_that() -> None:
    reading = Reading(make_report(outcome="fail", is_cut=True), NOW, 0.0)

    assert (
        find_due_reason(build_pools(SETTINGS)["good"].judge(make_member(), reading).member, SETTINGS) is DueReason.CUT
    )


def test_once_the_guard_held_its_move_for_as_long_as_it_may_a_node_waits_as_any_other() -> None:
    settings = replace(SETTINGS, guard=GuardSettings(then=GuardThen.LEAVE))
    member = make_member(suspicion=Suspicion("good", NOW - 86400.0, 3, NOW - settings.guard.max_age_s))
    reading = Reading(make_report(outcome="fail"), NOW, 0.0, is_guarded=True)

    assert find_due_reason(build_pools(settings)["good"].judge(member, reading).member, settings) is DueReason.BACKOFF


HISTORIES = st.text("PF?pf", max_size=40)
"""Small letters: under the guard."""


def lived(outcomes: str, settings: Settings, pool: str, hold: Hold | None) -> Member:
    member = make_member(pool=pool, hold=hold)
    for letter in outcomes:
        at = max(NOW, member.due_at)
        reading = Reading(make_report(outcome=WORDS[letter]), at, 0.5, letter.islower())
        member = build_pools(settings)[member.pool].judge(member, reading).member
    return member


JITTERED = Backoff(ADDITIVE, jitter_s=60.0)
HOLDS = [None, Hold("ada", "mine", NOW), Hold("ada", "mine", NOW, NOW + 9e4)]


@given(HISTORIES, st.integers(0, 2), st.sampled_from(["good", "bad"]), st.sampled_from(HOLDS))
def test_the_wait_that_is_told_is_the_wait_that_was_drawn(
    outcomes: str, confirm: int, pool: str, hold: Hold | None
) -> None:
    settings = make_settings(backoff=JITTERED, confirm=confirm)
    member = lived(outcomes, settings, pool, hold)
    if member.last is None or member.probed_at is None:
        assert find_due_reason(member, settings) is DueReason.NEW
        return

    match find_due_reason(member, settings):
        case DueReason.BACKOFF:
            least, most = (compute_backoff(member, settings, member.probed_at, roll) for roll in (0.0, 1.0))
            assert least <= member.interval_s <= most
        case DueReason.APART:
            assert member.interval_s == settings.flap.apart_s
        case DueReason.UNKNOWN | DueReason.GUARDED:
            assert 300.0 <= member.interval_s <= 360.0
        case DueReason.ENTERED | DueReason.CONFIRM | DueReason.CUT:
            assert member.due_at == member.probed_at
        case DueReason.HOLD_ENDS:
            assert hold is not None
            assert member.due_at == hold.until_at
        case DueReason.SUSPECT:
            assert member.is_suspect
        case other:
            pytest.fail(f"{other} without an order")


@given(HISTORIES, st.integers(0, 2), st.sampled_from(["good", "bad"]))
def test_every_node_can_come_back_by_the_passes_that_are_told(outcomes: str, confirm: int, pool: str) -> None:
    settings = make_settings(confirm=confirm)
    member = lived(outcomes, settings, pool, None)
    if member.pool == "good":
        return
    now = max(NOW, member.due_at)
    found = find_path(member, settings, PASS, now)

    assert found is not None
    assert found.tests <= settings.flap.max_passes
    if not member.suspicion:
        assert found.tests == count_passes_to_go(member, settings.flap, now)
    for number in range(1, found.tests + 1):
        member = judged(member, "pass", at=max(now, member.due_at), settings=settings).member
        assert (member.pool == "good") is (number == found.tests)


@given(st.floats(0.0, 12.0), st.integers(0, 12), st.floats(0.0, 1e6), st.integers(1, 12))
def test_the_passes_to_go_are_within_bounds(penalty: float, ok_streak: int, later_s: float, max_passes: int) -> None:
    member = make_member(pool="bad", penalty=penalty, penalty_at=NOW, ok_streak=ok_streak)
    flap = FlapSettings(max_passes=max_passes)

    assert 1 <= count_passes_to_go(member, flap, NOW + later_s) <= max_passes
