"""Liveness checks on their way through a tick: chosen, assigned, settled, weighed by the guard."""

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core import enrolment
from plabctl.core.absences import mark_absent, rename_nodes
from plabctl.core.assign import Job, assign
from plabctl.core.claim import Claimant, choose_rows, list_candidates, void_claims
from plabctl.core.false_alarms import list_problems, note_mute_nodes
from plabctl.core.guard.evaluate import evaluate
from plabctl.core.liveness import Liveness, call_check
from plabctl.core.liveness_record import MOST_FALSE_ALARMS
from plabctl.core.model import (
    Cause,
    Claim,
    Event,
    Goal,
    Hold,
    Leftover,
    Member,
    Node,
    Outcome,
    Report,
    StageRun,
    Verdict,
)
from plabctl.core.pools.base import build_pools
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import LivenessSettings, Settings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.values import replace
from tests.builders import (
    NOW,
    make_claim,
    make_mark,
    make_member,
    make_order,
    make_recipe,
    make_report,
    make_settings,
    make_state,
)
from tests.memory_state import MemoryState, build_check_row

COMMAND = Recipe("command", check=Stage(run="true", timeout_s=60.0))
CLAIMANT = Claimant(make_mark(), "boot-1", Random(1))


def checking(**fields: Any) -> Settings:
    base = make_settings(recipes={"process": make_recipe(), "command": COMMAND})
    own = LivenessSettings(between=8, **fields)
    return replace(base, pools={name: replace(pool, liveness=own) for name, pool in base.pools.items()})


SETTINGS = checking()


def waiting(node: str = "n1", pool: str = "good", **fields: Any) -> Member:
    known = Liveness(NOW, 200.0, NOW - 200.0)
    return make_member(node, pool, **{"due_at": NOW + 900.0, "interval_s": 1800.0, "liveness": known, **fields})


def due_keys(state: MemoryState, now: float = NOW) -> list[tuple[str, bool]]:
    return sorted((row.node, row.is_check) for row in list_candidates(state, SETTINGS, now))


def claimed(state: MemoryState, now: float = NOW, own: Settings = SETTINGS) -> list[Job]:
    """All that is due, claimed as a tick does."""
    rows = list_candidates(state, own, now)
    jobs, changes = assign(state, own, rows, range(1, 100), CLAIMANT, now)
    state.apply(changes)
    return jobs


def settled(state: MemoryState, reports: Iterable[Report], now: float, own: Settings = SETTINGS) -> tuple[Event, ...]:
    """What a step of a tick makes of `reports`: its events."""
    reports = list(reports)
    guard, changes = evaluate(state, own, reports, now, is_cut_off=None)
    state.apply(changes)
    after = settle(state, reports, build_pools(own), now, Random(1), guard)
    state.apply(after)
    return (*changes.events, *after.events)


def answer(claim: Claim, word: str, now: float) -> Report:
    """What comes of a probe: `pass`, `fail` at the login, `broken` after it, or `unknown`."""
    cause = {"pass": None, "fail": Cause.CONNECT, "broken": Cause.SETUP, "unknown": Cause.PROTOCOL}[word]
    outcome = Outcome.FAIL if word == "broken" else Outcome(word)
    stages = (StageRun("connect", 1.0, None),) + (StageRun("setup", 1.0, 1),) * (word == "broken")
    return Report(claim.node, claim.token, outcome, cause, word, now, 1.0, stages=stages, goal=claim.goal)


def member_of(state: MemoryState, name: str = "n1") -> Member:
    found = state.member(name)
    assert found is not None
    return found


def known_of(state: MemoryState) -> Liveness:
    known = member_of(state).liveness
    assert known is not None
    return known


def test_a_check_is_due_beside_the_tests_of_others() -> None:
    state = make_state(waiting(), waiting("n2", due_at=NOW, liveness=None))

    assert due_keys(state) == [("n1", True), ("n2", False)]


