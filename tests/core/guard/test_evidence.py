"""What the guard counts: nodes seen as good ones within its time, and just how many of them make it come on."""

from dataclasses import replace
from typing import Any

import pytest

from plabctl.core.guard.evaluate import evaluate
from plabctl.core.guard.model import GUARD_NOTE, MONITOR, read_guard
from plabctl.core.model import Cause, Member, Node, Report
from plabctl.core.state import Changes
from tests.builders import NOW, make_member, make_report, make_settings
from tests.core.guard.test_evaluate import stepped, world
from tests.memory_state import MemoryState

SETTINGS = make_settings()
LONG_AGO = NOW - 7200


def outcomes(failed: int, of: int, outcome: str = "fail") -> dict[str, str]:
    return {f"n{number:03}": outcome if number < failed else "pass" for number in range(of)}


def with_members(count: int, **fields: Any) -> MemoryState:
    members = [make_member(f"n{number:03}", **fields) for number in range(count)]
    return MemoryState(Changes(nodes=tuple(Node(each.node) for each in members), members=tuple(members)))


def scopes(state: MemoryState, *reports: Report, cut_off: bool | None = None) -> set[str]:
    return set(evaluate(state, SETTINGS, reports, NOW, is_cut_off=cut_off)[0].scopes)


BOUNDS = [(3, 10, True), (2, 10, False), (9, 9, False), (3, 9, False), (4, 20, False), (5, 20, True)]


@pytest.mark.parametrize(("failed", "of", "is_on"), BOUNDS)
def test_it_takes_more_than_a_fifth_of_ten_at_least(failed: int, of: int, *, is_on: bool) -> None:
    assert bool(stepped(world(30), outcomes(failed, of), NOW).scopes) == is_on


def test_passes_can_show_that_the_failures_before_them_were_too_many() -> None:
    state = world(30)
    assert not stepped(state, outcomes(3, 8), NOW).scopes
    assert read_guard(state).is_undecided

    later = dict.fromkeys(("n008", "n009"), "pass")

    assert stepped(state, later, NOW + 60).scopes


def test_enough_passes_end_the_doubt() -> None:
    state = world(40)
    stepped(state, outcomes(1, 5), NOW)
    assert read_guard(state).is_undecided

    stepped(state, {f"n{number:03}": "pass" for number in range(5, 30)}, NOW + 60)

    assert not read_guard(state).is_undecided
    assert GUARD_NOTE.topic not in state.notes


def test_too_few_that_all_passed_leave_no_doubt() -> None:
    state = world(30)

    stepped(state, outcomes(0, 5), NOW)

    assert GUARD_NOTE.topic not in state.notes


def test_while_it_is_on_there_is_no_doubt() -> None:
    state = world(30)

    guard = stepped(state, {**outcomes(12, 12, "unknown"), "n020": "fail"}, NOW)

    assert (set(guard.scopes), guard.is_undecided) == ({MONITOR}, False)


def test_why_it_is_on_is_told_for_each_node_that_it_holds() -> None:
    state = world(30)
    node = state.node("n000")

    assert stepped(state, outcomes(1, 1), NOW).reason("good", node) == ""
    assert "good nodes tested" in stepped(state, outcomes(12, 12), NOW + 1).reason("good", node)


def test_nodes_that_are_tested_for_the_first_time_count() -> None:
    state = with_members(12)

    assert scopes(state, *(make_report(name, "fail") for name in state.names())) == {"pool good"}


def test_a_machine_that_is_cut_off_is_guarded_whether_or_not_anything_was_tested() -> None:
    assert scopes(world(3), cut_off=True) == {MONITOR}
    assert scopes(world(3), cut_off=False) == scopes(world(3)) == set()


def test_nodes_in_bad_that_fail_again_say_nothing() -> None:
    state = with_members(12, pool="bad", fail_streak=4, since_at=LONG_AGO)

    assert scopes(state, *(make_report(name, "fail") for name in state.names())) == set()


def test_suspects_that_fail_again_do() -> None:
    state = world(30)
    stepped(state, outcomes(3, 3), NOW - 30)

    failed = [make_report(f"n{number:03}", "fail") for number in range(3)]
    passed = [make_report(f"n{number:03}") for number in range(3, 10)]

    assert scopes(state, *failed, *passed) == {"pool good"}


@pytest.mark.parametrize(
    ("penalty", "penalty_at", "is_on"), [(1.0, NOW - 100, True), (0.0, NOW - 100, False), (1.0, NOW - 9000, False)]
)
def test_moves_confirmed_a_moment_ago_count_and_other_bad_nodes_do_not(
    penalty: float, penalty_at: float, *, is_on: bool
) -> None:
    fields: dict[str, Any] = {
        "since_at": NOW - 100,
        "probed_at": NOW - 50,
        "penalty": penalty,
        "penalty_at": penalty_at,
    }
    bad = [make_member(f"b{number}", "bad", **fields) for number in range(4)]
    state = world(20)
    state.apply(Changes(nodes=tuple(Node(each.node) for each in bad), members=tuple(bad)))
    reports = [make_report(f"n{number:03}") for number in range(8)] + [make_report("n008", "fail")]

    assert bool(scopes(state, *reports)) == is_on


