import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import enrolment, leftovers, node_orders
from plabctl.core.model import Hold, Leftover, Member
from plabctl.core.settings import GuardSettings
from plabctl.core.state import Changes
from plabctl.errors import NoSuchNode, NoSuchPool, Refused
from tests.builders import NOW, judged, make_claim, make_member, make_node, make_order, make_settings, make_state
from tests.core.virtual_world import VirtualWorld
from tests.memory_state import MemoryState

SETTINGS = make_settings()


def test_a_moved_node_is_due_at_once_with_a_clean_record() -> None:
    state = make_state(make_member(ok_streak=9, due_at=NOW + 99))

    changes = node_orders.move(state, SETTINGS, ["n1"], "bad", make_order(), None)

    member = changes.members[0]
    assert (member.pool, member.since_at, member.due_at, member.ok_streak) == ("bad", NOW, NOW, 0)
    assert changes.events[0].data == {
        "from": "good", "to": "bad", "since_at": NOW, "cause": "operator", "reason": "disk swapped",
        "kept_by": "move",
    }  # fmt: skip
    assert changes.events[0].actor == "ada"


def test_a_move_answers_a_request_and_forgets_failures() -> None:
    state = make_state(make_member(fail_streak=3, requested_at=NOW - 5))

    member = node_orders.move(state, SETTINGS, ["n1"], "bad", make_order(), None).members[0]

    assert (member.fail_streak, member.requested_at) == (0, None)


def test_a_move_overrules_the_probe_under_way() -> None:
    state = make_state(make_member(), claims=[make_claim()])

    changes = node_orders.move(state, SETTINGS, ["n1"], "bad", make_order(), None)

    assert [claim.superseded for claim in changes.claims] == [True]


def test_a_move_for_a_time_is_not_undone_by_the_machine_before_its_end() -> None:
    state = make_state(make_member(pool="bad"))

    moved = node_orders.move(state, SETTINGS, ["n1"], "good", make_order(), NOW + 3600).members[0]

    assert judged(moved, "fail", at=NOW + 3599).member.pool == "good"
    assert judged(moved, "fail", at=NOW + 3600).member.pool == "bad"


def ordered(to: str, until_at: float | None = None, *, once: bool = False, **fields: Any) -> Hold | None:
    """The pin of a node, with these fields, that is moved."""
    state = make_state(make_member(**fields))
    return node_orders.move(state, SETTINGS, ["n1"], to, make_order(), until_at, is_once=once).members[0].hold


def test_a_move_out_of_good_lasts_until_its_end_or_a_release() -> None:
    pin = Hold("ada", "disk swapped", NOW, None, is_move=True)

    assert ordered("bad") == pin
    assert ordered("bad", pool="bad") == pin, "also of a node that tests moved there"
    assert ordered("bad", NOW + 60) == replace(pin, until_at=NOW + 60)
    assert ordered("bad", once=True) is None


def test_a_move_into_good_is_an_assertion_that_tests_may_refute_unless_it_is_for_a_time() -> None:
    assert ordered("good", pool="bad") is None
    assert ordered("good", NOW + 60, pool="bad") == Hold("ada", "disk swapped", NOW, NOW + 60, is_move=True)


def test_the_newest_move_replaces_the_one_before() -> None:
    moved = Hold("bob", "fan", NOW - 9, None, is_move=True)

    assert ordered("good", pool="bad", hold=moved) is None
    assert ordered("bad", NOW + 60, pool="bad", hold=moved) == Hold("ada", "disk swapped", NOW, NOW + 60, is_move=True)
    extended = ordered("bad", pool="bad", hold=replace(moved, until_at=NOW + 5))
    assert extended == Hold("ada", "disk swapped", NOW, None, is_move=True)
    with pytest.raises(Refused, match="in 'bad' already"):
        ordered("bad", pool="bad", hold=moved)