def test_where_a_test_is_due_too_the_check_is_dropped() -> None:
    state = make_state(waiting(due_at=NOW - 1))

    assert due_keys(state) == [("n1", False)]


@pytest.mark.parametrize(
    ("fields", "claims"),
    [({"absent_since_at": NOW}, []), ({}, [make_claim()]), ({"pool": "gone"}, [])],
    ids=["absent", "under test", "pool not configured"],
)
def test_no_check_is_made_of(fields: dict[str, Any], claims: list[Claim]) -> None:
    assert due_keys(make_state(waiting(**fields), claims=claims)) == []


def test_held_nodes_are_checked() -> None:
    assert due_keys(make_state(waiting(hold=Hold("ada", "look", NOW)))) == [("n1", True)]


def test_who_asks_for_a_retest_gets_no_check() -> None:
    state = make_state(waiting())

    assert list_candidates(state, SETTINGS, NOW, only={"n1"})[0].is_check is False


def test_a_check_makes_and_removes_nothing_and_has_time_outs_of_its_own() -> None:
    left = Leftover("plabctl-old", "process", NOW - 60)
    state = make_state(waiting(leftovers=(left,), address="10.0.0.7", slowest_s={"connect": 0.1}))

    ((claim, job),) = claimed(state)

    assert (job.goal, job.recipe, job.vnode, job.leftovers, job.address) == (
        Goal.LIVENESS, COMMAND, "", (), "10.0.0.7"
    )  # fmt: skip
    assert (job.connect_timeout_s, job.deadline_s) == (None, 20.0 + 60.0)
    assert (claim.goal, claim.recipe) == (Goal.LIVENESS, "command")
    assert job.list_at_stake(begun=True) == ()


def test_an_uneventful_check_leaves_no_event_and_nothing_but_its_record() -> None:
    state = make_state(waiting(leftovers=(Leftover("plabctl-old", "process", NOW - 60),)))
    ((claim, _),) = claimed(state)

    assert settled(state, [answer(claim, "pass", NOW + 1)], NOW + 2) == ()

    after = waiting(
        leftovers=(Leftover("plabctl-old", "process", NOW - 60),), liveness=Liveness(NOW + 201, 200.0, NOW + 2)
    )
    assert member_of(state) == after
    assert state.claims == {}


def test_two_silences_make_a_suspect_that_a_passed_test_clears_without_a_trace() -> None:
    state = make_state(waiting(ok_streak=4, penalty=1.5, penalty_at=NOW - 600))
    before, kinds = member_of(state), []
    for number, word in enumerate(["fail", "fail", "pass"]):
        ((claim, _),) = claimed(state, NOW + 10 * number)
        kinds += [event.kind for event in settled(state, [answer(claim, word, NOW)], NOW + 10 * number + 1)]

    after = member_of(state)
    assert kinds == ["suspect", "probe", "refuted"]
    assert (after.pool, after.since_at, after.ok_streak, after.penalty) == ("good", before.since_at, 5, 1.5)
    assert after.liveness is not None
    assert after.liveness.silences == 0


def test_the_suspect_event_says_that_it_fell_silent() -> None:
    state = make_state(waiting())
    events: tuple[Event, ...] = ()
    for number in range(2):
        ((claim, _),) = claimed(state, NOW + number)
        events += settled(state, [answer(claim, "fail", NOW)], NOW + number)

    (suspect,) = events
    assert (suspect.data["cause"], suspect.data["reason"]) == ("silence", "silent 2 times in a row: fail")


