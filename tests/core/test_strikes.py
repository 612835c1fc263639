"""A node that failed too often does not return by itself, whatever its tests say, until a person lets it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.guard.model import Guard, GuardedScope
from plabctl.core.guard.rollback import restore_member, roll_back
from plabctl.core.model import Member
from plabctl.core.pools.base import build_flap
from plabctl.core.settings import FlapSettings, GuardSettings, Settings
from plabctl.render.event_table import describe_event
from tests.builders import NOW, judged, make_member, make_settings, make_state, played
from tests.core.virtual_world import VirtualWorld

DAY = 86400.0
STRIKES = make_settings(flap=FlapSettings(half_life_s=1.0, strikes=2, strikes_within_s=7 * DAY))
"""With a penalty that is gone at once, so that one pass brings a node back that is not stuck."""


def strike(member: Member, times: int, own: Settings = STRIKES, apart_s: float = 60.0) -> Member:
    """The member after so many confirmed failures and returns, the last without its return."""
    for number in range(times):
        at = NOW + number * apart_s
        member = judged(judged(member, "fail", at=at, settings=own).member, "fail", at=at + 1, settings=own).member
        if number < times - 1:
            member = judged(member, "pass", at=at + 30, settings=own).member
            assert member.pool == "good"
    return member


def test_one_confirmed_move_too_many_is_one_that_no_pass_takes_back() -> None:
    member = strike(make_member(), 3)

    assert (member.stuck_since_at, member.pool) == (NOW + 121, "bad")
    after = played(member, "PFPPPPPPPPPP", settings=STRIKES)
    assert {each.pool for each in after} == {"bad"}
    assert after[-1].ok_streak == 10
    assert after[-1].due_at - after[-2].due_at > 300, "it waits by its back-off, not as one of several passes"


def test_what_is_long_ago_does_not_count() -> None:
    member = strike(make_member(), 5, apart_s=3.6 * DAY)

    assert member.stuck_since_at is None
    assert played(member, "P", settings=STRIKES)[-1].pool == "good"


def test_failures_that_are_refuted_do_not_count() -> None:
    assert played(make_member(), "FP" * 10, settings=STRIKES)[-1].strike_ats == ()


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_what_the_guard_takes_back_does_not_count(is_confirmed: bool) -> None:
    before = strike(make_member(), 2)
    good = judged(before, "pass", at=NOW + 90, settings=STRIKES).member
    suspect = judged(good, "fail", at=NOW + 120, settings=STRIKES).member
    stuck = judged(suspect, "fail", at=NOW + 121, settings=STRIKES).member
    assert stuck.stuck_since_at is not None

    if is_confirmed:
        back = restore_member(stuck, stuck.flaps[-1], STRIKES, NOW + 130)
    else:
        assert suspect.suspicion is not None
        back = restore_member(suspect, build_flap(suspect, suspect.suspicion, NOW + 120), STRIKES, NOW + 130)

    assert (back.pool, back.stuck_since_at, back.strike_ats) == ("good", None, before.strike_ats)


def test_sinks_that_were_told_of_a_stuck_node_are_told_when_the_guard_takes_that_back() -> None:
    before = strike(make_member("a"), 2)
    good = judged(before, "pass", at=NOW + 90, settings=STRIKES).member
    suspect = judged(good, "fail", at=NOW + 120, settings=STRIKES).member
    stuck = judged(suspect, "fail", at=NOW + 121, settings=STRIKES).member
    state = make_state(stuck, make_member("b", "bad", stuck_since_at=NOW - 9e4, probed_at=NOW + 100))
    guard = Guard({"pool good": GuardedScope("pool good", NOW + 125, "16 of 35 failed")})

    changes = roll_back(state, STRIKES, guard, NOW + 130)

    [told] = [event for event in changes.events if event.kind == "stuck"]
    assert (told.node, told.at, dict(told.data)) == (
        "a",
        NOW + 130,
        {"pool": "good", "over": True, "reason": "taken back by the guard: 16 of 35 failed"},
    )
    assert describe_event(told) == "needs no person any more: taken back by the guard: 16 of 35 failed"
    state.apply(changes)
    assert not roll_back(state, STRIKES, guard, NOW + 131).events


def test_without_the_rule_a_node_returns_as_ever_and_one_that_was_stuck_does() -> None:
    off = make_settings(flap=FlapSettings(half_life_s=1.0))

    assert strike(make_member(), 20, off).strike_ats == ()
    released = judged(strike(make_member(), 3), "pass", at=NOW + 900, settings=off).member
    assert (released.pool, released.strike_ats, released.stuck_since_at) == ("good", (), None)


def stuck_world() -> VirtualWorld:
    world = VirtualWorld("n1", "n2", settings=STRIKES)
    world.probe("PFFPFFPFF")
    assert world.member().stuck_since_at is not None
    assert [event.data["strikes"] for event in world.events if event.kind == "stuck"] == [3]
    return world


def test_a_release_begins_anew() -> None:
    world = stuck_world()
    world.probe("PPP")
    world.release("n1")

    assert world.member().strike_ats == ()
    assert world.probe("PFFPFFP") == ["good", "bad?", "bad", "good", "bad?", "bad", "good"]
    world.probe("FF")
    assert world.member().stuck_since_at is not None
    assert sum(event.kind == "stuck" for event in world.events) == 2


def test_a_person_s_move_into_good_begins_anew_and_a_hold_does_not() -> None:
    world = stuck_world()
    world.hold("n1", 3600.0)
    world.wait(4000.0)

    assert set(world.probe("PPP")) == {"bad"}
    world.move("n1", "good")
    assert world.probe("PFFP") == ["good", "bad?", "bad", "good"]


STEPS = st.lists(
    st.sampled_from(
        ["P", "F", "FFP", "FFPP", "?", "fail all", "pass all", "hold", "move bad", "blink", "retest", "wait"]
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 2))
def test_a_stuck_node_never_returns_by_itself(steps: list[str], strikes: int) -> None:
    guard = GuardSettings(min_tested=3, max_ratio=0.4)
    own = make_settings(flap=FlapSettings(half_life_s=1.0, strikes=strikes), guard=guard)
    world = VirtualWorld("n1", "n2", "n3", "n4", settings=own)
    world.start()
    world.end("pass")
    for step in steps:
        was_stuck, seen = world.member().stuck_since_at is not None, len(world.events)
        do_step(world, step)
        if was_stuck and world.member().pool == "good":
            back = [event for event in world.events[seen:] if event.kind == "transition" and event.node == "n1"]
            assert [event.data["cause"] for event in back] == ["guard"], "only the guard takes its own mistake back"
        if world.member().stuck_since_at is not None:
            assert (world.member().pool, world.member().is_suspect) == ("bad", False)


def do_step(world: VirtualWorld, step: str) -> None:
    match step:
        case "fail all" | "pass all":
            world.wait(60.0)
            world.start("n1", "n2", "n3", "n4")
            world.end(step.split(maxsplit=1)[0])
        case "hold":
            world.try_to("hold", "n1", 600.0)
        case "move bad":
            world.try_to("move", "n1", "bad", 600.0)
        case "blink":
            world.blink("n1")
        case "retest":
            world.try_to("retest", "n1")
        case "wait":
            world.wait(3000.0)
        case _ if world.member().absent_since_at is None:
            world.probe(step)