def test_of_a_hold_and_a_move_out_of_good_the_longer_one_stays() -> None:
    held, moved = Hold("bob", "fan", NOW - 9, NOW + 60), Hold("bob", "fan", NOW - 9, NOW + 60, is_move=True)

    assert ordered("bad", NOW + 59, hold=held) == held
    assert ordered("bad", hold=replace(held, until_at=None)) == replace(held, until_at=None)
    assert ordered("bad", hold=held) == Hold("ada", "disk swapped", NOW, None, is_move=True)
    assert ordered("bad", once=True, hold=held) == held
    assert ordered("bad", hold=replace(held, until_at=NOW), once=True) is None, "that hold is over"
    state = make_state(make_member(pool="bad", hold=moved), make_member("n2", pool="bad"))
    changes = node_orders.hold(state, SETTINGS, ["n1", "n2"], make_order(), NOW + 59)
    assert [member.node for member in changes.members] == ["n2"]
    with pytest.raises(Refused, match="moved for longer than that already"):
        node_orders.hold(state, SETTINGS, ["n1"], make_order(), NOW + 59)
    assert node_orders.hold(state, SETTINGS, ["n1"], make_order(), NOW + 61).members[0].hold == Hold(
        "ada", "disk swapped", NOW, NOW + 61
    )


def test_a_hold_ends_the_assertion_that_a_node_is_good() -> None:
    state = make_state(make_member(hold=Hold("bob", "checked", NOW - 9, NOW + 99, is_move=True)))

    assert node_orders.hold(state, SETTINGS, ["n1"], make_order(), NOW + 5).members[0].hold == Hold(
        "ada", "disk swapped", NOW, NOW + 5
    )


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "until_due", "start", "end", "retest", "hold", "blink", "rename", "crowd"]),
        st.sampled_from(["pass", "fail", "unknown"]),
        st.sampled_from([1.0, 60.0, 600.0, 7200.0]),
    ),
    max_size=40,
)


@given(HAPPENINGS, HAPPENINGS, st.sampled_from([None, 600.0, 86400.0]))
def test_whatever_happens_a_node_moved_to_bad_stays_until_the_end_or_a_release(
    before: list[tuple[str, str, float]], after: list[tuple[str, str, float]], for_s: float | None
) -> None:
    settings = make_settings(guard=GuardSettings(min_tested=2, max_ratio=0.3))
    world = VirtualWorld("n1", "n2", "n3", settings=settings)
    world.probe("P", "n1")
    name = "n1"
    for happening in before:
        name = happen(world, name, *happening)
    world.try_to("move", name, "good")
    if world.member(name).is_held(world.now):
        world.release(name)
    world.move(name, "bad", for_s)
    ends_at = math.inf if for_s is None else world.now + for_s

    for happening in after:
        name = happen(world, name, *happening)
        assert world.now >= ends_at or world.member(name).pool == world.member(name).home_pool == "bad"
    if world.member(name).absent_since_at is not None:
        world.blink(name)
    if world.member(name).is_held(world.now):
        world.release(name)
    world.end("pass")
    world.now = max(world.now, ends_at if for_s else 0.0)
    world.probe("P" * 30, name)
    assert world.member(name).pool == "good", "and then tests decide again"


def happen(world: VirtualWorld, name: str, what: str, outcome: str, seconds: float) -> str:
    """Let one thing happen to the node, or to others; return the name that the node has then."""
    match what:
        case "wait":
            world.wait(seconds)
        case "until_due":
            world.until_due(name)
        case "start":
            world.start()
        case "end":
            world.end(outcome, name)
        case "crowd":
            world.start()
            world.end(outcome)
        case "hold":
            world.try_to("hold", name, seconds)
        case "retest":
            world.try_to("retest", name)
        case "blink":
            world.blink(name)
        case "rename":
            other = f"{name}x"
            world.rename(name, other)
            return other
    return name


def test_moving_nodes_to_where_they_are_is_refused() -> None:
    with pytest.raises(Refused, match="in 'good' already"):
        node_orders.move(make_state(make_member()), SETTINGS, ["n1"], "good", make_order(), None)