def test_a_node_whose_login_answers_although_it_is_bad_causes_no_storm() -> None:
    """Ten hours of a node that answers logins and fails its tests: as many tests as without checks."""
    counts = {}
    for between in (0, 8):
        liveness = Liveness() if between else None
        state = make_state(make_member("n1", "bad", since_at=NOW, liveness=liveness))
        current = checking() if between else make_settings(recipes=SETTINGS.recipes)
        counts[between] = {Goal.TEST: 0, Goal.LIVENESS: 0}
        for minute in range(600):
            now = NOW + 60.0 * minute
            rows = list_candidates(state, current, now)
            jobs, changes = assign(state, current, rows, [1], CLAIMANT, now)
            state.apply(changes)
            for claim, _ in jobs:
                counts[between][claim.goal] += 1
                word = "broken" if claim.goal is Goal.TEST else "pass"
                state.apply(settle(state, [answer(claim, word, now)], build_pools(current), now + 1, Random(1)))

    assert counts[8][Goal.TEST] == counts[0][Goal.TEST]
    assert counts[0][Goal.LIVENESS] == 0
    assert counts[8][Goal.LIVENESS] > 30


def test_a_held_node_that_is_silent_for_hours_causes_no_storm() -> None:
    """It stays in good whatever its tests say, so that each login disagrees with its pool."""
    state = make_state(waiting(hold=Hold("ada", "disk", NOW), due_at=NOW + 300.0))
    tests = 0
    for minute in range(300):
        now = NOW + 60.0 * minute
        for claim, _ in claimed(state, now):
            tests += claim.goal is Goal.TEST
            settled(state, [answer(claim, "fail", now)], now + 1)

    assert member_of(state).pool == "good"
    assert tests < 15, "by the back-off alone there are 10"


def test_a_second_look_that_comes_later_than_any_test_is_waited_for() -> None:
    """Its time is no sign of a clock that was set back, unless it is farther off than that."""
    state = make_state(waiting(liveness=Liveness(NOW + 7200.0, 200.0, NOW, 1, "silent once")))
    own = checking(apart_s=7200.0)

    assert list_candidates(state, own, NOW) == []
    assert [row.is_check for row in list_candidates(state, own, NOW - 60.0)] == [True]


@pytest.mark.parametrize("word", ["pass", "fail", "unknown"])
def test_a_node_that_is_renamed_while_it_is_checked_is_checked_under_its_new_name(word: str) -> None:
    state = make_state(waiting())
    [(claim, _)] = claimed(state)
    state.apply(rename_nodes(state, {"n1": Node("n9", {})}, make_order()))

    assert settled(state, [answer(claim, word, NOW)], NOW + 5) == ()

    assert [member.node for member in state.members()] == ["n9"]
    assert member_of(state, "n9").liveness == waiting().liveness, "nothing is known of it, and its check is still due"
    assert [(claim.node, claim.goal) for claim, _ in claimed(state, NOW + 10)] == [("n9", Goal.LIVENESS)]


def test_a_node_that_leaves_while_it_is_checked_leaves_nothing() -> None:
    state = make_state(waiting())
    [(claim, _)] = claimed(state)
    state.apply(enrolment.remove_nodes(state, ["n1"], make_order()))

    assert settled(state, [answer(claim, "fail", NOW)], NOW + 5) == ()

    assert (list(state.members()), dict(state.claims)) == ([], {})


@pytest.mark.parametrize("word", ["pass", "fail"])
def test_a_check_of_a_node_that_has_become_absent_makes_no_suspect_and_calls_no_test(word: str) -> None:
    known = Liveness(NOW, 200.0, NOW - 200.0, 1)
    state = make_state(waiting(liveness=known))
    [(claim, _)] = claimed(state)
    state.apply(mark_absent(state, ["n1"], make_order(), 86400.0))

    events = settled(state, [answer(claim, word, NOW)], NOW + 5)

    member = member_of(state)
    assert (events, member.pool, member.suspicion, member.fail_streak) == ((), "good", None, 0)
    assert claimed(state, NOW + 3600) == []


def test_a_dead_check_leaves_nothing_and_is_due_again() -> None:
    state = make_state(waiting())
    claimed(state)

    changes = void_claims(state, {"n1": "its tick is gone"}, NOW + 90)
    state.apply(changes)

    assert changes.events == ()
    assert member_of(state) == waiting()
    assert due_keys(state) == [("n1", True)]