@pytest.mark.parametrize(("cause", "is_on"), [(Cause.LOCAL, True), (Cause.NO_OPINION, False), (Cause.PROTOCOL, False)])
def test_only_what_is_wrong_with_this_machine_makes_it_doubt_itself(cause: Cause, *, is_on: bool) -> None:
    state = world(12)
    reports = [make_report(name, "unknown", cause=cause) for name in state.names()]

    assert scopes(state, *reports) == ({MONITOR} if is_on else set())


@pytest.mark.parametrize(("cause", "is_on"), [(Cause.LOCAL, True), (Cause.NO_OPINION, False)])
def test_the_same_holds_for_what_was_found_a_moment_ago(cause: Cause, *, is_on: bool) -> None:
    state = world(12)
    names = sorted(state.names())
    stepped(state, {}, NOW - 60)
    for name in names[:-1]:
        state.apply(Changes(members=(_seen(state, name, cause),)))

    assert scopes(state, make_report(names[-1], "unknown")) == ({MONITOR} if is_on else set())


def _seen(state: MemoryState, name: str, cause: Cause) -> Member:
    from plabctl.core.model import Outcome, Verdict

    member = state.member(name)
    assert member
    return replace(member, probed_at=NOW - 60, last=Verdict(Outcome.UNKNOWN, cause, "", NOW - 60, 1.0))


def test_a_failure_counts_to_the_last_moment_of_its_time_and_no_longer() -> None:
    for age_s, is_on in ((SETTINGS.guard.within_s, True), (SETTINGS.guard.within_s + 1, False)):
        state = world(30)
        stepped(state, outcomes(3, 3), NOW - age_s)
        for name in ("n000", "n001", "n002"):  # looked at again since, without a verdict
            member = state.member(name)
            assert member
            state.apply(Changes(members=(replace(member, probed_at=NOW - 1),)))

        reports = [make_report(f"n{number:03}") for number in range(3, 12)] + [make_report("n012", "fail")]

        assert bool(scopes(state, *reports)) == is_on


def test_a_node_whose_pool_is_configured_no_more_says_nothing() -> None:
    state = with_members(12, pool="gone", probed_at=NOW - 60)
    reports = [make_report(name, "fail") for name in state.names()]
    state.apply(Changes(nodes=(Node("good"),), members=(make_member("good"),)))

    assert scopes(state, *reports, make_report("good", "fail")) == set()


def test_a_report_of_a_node_that_is_gone_says_nothing() -> None:
    assert scopes(world(2), *(make_report(f"x{number}", "fail") for number in range(12))) == set()


def test_a_move_confirmed_a_moment_ago_stays_a_failure_when_its_node_passes_in_bad() -> None:
    fields: dict[str, Any] = {"since_at": NOW - 100, "probed_at": NOW - 50, "penalty": 1.0, "penalty_at": NOW - 100}
    bad = [make_member(f"b{number}", "bad", **fields) for number in range(4)]
    state = world(20)
    state.apply(Changes(nodes=tuple(Node(each.node) for each in bad), members=tuple(bad)))
    passed = [make_report(name) for name in (*(f"n{number:03}" for number in range(8)), *(each.node for each in bad))]

    assert scopes(state, *passed, make_report("n008", "fail")) == {"pool good"}


def test_suspects_whose_retest_passes_are_no_failures() -> None:
    state = world(30)
    stepped(state, outcomes(3, 3), NOW - 30)
    passed = [make_report(f"n{number:03}") for number in range(12)]

    assert scopes(state, *passed, make_report("n012", "fail")) == set()


def test_a_node_without_any_verdict_says_nothing() -> None:
    state = with_members(20, probed_at=NOW - 60)

    assert scopes(state, make_report("n000", "fail")) == set()


def test_the_reason_says_what_was_found() -> None:
    failed, blind = world(30), world(30)

    assert (
        stepped(failed, outcomes(12, 12), NOW)
        .scopes["pool good"]
        .why.endswith("12 good nodes tested within 10m failed")
    )
    assert stepped(blind, outcomes(12, 12, "unknown"), NOW).scopes[MONITOR].why.endswith("of a fault of this machine")


def test_ten_of_which_one_failed_are_enough_to_tell() -> None:
    state = world(30)

    stepped(state, outcomes(1, 10), NOW)

    assert not read_guard(state).is_undecided


def test_a_doubt_ends_with_its_time() -> None:
    state = world(30)
    stepped(state, outcomes(1, 1), NOW)
    assert read_guard(state).is_undecided

    stepped(state, {"n001": "pass", "n002": "pass"}, NOW + 3600)

    assert not read_guard(state).is_undecided


def test_when_nothing_was_seen_for_long_the_guard_goes_and_leaves_no_doubt() -> None:
    state = world(30)
    assert stepped(state, outcomes(12, 12), NOW).scopes

    assert not stepped(state, {}, NOW + 7200).scopes

    assert GUARD_NOTE.topic not in state.notes