def test_an_unknown_pool_and_an_unknown_node_are_refused() -> None:
    state = make_state(make_member())
    with pytest.raises(NoSuchPool):
        node_orders.move(state, SETTINGS, ["n1"], "ugly", make_order(), None)
    with pytest.raises(NoSuchNode):
        node_orders.move(state, SETTINGS, ["n1", "n2"], "bad", make_order(), None)


ORDERS = {
    "move": lambda state, order: node_orders.move(state, SETTINGS, ["n1", "n2"], "bad", order, None),
    "hold": lambda state, order: node_orders.hold(state, SETTINGS, ["n1", "n2"], order, None),
    "release": lambda state, order: node_orders.release(state, ["n1", "n2"], order),
    "retest": lambda state, order: node_orders.retest(state, ["n1", "n2"], order),
    "remove": lambda state, order: enrolment.remove_nodes(state, ["n1", "n2"], order),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_on_a_rev_is_refused_if_a_node_has_changed_since_and_only_then(name: str) -> None:
    pin = Hold("bob", "being debugged", NOW, None)
    state = make_state(*(make_member(node, hold=pin) for node in ("n1", "n2", "n3")))
    seen = state.rev
    state.apply(Changes(members=(make_member("n3", ok_streak=1),)))

    assert ORDERS[name](state, make_order(if_rev=seen)).events, "another node has changed, and none of these"
    state.apply(Changes(members=(make_member("n2", ok_streak=1, hold=pin),)))

    with pytest.raises(Refused, match=rf"^'n2' has changed since rev {seen}, at rev {seen + 2}$"):
        ORDERS[name](state, make_order(if_rev=seen))
    assert ORDERS[name](state, make_order(if_rev=seen + 2)).events
    with pytest.raises(Refused, match=rf"^the state is at rev {seen + 2}, and not at {seen + 3} yet$"):
        ORDERS[name](state, make_order(if_rev=seen + 3))


def test_of_several_nodes_that_changed_the_last_one_is_named() -> None:
    state = make_state(*(make_member(node) for node in ("n1", "n2", "n3")))
    seen = state.rev
    for name in ("n1", "n3", "n2"):
        state.apply(Changes(members=(make_member(name, ok_streak=1),)))

    with pytest.raises(
        Refused, match=rf"^'n2' has changed since rev {seen}, at rev {seen + 3}, and 1 more of 2 nodes$"
    ):
        node_orders.retest(state, ["n1", "n2"], make_order(if_rev=seen))


def test_a_retest_is_due_now() -> None:
    changes = node_orders.retest(make_state(make_member(due_at=NOW + 999)), ["n1"], make_order())

    assert (changes.members[0].due_at, changes.members[0].requested_at) == (NOW, NOW)
    assert [event.kind for event in changes.events] == ["retest"]


def test_a_release_means_a_test_and_no_verdict() -> None:
    pin = Hold("ada", "in use", NOW)
    state = make_state(make_member(pool="bad", hold=pin, due_at=NOW + 999), make_member("n2"))

    changes = node_orders.release(state, ["n1", "n2"], make_order())

    assert [(m.node, m.pool, m.hold, m.due_at) for m in changes.members] == [("n1", "bad", None, NOW)]


def test_what_is_released_waits_for_nothing() -> None:
    state = make_state(make_member(hold=Hold("ada", "in use", NOW), interval_s=600.0))

    assert node_orders.release(state, ["n1"], make_order()).members[0].interval_s == 0.0


def test_who_came_from_where_with_which_labels_and_who_went_is_told() -> None:
    state = make_state()

    added = enrolment.add_nodes(state, SETTINGS, [make_node("n1", site="oslo"), make_node("n2")], make_order())
    state.apply(added)
    removed = enrolment.remove_nodes(state, ["n1"], make_order())

    data = {"reason": "disk swapped", "source": "operator", "pool": "bad"}
    assert [(event.kind, event.node, dict(event.data)) for event in added.events] == [
        ("node-added", "n1", {**data, "variables": {"site": "oslo"}}),
        ("node-added", "n2", data),
    ]
    assert [(event.kind, event.node, event.data["pool"]) for event in removed.events] == [("node-removed", "n1", "bad")]


def test_releasing_what_is_not_held_is_refused() -> None:
    with pytest.raises(Refused, match="not held"):
        node_orders.release(make_state(make_member()), ["n1"], make_order())


def test_a_new_node_enters_the_entry_pool_due_at_once() -> None:
    changes = enrolment.add_nodes(make_state(), SETTINGS, [make_node("n1", site="oslo")], make_order())

    assert (changes.members[0].pool, changes.members[0].due_at) == ("bad", NOW)
    assert changes.nodes[0].added_at == NOW


def test_adding_a_node_that_is_there_is_refused_whole() -> None:
    state = make_state(make_member("n1"))
    with pytest.raises(Refused, match="'n1' is known already"):
        enrolment.add_nodes(state, SETTINGS, [make_node("n2"), make_node("n1")], make_order())


def test_replacing_changes_variables_and_nothing_else() -> None:
    state = make_state(make_member("n1"))

    changes = enrolment.add_nodes(state, SETTINGS, [make_node("n1", site="oslo")], make_order(), replacing=True)

    assert not changes.members
    assert dict(changes.nodes[0].variables) == {"site": "oslo"}
    assert [event.kind for event in changes.events] == ["node-changed"]


def test_removing_a_node_ends_its_claim() -> None:
    state = make_state(make_member(), claims=[make_claim()])

    state.apply(enrolment.remove_nodes(state, ["n1"], make_order()))

    assert not list(state.names())
    assert not state.claims


def removed_and_added_again(state: MemoryState, *, later_s: float = 3600.0) -> Member:
    state.apply(enrolment.remove_nodes(state, ["n1"], make_order()))
    back = make_order(now=NOW + later_s)
    state.apply(enrolment.add_nodes(state, SETTINGS, [make_node("n1")], back))
    member = state.member("n1")
    assert member is not None
    return member


def test_what_is_left_on_a_removed_node_is_torn_down_when_it_comes_back() -> None:
    piece = Leftover("plabctl-old", "process", NOW - 60)
    state = make_state(make_member(leftovers=(piece,)), claims=[make_claim()])

    member = removed_and_added_again(state)

    assert member.leftovers == (piece, Leftover("plabctl-n1", "process", NOW))
    assert not state.notes


def test_what_is_left_on_one_of_many_removed_nodes_is_remembered() -> None:
    piece = Leftover("plabctl-old", "process", NOW)
    state = make_state(make_member("n1", leftovers=(piece,)), make_member("n2"))
    state.apply(enrolment.remove_nodes(state, ["n1", "n2"], make_order()))

    assert leftovers.claim_leftovers(state, ["n1", "n2"], NOW)[0] == {"n1": (piece,)}


def test_what_was_left_is_remembered_for_a_week_to_the_last_moment() -> None:
    piece = Leftover("plabctl-old", "process", NOW)
    state = make_state(make_member(leftovers=(piece,)))

    assert removed_and_added_again(state, later_s=7 * 86400.0).leftovers == (piece,)


def test_what_was_left_a_week_ago_is_forgotten() -> None:
    state = make_state(make_member(leftovers=(Leftover("plabctl-old", "process", NOW),)))

    assert removed_and_added_again(state, later_s=8 * 86400.0).leftovers == ()


def test_removing_many_nodes_remembers_no_more_than_it_should() -> None:
    many = [make_member(f"n{n}", leftovers=(Leftover("v", "process", NOW),)) for n in range(leftovers.MAX_NODES + 5)]
    state = make_state(*many)
    state.apply(enrolment.remove_nodes(state, [member.node for member in many], make_order()))

    found, note = leftovers.claim_leftovers(state, [member.node for member in many], NOW)

    assert len(found) == leftovers.MAX_NODES
    assert note == {leftovers.LEFTOVERS_NOTE.topic: None}