def test_a_late_report_of_a_check_is_dropped_in_silence() -> None:
    state = make_state(waiting())
    ((claim, _),) = claimed(state)
    state.apply(void_claims(state, {"n1": "its tick is gone"}, NOW + 90))

    assert settled(state, [answer(claim, "fail", NOW)], NOW + 91) == ()
    assert member_of(state) == waiting()


def test_an_interrupted_check_is_due_again() -> None:
    state = make_state(waiting())
    ((claim, _),) = claimed(state)
    report = replace(answer(claim, "unknown", NOW), cause=Cause.INTERRUPTED)

    assert settled(state, [report], NOW + 1) == ()
    assert member_of(state) == waiting()


def test_switching_checks_off_ends_them_after_one() -> None:
    """A state that still plans a check must not wake ticks for ever."""
    plain = make_settings(recipes=SETTINGS.recipes)
    state = make_state(waiting())
    jobs, changes = assign(state, plain, list_candidates(state, plain, NOW), [1], CLAIMANT, NOW)
    state.apply(changes)
    state.apply(settle(state, [answer(jobs[0].claim, "pass", NOW)], build_pools(plain), NOW + 1, Random(1)))

    assert build_check_row(member_of(state)) is None


def test_checks_share_the_window_and_called_ones_go_first() -> None:
    state = make_state(
        waiting("late", liveness=Liveness(NOW - 400, 200.0)),
        waiting("fresh", liveness=Liveness(NOW - 1, 200.0)),
        call_check(waiting("called", liveness=Liveness(NOW + 100, 200.0)), NOW),
        waiting("tested", due_at=NOW, probed_at=NOW - 2000, liveness=None),
    )

    choice = choose_rows(list_candidates(state, SETTINGS, NOW), (), 9, NOW)

    assert [row.node for row in choice.rows] == ["called", "late", "tested", "fresh"]


def cut_off(state: MemoryState, count: int, *, seconds: float = 400.0) -> list[Event]:
    """Ticks each 10 s over a network that is cut: every login fails, whoever asks."""
    events: list[Event] = []
    for step in range(int(seconds / 10)):
        now = NOW + 10.0 * step
        jobs = claimed(state, now)
        events += settled(state, [answer(claim, "fail", now) for claim, _ in jobs], now + 5)
    assert len(list(state.members())) == count
    return events


def make_many(count: int = 50, apart_s: float = 60.0) -> MemoryState:
    """Nodes in the middle of their waits, of which all answered a check in the last minutes and few were tested."""
    return make_state(
        *(
            waiting(
                f"n{number:02}",
                liveness=Liveness(NOW + 4 * number, 200.0, NOW - 200 + 4 * number),
                probed_at=NOW - apart_s * number,
                due_at=NOW + 1800 - apart_s * number,
                last=None,
            )
            for number in range(count)
        )
    )


def test_an_outage_of_the_monitor_leaves_no_crowd_of_suspects() -> None:
    state = make_many()

    events = cut_off(state, 50)

    assert [event.kind for event in events if event.kind == "guard-on"] == ["guard-on"]
    assert {member.pool for member in state.members()} == {"good"}
    assert sum(event.kind == "suspect" for event in events) <= 12
    assert all(member.penalty == 0 for member in state.members())


def evaluated(state: MemoryState, reports: Iterable[Report], now: float) -> list[str]:
    guard, changes = evaluate(state, SETTINGS, reports, now, is_cut_off=None)
    state.apply(changes)
    return sorted(guard.scopes)


def seen_lately(number: int, outcome: Outcome | None = None, **fields: Any) -> Member:
    """A good node that answered a login lately, and was tested lately if there is an outcome."""
    if outcome is None:
        return waiting(f"n{number:02}", probed_at=NOW - 3000.0, last=None, **fields)
    before = Suspicion("good", NOW - 9000.0, 3, NOW - 100.0) if outcome is Outcome.FAIL else None
    last = Verdict(outcome, None, "", NOW - 100.0, 1.0)
    if outcome is Outcome.FAIL:
        fields["liveness"] = Liveness(NOW, 200.0, NOW - 300.0, 3)
    return waiting(f"n{number:02}", probed_at=NOW - 100.0, last=last, suspicion=before, **fields)


