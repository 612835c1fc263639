import pytest

from plabctl.core import leftovers, node_orders
from plabctl.core.model import Hold, Leftover, Member
from plabctl.core.state import Changes
from plabctl.errors import NoSuchNode, NoSuchPool, Refused
from tests.builders import NOW, judged, make_claim, make_member, make_node, make_order, make_settings, make_state
from tests.memory_state import MemoryState

SETTINGS = make_settings()


def test_a_moved_node_is_due_at_once_with_a_clean_record() -> None:
    state = make_state(make_member(ok_streak=9, due_at=NOW + 99))

    changes = node_orders.move(state, SETTINGS, ["n1"], "bad", make_order(), None)

    member = changes.members[0]
    assert (member.pool, member.since_at, member.due_at, member.ok_streak) == ("bad", NOW, NOW, 0)
    assert changes.events[0].data == {
        "from": "good", "to": "bad", "since_at": NOW, "cause": "operator", "reason": "disk swapped",
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
    "hold": lambda state, order: node_orders.hold(state, ["n1", "n2"], order, None),
    "release": lambda state, order: node_orders.release(state, ["n1", "n2"], order),
    "retest": lambda state, order: node_orders.retest(state, ["n1", "n2"], order),
    "remove": lambda state, order: node_orders.remove_nodes(state, ["n1", "n2"], order),
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

    added = node_orders.add_nodes(state, SETTINGS, [make_node("n1", site="oslo"), make_node("n2")], make_order())
    state.apply(added)
    removed = node_orders.remove_nodes(state, ["n1"], make_order())

    data = {"reason": "disk swapped", "source": "operator"}
    assert [(event.kind, event.node, dict(event.data)) for event in added.events] == [
        ("node-added", "n1", {**data, "variables": {"site": "oslo"}}),
        ("node-added", "n2", data),
    ]
    assert [(event.kind, event.node, event.data["pool"]) for event in removed.events] == [("node-removed", "n1", "bad")]


def test_releasing_what_is_not_held_is_refused() -> None:
    with pytest.raises(Refused, match="not held"):
        node_orders.release(make_state(make_member()), ["n1"], make_order())


def test_a_new_node_enters_the_entry_pool_due_at_once() -> None:
    changes = node_orders.add_nodes(make_state(), SETTINGS, [make_node("n1", site="oslo")], make_order())

    assert (changes.members[0].pool, changes.members[0].due_at) == ("bad", NOW)
    assert changes.nodes[0].added_at == NOW


def test_adding_a_node_that_is_there_is_refused_whole() -> None:
    state = make_state(make_member("n1"))
    with pytest.raises(Refused, match="'n1' is known already"):
        node_orders.add_nodes(state, SETTINGS, [make_node("n2"), make_node("n1")], make_order())


def test_replacing_changes_variables_and_nothing_else() -> None:
    state = make_state(make_member("n1"))

    changes = node_orders.add_nodes(state, SETTINGS, [make_node("n1", site="oslo")], make_order(), replacing=True)

    assert not changes.members
    assert dict(changes.nodes[0].variables) == {"site": "oslo"}
    assert [event.kind for event in changes.events] == ["node-changed"]


def test_removing_a_node_ends_its_claim() -> None:
    state = make_state(make_member(), claims=[make_claim()])

    state.apply(node_orders.remove_nodes(state, ["n1"], make_order()))

    assert not list(state.names())
    assert not state.claims


def removed_and_added_again(state: MemoryState, *, later_s: float = 3600.0) -> Member:
    state.apply(node_orders.remove_nodes(state, ["n1"], make_order()))
    back = make_order(now=NOW + later_s)
    state.apply(node_orders.add_nodes(state, SETTINGS, [make_node("n1")], back))
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
    state.apply(node_orders.remove_nodes(state, ["n1", "n2"], make_order()))

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
    state.apply(node_orders.remove_nodes(state, [member.node for member in many], make_order()))

    found, note = leftovers.claim_leftovers(state, [member.node for member in many], NOW)

    assert len(found) == leftovers.MAX_NODES
    assert note == {leftovers.LEFTOVERS_NOTE.topic: None}
