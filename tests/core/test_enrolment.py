"""Variables of nodes that are there: what changing them means. Adding and removing is in `test_node_orders`."""

import pytest

from plabctl.core import absences, enrolment
from plabctl.core.model import Hold, Node
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.errors import NoSuchNode, Refused
from tests.builders import NOW, make_claim, make_member, make_node, make_order, make_settings
from tests.memory_state import MemoryState

SETTINGS = make_settings()
WAITING = make_member("n1", "bad", due_at=NOW + 3000.0, interval_s=3600.0, fail_streak=9)


def make_listed(source: str = "operator", **variables: str) -> MemoryState:
    node = Node("n1", variables, source)
    return MemoryState(Changes(nodes=(node,), members=(WAITING,), claims=(make_claim("n1"),)))


@pytest.mark.parametrize("key", ["ssh_host", "ssh_port", "ssh_user", "ssh_key", "ssh_jump"])
def test_what_is_reached_in_another_way_is_due_at_once_and_a_running_test_does_not_count(key: str) -> None:
    state = make_listed(rack="1")
    by_person = enrolment.set_variables(state, ["n1"], {key: "1"}, (), make_order())
    listed = Node("n1", {"rack": "1", key: "1"}, "hosts.ini")
    by_inventory = enrolment.add_nodes(state, SETTINGS, [listed], make_order(), replacing=True)

    for changes in (by_person, by_inventory):
        (member,) = changes.members
        assert (member.due_at, member.interval_s, member.fail_streak) == (NOW, 0.0, 9)
        assert [claim.superseded for claim in changes.claims] == [True]
        assert dict(changes.nodes[0].variables) == {"rack": "1", key: "1"}


def test_a_label_makes_nothing_due() -> None:
    changes = enrolment.set_variables(make_listed(ssh_port="22"), ["n1"], {"rack": "7"}, (), make_order())

    assert (changes.members, changes.claims) == ((), ())
    assert dict(changes.nodes[0].variables) == {"ssh_port": "22", "rack": "7"}
    assert [event.kind for event in changes.events] == ["node-changed"]


def test_variables_that_are_not_named_stay() -> None:
    state = make_listed(ssh_host="10.0.0.7", ssh_port="2222", site="north")

    (node,) = enrolment.set_variables(state, ["n1"], {"site": "south"}, ["ssh_port", "rack"], make_order()).nodes

    assert dict(node.variables) == {"ssh_host": "10.0.0.7", "site": "south"}


def test_setting_what_is_so_is_refused_as_are_unknown_nodes_and_those_of_an_inventory() -> None:
    state = make_listed(site="north")
    with pytest.raises(Refused, match="'n1' has those variables already"):
        enrolment.set_variables(state, ["n1"], {"site": "north"}, (), make_order())
    with pytest.raises(Refused, match="'n1' has no such variable"):
        enrolment.set_variables(state, ["n1"], {}, ["rack"], make_order())
    with pytest.raises(NoSuchNode):
        enrolment.set_variables(state, ["n1", "n2"], {"site": "south"}, (), make_order())
    with pytest.raises(Refused, match=r"'n1' is listed by the inventory hosts\.ini"):
        enrolment.set_variables(make_listed("hosts.ini"), ["n1"], {"site": "south"}, (), make_order())


def test_a_due_node_keeps_its_place_and_a_guarded_one_stays_guarded() -> None:
    guarded = make_member(due_at=NOW + 60, interval_s=300.0, suspicion=Suspicion("good", NOW - 900, 3, NOW - 60))

    assert enrolment.make_due(make_member(due_at=NOW - 60), NOW).due_at == NOW - 60
    assert enrolment.make_due(guarded, NOW).is_guarded


def test_a_rename_to_another_address_makes_due_and_one_to_the_same_does_not() -> None:
    state = make_listed(ssh_host="10.0.0.1")
    for host, due_at in (("10.0.0.1", WAITING.due_at), ("10.0.0.9", NOW)):
        (member,) = absences.rename_nodes(state, {"n1": make_node("rack7", ssh_host=host)}, make_order()).members
        assert (member.node, member.due_at) == ("rack7", due_at)


def test_a_hold_and_the_pool_are_not_changed_with_the_address() -> None:
    held = make_member("n1", hold=Hold("ada", "x", NOW))
    state = MemoryState(Changes(nodes=(make_node("n1"),), members=(held,)))

    (member,) = enrolment.set_variables(state, ["n1"], {"ssh_port": "23"}, (), make_order()).members

    assert (member.pool, member.hold) == ("good", held.hold)


def test_parts_are_what_the_whole_is_and_events_are_alike() -> None:
    names = [f"n{number}" for number in range(10_001)]
    nodes = [make_node(name, **({"site": "oslo"} if name == "n7" else {})) for name in names]
    whole, state = MemoryState(), MemoryState()
    whole.apply(enrolment.add_nodes(whole, SETTINGS, nodes, make_order()))
    parts = []
    for part in enrolment.add_nodes_in_parts(state, SETTINGS, nodes, make_order()):
        parts.append(len(part.nodes))
        state.apply(part)

    assert max(parts) < 10_001
    assert sum(parts) == 10_001
    assert list(state.nodes()) == list(whole.nodes())
    assert list(state.members()) == list(whole.members())
    assert [(event.kind, event.node, event.data) for event in state.outbox] == [
        (event.kind, event.node, event.data) for event in whole.outbox
    ]
    assert len({event.id for event in state.outbox}) == 10_001


def test_no_part_is_made_where_a_node_is_there_already() -> None:
    parts = enrolment.add_nodes_in_parts(make_listed(), SETTINGS, [make_node("n2"), make_node("n1")], make_order())

    with pytest.raises(Refused, match="'n1' is known already"):
        next(parts)