def test_a_silent_check_does_not_hide_from_the_guard_what_a_test_found() -> None:
    tested = [seen_lately(number, Outcome.FAIL if number < 3 else Outcome.PASS) for number in range(10)]
    state = make_state(*tested, *(seen_lately(number) for number in range(10, 40)))
    assert evaluated(state, [make_report("n00", "fail", cause=Cause.SETUP)], NOW) == ["pool good"]

    assert evaluated(
        state, [replace(make_report("n00", "fail", cause=Cause.CONNECT), goal=Goal.LIVENESS)], NOW + 5
    ) == ["pool good"]


def test_nodes_whose_silence_the_guard_holds_count_until_they_answer() -> None:
    silent = [seen_lately(number, liveness=Liveness(NOW, 200.0, NOW - 300.0, 1)) for number in range(5)]
    others = [seen_lately(number) for number in range(5, 12)]
    state = make_state(*silent, *others)
    checks = [
        replace(make_report(f"n{number:02}", "fail", cause=Cause.CONNECT), goal=Goal.LIVENESS) for number in range(5)
    ]
    assert evaluated(state, checks, NOW) == ["pool good"]
    held = [replace(each, liveness=Liveness(NOW + 60, 200.0, NOW - 300.0, 2)) for each in silent]

    state.apply(Changes(members=tuple(held)))
    assert evaluated(state, [], NOW + 5) == ["pool good"]
    back = [replace(make_report(f"n{number:02}"), goal=Goal.LIVENESS) for number in range(4)]
    assert evaluated(state, back, NOW + 10) == []


def test_a_rack_that_falls_silent_does_not_turn_the_guard_on() -> None:
    """Checks find all that are silent, tests a sample: five of fifty are not a fifth of those tested lately."""
    state, events = make_many(), list[Event]()
    silent = {f"n{number:02}" for number in range(0, 50, 10)}
    for step in range(40):
        now = NOW + 10.0 * step
        reports = [answer(claim, "fail" if claim.node in silent else "pass", now) for claim, _ in claimed(state, now)]
        events += settled(state, reports, now + 5)

    assert {member.node for member in state.members() if member.pool == "bad"} == silent
    assert not any(event.kind == "guard-on" for event in events)


@pytest.mark.parametrize("silences", [0, 2])
def test_tests_that_silence_calls_do_not_turn_the_guard_of_all_on(silences: int) -> None:
    """Ten of sixty die: all of them are tested at once, and of the others only those that were due."""
    own, state, events = checking(silences=silences), make_many(60, 30.0), list[Event]()
    dead = {f"n{number:02}" for number in range(0, 60, 6)}
    for step in range(60):
        now = NOW + 10.0 * step
        reports = [
            answer(claim, "fail" if claim.node in dead else "pass", now) for claim, _ in claimed(state, now, own)
        ]
        events += settled(state, reports, now + 5, own)

    assert not any(event.kind == "guard-on" for event in events)
    assert {member.node for member in state.members() if member.pool == "bad"} == dead


def play_mute(state: MemoryState, hours: float, login: str = "fail", test: str = "pass", at: float = NOW) -> list[str]:
    """Tests that run here and end in `test`, and logins that end in `login`, for so long; what happened."""
    kinds: list[str] = []
    for step in range(int(hours * 360)):
        now = at + 10.0 * step
        reports = [
            answer(claim, login, now)
            if claim.goal is Goal.LIVENESS
            else replace(answer(claim, test, now), cause=None, stages=(StageRun("setup", 1.0, 0),))
            for claim, _ in claimed(state, now)
        ]
        kinds += [event.kind for event in settled(state, reports, now + 5)]
    return kinds


