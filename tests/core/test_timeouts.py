"""Deadlines are learned from passes, never shrink for ever, and never keep a sound node out."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plabctl.core.assign import assign
from plabctl.core.claim import GRACE_S, Claimant, list_candidates
from plabctl.core.model import Cause, Hold, Leftover, Member, Outcome, StageRun, Suspicion, Verdict
from plabctl.core.pools.base import Reading, build_pools
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import DeadlineSettings, Settings
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.timeouts import TALLIES_NOTE, LearnedTimeouts, StageTimeout, TimeoutBasis, TimeoutPlan, TimeoutRule
from tests.builders import NOW, make_claim, make_mark, make_member, make_report, make_settings, make_state
from tests.memory_state import MemoryState

RECIPE = Recipe(
    "process",
    setup=Stage(run="make", timeout_s=600.0),
    up=Stage(run="look", timeout_s=600.0, every_s=5.0),
    check=Stage(run="check", timeout_s=60.0),
    teardown=Stage(run="unmake", timeout_s=300.0),
)


def make(**fields: Any) -> Settings:
    return make_settings(recipes={"process": RECIPE}, deadlines=DeadlineSettings(**fields))


SETTINGS = make()
FAILED = Verdict(Outcome.FAIL, Cause.DEADLINE, "setup did not end", NOW, 10.0)


def runs(**seconds: float) -> tuple[StageRun, ...]:
    return tuple(StageRun(stage, took, None if stage == "connect" else 0) for stage, took in seconds.items())


def passed(state: MemoryState, settings: Settings, node: str = "n1", **seconds: float) -> Changes:
    """Let one probe of the node pass, with these seconds for its stages."""
    state.apply(Changes(claims=(make_claim(node),)))
    report = make_report(node, stages=runs(**seconds))
    changes = settle(state, [report], build_pools(settings), NOW, Random(1))
    state.apply(changes)
    return changes


def taught(seconds: Sequence[float], settings: Settings = SETTINGS, stage: str = "setup") -> MemoryState:
    """A state in which as many probes of some peer passed, `stage` taking these seconds."""
    state = make_state(make_member("peer"), make_member("n1"))
    for took in seconds:
        passed(state, settings, "peer", **{stage: took})
    return state


def plan(state: MemoryState, member: Member | None = None, settings: Settings = SETTINGS) -> TimeoutPlan:
    return LearnedTimeouts(state.notes, settings).plan_probe(
        member or make_member("n1"), settings.recipes["process"], NOW
    )


def limit(plan: TimeoutPlan, stage: str = "setup") -> StageTimeout:
    return next(limit for limit in plan.limits if limit.stage == stage)


def test_until_enough_has_passed_the_recipe_has_its_own_time_outs() -> None:
    for count in (0, 1, 19):
        found = plan(taught([1.0] * count))

        assert found.apply_to(RECIPE) == RECIPE
        assert found.lowered == {}
        assert limit(found).basis is TimeoutBasis.FEW
        assert limit(found).passes == count


def test_quick_passes_bring_the_floor_and_only_to_the_stage_that_was_quick() -> None:
    found = plan(taught([1.0] * 20))

    assert (limit(found).seconds, limit(found).basis) == (10.0, TimeoutBasis.FLOOR)
    assert found.lowered == {"setup": 600.0}
    applied = found.apply_to(RECIPE)
    assert applied.setup is not None
    assert applied.setup.timeout_s == 10.0
    assert replace(applied, setup=RECIPE.setup) == RECIPE


def test_a_stage_may_take_three_times_what_95_in_100_passes_took() -> None:
    found = limit(plan(taught([20.0] * 95 + [100.0] * 5)))

    assert found.basis is TimeoutBasis.PEERS
    assert found.p95_s is not None
    assert 20.0 <= found.p95_s <= 24.0
    assert found.seconds == pytest.approx(3 * found.p95_s, abs=0.01)


def test_the_time_outs_of_the_recipe_are_never_exceeded() -> None:
    found = limit(plan(taught([300.0] * 30)))

    assert (found.seconds, found.basis) == (600.0, TimeoutBasis.RECIPE)


def test_to_connect_is_a_stage_too_for_recipes_that_connect() -> None:
    state = taught([0.1] * 20, stage="connect")

    assert plan(state).connect_s == 10.0
    assert plan(state).lowered == {"connect": 20.0}
    local = replace(RECIPE, transport=Transport.LOCAL)
    assert "connect" not in {
        limit.stage for limit in LearnedTimeouts({}, SETTINGS).plan_probe(make_member(), local, NOW).limits
    }


def test_up_may_always_be_looked_at_a_few_times() -> None:
    found = limit(plan(taught([0.1] * 20, stage="up")), "up")

    assert found.seconds == 10.0 + 2 * 5.0


def test_one_switch_turns_it_off() -> None:
    off = make(enabled=False)
    state = taught([1.0] * 50)

    assert plan(state, settings=off).apply_to(RECIPE) == RECIPE
    assert plan(state, settings=off).rule is TimeoutRule.OFF
    assert taught([1.0] * 50, off).notes == {}


def test_only_passes_that_count_teach() -> None:
    state = make_state(make_member("n1"))
    for outcome in ("fail", "unknown"):
        state.apply(Changes(claims=(make_claim(),)))
        report = make_report(outcome=outcome, stages=runs(setup=500.0))
        state.apply(settle(state, [report], build_pools(SETTINGS), NOW, Random(1)))
    late = make_report(token="other", stages=runs(setup=500.0))
    state.apply(settle(state, [late], build_pools(SETTINGS), NOW, Random(1)))

    assert TALLIES_NOTE.topic not in state.notes


def test_a_teardown_that_failed_after_a_pass_does_not_teach() -> None:
    state = make_state(make_member("n1"))
    state.apply(Changes(claims=(make_claim(),)))
    stages = (StageRun("setup", 1.0, 0), StageRun("teardown", 300.0, None))
    state.apply(settle(state, [make_report(stages=stages)], build_pools(SETTINGS), NOW, Random(1)))

    assert limit(plan(state)).passes == 1
    assert limit(plan(state), "teardown").passes == 0


def test_to_tear_down_debris_teaches_nothing_about_the_recipe() -> None:
    state = make_state(make_member("n1"))

    passed(state, SETTINGS, setup=1.0, debris=200.0)

    note: Any = state.notes[TALLIES_NOTE.topic]
    assert set(note["recipes"]["process"]["stages"]) == {"setup"}


def test_a_pass_of_no_stages_or_by_a_recipe_that_is_gone_teaches_nothing() -> None:
    for recipe, stages in (("process", ()), ("gone", runs(setup=1.0))):
        learned_timeouts = LearnedTimeouts({}, SETTINGS)

        assert learned_timeouts.learn(recipe, make_report(stages=stages), make_member()) == make_member()
        assert learned_timeouts.build_note() == {}


@pytest.mark.parametrize(("peers_s", "own_s"), [(0.1, 2.0), (20.0, 15.0)])
def test_who_is_under_the_floor_or_no_slower_than_his_peers_has_no_deadline_of_his_own(
    peers_s: float, own_s: float
) -> None:
    state = taught([peers_s] * 20)
    passed(state, SETTINGS, "n1", setup=own_s)
    member = state.member("n1")

    assert member
    assert member.slowest_s == {}


def test_seconds_have_milliseconds_and_no_more() -> None:
    state = taught([20.0] * 20)
    passed(state, SETTINGS, "n1", setup=50 + 1 / 7)
    member = state.member("n1")

    assert member
    assert member.slowest_s == {"setup": 50.143}
    seconds = limit(plan(state)).seconds
    assert seconds == round(seconds, 3) != round(seconds, 2)


def test_a_deadline_that_is_just_the_recipe_s_own_is_the_recipe_s() -> None:
    settings = make(floor_s=600.0)

    assert limit(plan(taught([1.0] * 20, settings), settings=settings)).basis is TimeoutBasis.RECIPE


def test_where_all_are_quick_nobody_has_a_deadline_of_his_own_however_low_the_floor() -> None:
    settings = make(floor_s=0.5)
    state = taught([0.1] * 20, settings)
    passed(state, settings, "n1", setup=0.1)
    member = state.member("n1")

    assert member
    assert member.slowest_s == {}
    found = limit(plan(state, member, settings))
    assert (found.seconds, found.basis) == (0.5, TimeoutBasis.FLOOR)


def test_what_was_learned_of_other_commands_is_forgotten_and_of_other_time_outs_is_not() -> None:
    state = taught([1.0] * 20)
    slower = replace(RECIPE, setup=Stage(run="make all", timeout_s=600.0))
    longer = replace(RECIPE, setup=Stage(run="make", timeout_s=900.0))

    for recipe, learned in ((slower, False), (longer, True)):
        settings = replace(SETTINGS, recipes={"process": recipe})
        assert bool(plan(state, settings=settings).lowered) is learned


def test_a_recipe_that_is_gone_is_forgotten() -> None:
    state = taught([1.0] * 20)
    other = replace(SETTINGS, recipes={"other": replace(RECIPE, name="other")})
    state.apply(Changes(claims=(make_claim(recipe="other"),)))
    changes = settle(state, [make_report(stages=runs(setup=1.0))], build_pools(other), NOW, Random(1))

    assert changes.notes is not None
    note: Any = changes.notes[TALLIES_NOTE.topic]
    assert list(note["recipes"]) == ["other"]


def test_a_slow_node_keeps_a_deadline_of_its_own_and_its_peers_do_not_get_it() -> None:
    state = taught([1.0] * 100)
    passed(state, SETTINGS, "n1", setup=50.0)
    slow, peer = state.member("n1"), state.member("peer")

    assert (limit(plan(state, slow)).seconds, limit(plan(state, slow)).basis) == (150.0, TimeoutBasis.OWN)
    assert limit(plan(state, peer)).seconds == 10.0


def test_a_node_that_was_slow_once_is_like_its_peers_after_a_while() -> None:
    state = taught([1.0] * 100)
    passed(state, SETTINGS, "n1", setup=50.0)
    for _ in range(20):
        passed(state, SETTINGS, "n1", setup=1.0)

    member = state.member("n1")
    assert member is not None
    assert member.slowest_s == {}


@pytest.mark.parametrize(
    ("member", "patience"),
    [
        (make_member(), TimeoutRule.USUAL),
        (make_member(requested_at=NOW), TimeoutRule.REQUESTED),
        (make_member(pool="bad"), TimeoutRule.UNPROVEN),
        (make_member(pool="bad", ok_streak=1), TimeoutRule.UNPROVEN),
        (make_member(pool="bad", fail_streak=3), TimeoutRule.USUAL),
        (make_member(pool="bad", fail_streak=4), TimeoutRule.IN_TURN),
        (make_member(pool="bad", fail_streak=8), TimeoutRule.IN_TURN),
        (make_member(fail_streak=1, hold=Hold("ada", "mine", NOW)), TimeoutRule.USUAL),
        (make_member(fail_streak=2, last=FAILED, interval_s=300.0), TimeoutRule.USUAL),
        (make_member(last=FAILED), TimeoutRule.DECIDES),
        (make_member(last=replace(FAILED, outcome=Outcome.PASS)), TimeoutRule.USUAL),
        (make_member(pool="bad", fail_streak=1, last=FAILED), TimeoutRule.USUAL),
        (make_member(last=FAILED, hold=Hold("ada", "mine", NOW)), TimeoutRule.USUAL),
        (make_member(fail_streak=4, hold=Hold("ada", "mine", NOW)), TimeoutRule.IN_TURN),
    ],
)
def test_how_patient_a_probe_is_depends_on_what_hangs_on_it(member: Member, patience: TimeoutRule) -> None:
    found = plan(taught([1.0] * 20), member)

    assert found.rule is patience
    assert limit(found).seconds == (10.0 if patience is TimeoutRule.USUAL else 600.0)


def test_the_test_that_decides_on_a_move_has_all_the_time_of_the_recipe() -> None:
    state = taught([1.0] * 20)
    state.apply(Changes(claims=(make_claim("n1"),)))
    state.apply(settle(state, [make_report(outcome="fail")], build_pools(SETTINGS), NOW, Random(1)))

    found = plan(state, state.member("n1"))

    assert found.rule is TimeoutRule.DECIDES
    assert limit(found).seconds == 600.0
    confirming = replace(make_settings(confirm=2), recipes=SETTINGS.recipes)
    assert plan(state, make_member(fail_streak=1, last=FAILED), confirming).rule is TimeoutRule.DECIDES


def test_a_teardown_has_all_its_time_when_there_is_debris() -> None:
    state = taught([1.0] * 20, stage="teardown")
    littered = make_member(leftovers=(Leftover("v", "process", NOW),))

    assert limit(plan(state), "teardown").seconds == 10.0
    assert limit(plan(state, littered), "teardown").seconds == 300.0
    assert limit(plan(taught([1.0] * 20), littered)).seconds == 10.0, "no other stage is any longer for it"


def test_a_claim_ends_when_the_learned_deadlines_do() -> None:
    state = make_state(make_member("peer"), make_member("n1"))
    for _ in range(20):
        passed(state, SETTINGS, "peer", connect=0.1, setup=1.0, up=1.0, check=1.0, teardown=1.0)
    rows = list_candidates(state, SETTINGS, NOW, only={"n1"})
    ((claim, _),), _ = assign(state, SETTINGS, rows, [1], Claimant(make_mark(), "boot", Random(1)), NOW)

    assert claim.deadline_at == NOW + 10 + 10 + 20 + 10 + 2 * 10 + GRACE_S


SECONDS = st.floats(0.0, 5000.0)


@given(
    st.lists(SECONDS, max_size=60),
    st.builds(
        DeadlineSettings,
        floor_s=st.floats(0.1, 1000.0),
        factor=st.floats(3.0, 100.0),
        min_passes=st.integers(1, 50),
        full_every=st.integers(1, 9),
    ),
    st.integers(0, 9),
    st.sampled_from(["good", "bad"]),
)
@example([2.0], DeadlineSettings(floor_s=1.0, factor=26.0, min_passes=1, full_every=1), 0, "good")
def test_a_deadline_lies_between_what_passes_took_and_the_recipe_s_time_out(
    seconds: list[float], own: DeadlineSettings, fail_streak: int, pool: str
) -> None:
    settings = replace(SETTINGS, deadlines=own)
    state = taught(seconds, settings)
    member = make_member("n1", pool, fail_streak=fail_streak)

    for found in plan(state, member, settings).limits:
        assert 0 < found.seconds <= found.allowed_s
        assert found.seconds >= min(found.allowed_s, own.floor_s) - 0.001
        if found.p95_s is not None and found.passes >= own.min_passes:
            # What is said of them is rounded to milliseconds, the deadline after it was multiplied.
            assert found.seconds >= min(found.allowed_s, own.factor * (found.p95_s - 0.0005) - 0.001)


@given(st.lists(st.tuples(SECONDS, st.booleans()), min_size=1, max_size=80))
def test_no_node_is_ever_given_less_than_what_it_has_just_passed_with(history: list[tuple[float, bool]]) -> None:
    state = taught([1.0] * 30)
    for seconds, is_own in history:
        if is_own:
            passed(state, SETTINGS, "n1", setup=seconds)
            assert limit(plan(state, state.member("n1"))).seconds >= min(600.0, 2.9 * seconds)
        else:
            passed(state, SETTINGS, "peer", setup=seconds)


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0])
def test_learning_from_survivors_alone_does_not_shrink_for_ever(alpha: float) -> None:
    """Passes from a heavy tail (Pareto), each cut off at the deadline learned so far, for 8,000 probes."""
    rng = Random(7)
    settings = replace(make(floor_s=0.1), recipes={"process": replace(RECIPE, setup=Stage(run="x", timeout_s=1e6))})
    learned_timeouts = LearnedTimeouts({}, settings)
    member, recipe = make_member(), settings.recipes["process"]
    first = None
    for _ in range(8_000):
        allowed = limit(learned_timeouts.plan_probe(member, recipe, NOW)).seconds
        seconds = rng.random() ** (-1 / alpha)
        if seconds < allowed:
            learned_timeouts.learn("process", make_report(stages=runs(setup=seconds)), make_member("peer"))
            if allowed < 1e6:
                first = first or allowed
    last = limit(learned_timeouts.plan_probe(member, recipe, NOW)).seconds

    true_p95 = 0.05 ** (-1 / alpha)
    assert last >= 3 * 0.6 * true_p95
    assert last <= 3 * 1.3 * true_p95
    assert first is not None


def life_of(needs_s: float, tests: int = 12) -> list[str]:
    """The tests of a good node that needs so long where its peers need 1 s: `pool:seconds allowed:outcome`."""
    state = taught([1.0] * 50)
    seen = []
    for _ in range(tests):
        member = state.member("n1")
        assert member is not None
        found = limit(plan(state, member))
        is_cut = found.seconds < min(needs_s, found.allowed_s)
        passes = needs_s <= found.seconds
        state.apply(Changes(claims=(make_claim("n1"),)))
        stages = runs(setup=needs_s) if passes else ()
        report = make_report("n1", "pass" if passes else "fail", stages=stages, is_cut=is_cut)
        state.apply(settle(state, [report], build_pools(SETTINGS), NOW, Random(1)))
        seen.append(f"{member.pool}:{found.seconds:g}:{report.outcome}")
    return seen


def test_a_sound_node_that_became_slow_is_tested_once_more_and_stays_in_good() -> None:
    """It needs 100 s where its peers need 1 s: cut at 10 s, then let through, then it has a deadline of its own."""
    assert life_of(100.0, 4) == ["good:10:fail", "good:600:pass", "good:300:pass", "good:300:pass"]
    assert life_of(15.0, 3) == ["good:10:fail", "good:600:pass", "good:45:pass"]


def test_a_node_that_hangs_for_ever_has_all_its_time_once_to_leave_and_once_to_be_confirmed() -> None:
    seen = life_of(float("inf"), 10)

    assert seen[:3] == ["good:10:fail", "good:600:fail", "bad:600:fail"]
    assert [step for step in seen[3:] if ":600:" in step] == ["bad:600:fail"] * 2, "and then every fourth"


@given(st.lists(st.sampled_from([1.0, 15.0, 100.0, 599.0]), max_size=40))
def test_no_pass_however_slow_moves_a_good_node_while_the_recipe_allows_it(needs: list[float]) -> None:
    state = taught([1.0] * 50)
    pools = build_pools(SETTINGS)
    for streak, needs_s in enumerate(needs, start=1):
        for _ in range(2):
            member = state.member("n1")
            assert member is not None
            passes = needs_s <= limit(plan(state, member)).seconds
            state.apply(Changes(claims=(make_claim("n1"),)))
            stages = runs(setup=needs_s) if passes else ()
            report = make_report("n1", "pass" if passes else "fail", stages=stages, is_cut=not passes)
            state.apply(settle(state, [report], pools, NOW, Random(1)))
            if passes:
                break
        after = state.member("n1")
        assert after is not None
        assert (after.pool, after.ok_streak, after.fail_streak, after.penalty) == ("good", streak, 0, 0.0)


def test_a_crowd_that_hangs_under_the_guard_has_the_learned_deadlines() -> None:
    guarded = make_member(fail_streak=1, last=FAILED, interval_s=300.0, suspicion=Suspicion("good", NOW, 5, NOW))

    assert plan(taught([1.0] * 20), guarded).rule is TimeoutRule.USUAL


def test_what_is_cut_off_when_the_guard_has_held_it_for_its_longest_time_is_tested_once_more() -> None:
    suspicion = Suspicion("good", NOW - 9e5, 5, NOW - 3600)
    guarded = make_member(fail_streak=11, suspicion=suspicion, interval_s=300.0)
    pool = build_pools(SETTINGS)["good"]
    cancellation = Reading(make_report("n1", "fail", is_cut=True), NOW, 0.0, is_guarded=True)

    doubted = pool.judge(guarded, cancellation)
    assert doubted.move is None
    assert plan(taught([1.0] * 20), doubted.member).rule is TimeoutRule.DECIDES
    moved = pool.judge(doubted.member, replace(cancellation, report=make_report("n1", "fail")))
    assert moved.move is not None
    assert moved.move.kind == "transition"


def test_dead_nodes_cost_a_fraction_of_the_time_outs() -> None:
    state = make_state(make_member("peer"), make_member("n1", "bad"))
    for _ in range(20):
        passed(state, SETTINGS, "peer", connect=0.1, setup=1.0)
    seconds = [limit(plan(state, make_member("n1", "bad", fail_streak=count))).seconds for count in range(1, 41)]

    assert sum(seconds) <= 0.27 * 40 * 600.0


def test_a_thousand_passes_and_more_leave_a_small_note() -> None:
    state = taught([float(number % 300) for number in range(3000)])

    assert len(repr(state.notes[TALLIES_NOTE.topic])) < 1500
