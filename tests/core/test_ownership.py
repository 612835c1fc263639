"""What a person ordered stays until its end, and what the machine does can be seen: scenarios and random histories."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.flap import compute_penalty
from plabctl.core.forecast import find_path
from plabctl.core.model import Outcome
from plabctl.core.settings import GuardSettings
from plabctl.errors import Refused
from tests.builders import NOW, make_settings
from tests.core.virtual_world import VirtualWorld

HOUR = 3600.0


def good_world(*names: str) -> VirtualWorld:
    """A world whose nodes have passed twice and are in good."""
    world = VirtualWorld(*(names or ("n1",)))
    for _ in range(2):
        world.start()
        world.end("pass")
    return world


def test_a_steady_node_enters_good_by_one_pass_and_a_failure_that_is_refuted_leaves_no_trace() -> None:
    world = good_world()
    before = world.member()

    assert world.probe("PFP") == ["good", "bad?", "good"]
    assert world.moves() == ["transition bad->good plabctl", "suspect good->bad plabctl", "refuted bad->good plabctl"]
    after = world.member()
    assert (after.ok_streak, after.since_at, after.penalty) == (before.ok_streak + 2, before.since_at, 0.0)


def test_a_flapping_node_s_moves_one_by_one() -> None:
    world = good_world()

    assert world.probe("FF") == ["bad?", "bad"]
    assert world.probe("P") == ["good"]  # a penalty of 1 has decayed below 1 by now
    assert world.probe("FF") == ["bad?", "bad"]
    assert world.probe("PP") == ["bad", "good"]
    assert world.probe("FF") == ["bad?", "bad"]
    assert world.probe("PFPPP") == ["bad", "bad", "bad", "bad", "good"]
    assert world.moves() == [
        "transition bad->good plabctl",
        *["suspect good->bad plabctl", "transition good->bad plabctl", "transition bad->good plabctl"] * 3,
    ]


def test_a_node_that_a_person_moved_for_a_time_is_theirs_till_then() -> None:
    world = good_world()
    world.move("n1", "bad", 2 * HOUR)

    pools = world.probe("P" * 8)
    assert world.now < NOW + 3 * HOUR
    assert set(pools) == {"bad"}
    world.now = NOW + 2 * HOUR + 60
    assert world.probe("P") == ["good"]
    assert world.moves() == [
        "transition bad->good plabctl", "transition good->bad ada", "transition bad->good plabctl"
    ]  # fmt: skip


def test_a_move_to_bad_without_a_time_holds_until_somebody_releases_the_node() -> None:
    world = good_world()
    world.move("n1", "bad")

    assert set(world.probe("PFPPP")) == {"bad"}
    world.release("n1")
    assert world.probe("P") == ["good"]


def test_a_move_that_is_made_only_once_holds_until_the_tests_say_otherwise() -> None:
    world = good_world()
    world.move("n1", "bad", is_once=True)

    assert world.probe("FP") == ["bad", "good"]


def test_a_pinned_node_is_tested_at_the_end_of_its_hold() -> None:
    world = good_world()
    world.probe("PPPPPP")
    world.hold("n1", 60.0)

    assert world.member().due_at == world.now + 60.0
    assert world.probe("FF") == ["bad?", "bad"]


def test_a_release_of_a_bad_node_means_that_it_is_tested_and_not_that_it_is_good() -> None:
    world = good_world()
    world.move("n1", "bad", 9 * HOUR)
    world.probe("PPP")
    world.release("n1")

    assert (world.member().pool, world.member().due_at) == ("bad", world.now)
    assert world.probe("F") == ["bad"]
    assert world.probe("P") == ["good"]


def test_a_release_after_the_end_is_refused() -> None:
    world = good_world()
    world.hold("n1", 60.0)
    world.wait(61.0)

    with pytest.raises(Refused, match="not held"):
        world.release("n1")


def test_a_suspect_that_a_person_puts_into_bad_is_there_for_good() -> None:
    world = good_world()
    world.probe("F")
    world.move("n1", "bad", HOUR)

    assert world.moves()[-1] == "transition good->bad ada"
    assert world.member().suspicion is None
    assert world.probe("P") == ["bad"]


def test_a_suspect_that_a_person_puts_back_is_good_and_its_retest_counts_for_nothing() -> None:
    world = good_world()
    world.probe("F")
    world.start()
    world.move("n1", "good", HOUR)
    world.end("fail")

    assert world.member().pool == "good"
    assert world.moves()[-1] == "transition bad->good ada"
    assert [event.kind for event in world.events[-1:]] == ["late"]
    assert world.probe("FFF") == ["good", "good", "good"]


def test_a_held_suspect_stays_where_it_is_whatever_its_retest_says() -> None:
    for letter in "PF":
        world = good_world()
        world.probe("F")
        world.hold("n1")

        assert world.probe(letter)[0].startswith("bad")
        world.wait(1.0)
        world.release("n1")
        assert world.probe("P") == ["good"]


def test_moving_a_node_to_where_it_is_for_a_time_only_pins_it() -> None:
    world = good_world()
    world.probe("PPP")
    before = world.member()
    world.move("n1", "good", HOUR)

    assert replace(world.member(), hold=None) == before
    assert world.events[-1].kind == "hold"
    assert world.probe("FFF") == ["good", "good", "good"]


def test_a_move_keeps_another_person_s_hold_and_so_the_node_stays_there() -> None:
    world = good_world()
    world.hold("n1")
    world.move("n1", "bad")

    assert world.probe("PP") == ["bad", "bad"]


def test_what_the_machine_moved_is_taken_back_by_one_order() -> None:
    world = good_world()
    world.probe("FF")
    world.move("n1", "good", 24 * HOUR)

    assert set(world.probe("F" * 20)) == {"good"}


def test_the_guard_moves_no_node_that_is_pinned_neither_to_bad_nor_back() -> None:
    names = [f"n{number}" for number in range(20)]
    world = good_world(*names)
    world.hold("n0")
    world.move("n1", "bad", 9 * HOUR)
    for _ in range(40):
        world.wait(300.0)
        world.start()
        world.end("fail")

    assert world.member("n0").pool == "good"
    assert world.member("n1").pool == "bad"
    assert world.moves("n0") == ["transition bad->good plabctl"]
    assert world.moves("n1")[1:] == ["transition good->bad ada"]
    assert world.member("n2").pool == "bad"  # not pinned: moved when the guard's longest time was over


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1.0, 60.0, 600.0, HOUR, 30 * HOUR])),
    st.tuples(st.just("start")),
    st.tuples(st.just("end"), st.sampled_from(["pass", "fail", "unknown"]), st.integers(0, 3)),
    st.tuples(st.just("end"), st.sampled_from(["pass", "fail"]), st.none()),
    st.tuples(
        st.just("move"), st.integers(0, 3), st.sampled_from(["good", "bad"]), st.sampled_from([None, 600.0, 5e4])
    ),
    st.tuples(st.just("hold"), st.integers(0, 3), st.sampled_from([None, 600.0, 5e4])),
    st.tuples(st.just("release"), st.integers(0, 3)),
    st.tuples(st.just("retest"), st.integers(0, 3)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60), st.integers(0, 2))
def test_any_history_of_probes_and_orders(steps: list[tuple[object, ...]], confirm: int) -> None:
    guard = GuardSettings(max_ratio=0.5, min_tested=2)
    world = VirtualWorld("n0", "n1", "n2", "n3", settings=make_settings(confirm=confirm, guard=guard))
    for what, *arguments in steps:
        before = {member.node: member for member in world.state.members()}
        told = len(world.events)
        node = f"n{arguments[0]}" if arguments and isinstance(arguments[0], int) else ""
        match what:
            case "end":
                world.end(str(arguments[0]), *([f"n{arguments[1]}"] if arguments[1] is not None else []))
            case "wait" | "start":
                getattr(world, str(what))(*arguments)
            case _:
                world.try_to(str(what), node, *arguments[1:])
        check(world)
        for name, old in before.items():
            now = world.member(name)
            if what != "move" and old.is_held(world.now):
                assert now.pool == old.pool, "no automatic move while pinned"
            if now.pool != old.pool:
                moves = [event for event in world.events[told:] if event.node == name and "to" in event.data]
                assert moves[-1].data["to"] == now.pool, "every move is told"
                assert moves[-1].actor == ("ada" if what == "move" else "plabctl")
            if what not in {"move", "hold", "release"}:
                assert now.hold == old.hold, "only people pin and release"


def check(world: VirtualWorld) -> None:
    flap = world.settings.flap
    assert sorted(member.node for member in world.state.members()) == ["n0", "n1", "n2", "n3"]
    for member in world.state.members():
        assert member.pool in {"good", "bad"}
        assert 0 <= compute_penalty(member, flap, world.now) <= flap.max_passes
        assert not (member.ok_streak and member.fail_streak)
        ends_at = member.hold.until_at if member.hold and member.is_held(world.now) else None
        assert ends_at is None or member.due_at <= ends_at
        if member.pool == "bad":
            way = find_path(member, world.settings, Outcome.PASS, world.now)
            held_for_ever = member.hold is not None and member.hold.until_at is None
            assert (way is None) == held_for_ever
            assert way is None or 1 <= way.tests <= flap.max_passes