def test_a_node_that_passes_its_tests_here_and_answers_no_login_is_not_withheld_for_ever() -> None:
    state = make_state(waiting(last=None), waiting("n2", liveness=Liveness(NOW, 200.0, NOW, 0)))

    kinds = play_mute(state, 12.0)

    assert kinds.count("suspect") == kinds.count("refuted") == 2 * MOST_FALSE_ALARMS
    assert kinds.count("probe") < 2 * (MOST_FALSE_ALARMS + 20), "no more than without checks"
    assert state.notes["false-alarms"] == {"count": 1}, "as soon as there is one"
    state.apply(note_mute_nodes(state, SETTINGS))
    [problem] = list_problems(state, SETTINGS)
    assert (
        problem.reason == "2 nodes pass every test and answer no login, so liveness checks tell nothing of them: n1, n2"
    )
    assert not note_mute_nodes(state, SETTINGS)
    assert "guard-on" not in kinds

    play_mute(state, 1.0, "pass", at=NOW + 12.5 * 3600)
    assert known_of(state).false_alarms == 0
    assert note_mute_nodes(state, SETTINGS).notes == {"false-alarms": None}
    assert "suspect" in play_mute(state, 1.0, at=NOW + 14 * 3600)


def test_a_failed_test_lets_silence_tell_again() -> None:
    state = make_state(waiting(last=None))
    play_mute(state, 6.0)
    assert known_of(state).is_mute

    play_mute(state, 2.0, test="fail", at=NOW + 7 * 3600)

    assert member_of(state).pool == "bad"
    assert not known_of(state).is_mute


def test_answered_logins_do_not_keep_the_guard_off_when_set_ups_fail() -> None:
    """A recipe that is broken for all: every login answers, and every test fails."""
    state, events = make_many(), list[Event]()
    for step in range(200):
        now = NOW + 10.0 * step
        reports = [
            answer(claim, "pass" if claim.goal is Goal.LIVENESS else "broken", now) for claim, _ in claimed(state, now)
        ]
        events += settled(state, reports, now + 5)

    assert any(event.kind == "guard-on" for event in events)
    assert sum(member.pool == "bad" for member in state.members()) <= 12


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pass", "fail", "broken", "unknown", "die", "late"]), st.sampled_from([1, 30, 60, 600])
        ),
        max_size=40,
    ),
    st.sampled_from(["good", "bad"]),
)
def test_whatever_the_order_no_move_is_confirmed_without_a_failed_test(steps: list[tuple[str, int]], pool: str) -> None:
    """Checks, tests, ticks that die and reports that come too late, in any order."""
    state = make_state(waiting(pool=pool))
    now, stale = NOW, []
    for word, seconds in steps:
        now += seconds
        jobs = claimed(state, now)
        if word == "die":
            state.apply(void_claims(state, dict.fromkeys(state.claims, "its tick is gone"), now))
            stale += [answer(claim, "fail", now) for claim, _ in jobs]
            continue
        before = member_of(state)
        reports = stale if word == "late" else []
        happened = settled(
            state, [*reports, *(answer(claim, word.replace("late", "pass"), now) for claim, _ in jobs)], now
        )
        after = member_of(state)
        tested = {claim.goal for claim, _ in jobs} == {Goal.TEST}
        if any(event.kind == "transition" for event in happened):
            assert tested
        if after.pool != before.pool and not tested:
            assert (before.pool, after.is_suspect, word) == ("good", True, "fail")
        assert after.penalty == before.penalty or tested
        assert state.claims == {}
        assert not (after.ok_streak and after.fail_streak)
        known = after.liveness
        assert known is not None
        assert known.due_at is None or known.due_at <= now + max(60.0, known.spacing_s)
        assert known.answered_at is None or known.answered_at <= now
    assert all(piece.recipe == "process" for piece in member_of(state).leftovers)
