import random

import pytest

from plabctl.core import node_orders
from plabctl.core.absences import mark_absent, mark_back, rename_nodes
from plabctl.core.claim import list_candidates
from plabctl.core.due_rows import PLACEMENT
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Hold, Leftover, Node
from plabctl.core.state import Changes
from plabctl.core.usable import is_usable
from plabctl.errors import Refused
from tests.builders import NOW, make_claim, make_member, make_node, make_settings
from tests.memory_state import MemoryState

ORDER = node_orders.Order("lab", "", NOW, random.Random(1))


def make_state() -> MemoryState:
    names = ("n1", "n2")
    return MemoryState(Changes(nodes=tuple(map(make_node, names)), members=tuple(map(make_member, names))))


def add_vnode(state: MemoryState, vnode_state: VnodeState = VnodeState.UP) -> None:
    experiment = Experiment("web", "process", "ada", NOW, nodes=("n1", "n2"))
    vnode = Vnode("web", "n1", vnode_state, NOW, NOW, vnode="plabctl-1", is_set_up=True)
    state.apply(Changes(experiments=(experiment,), vnodes=(vnode,)))


def test_an_absent_node_is_not_tested_and_back_it_is_as_it_was() -> None:
    state = make_state()
    before = state.member("n1")

    state.apply(mark_absent(state, ["n1"], ORDER, 3600.0))

    assert [row.node for row in list_candidates(state, make_settings(), NOW)] == ["n2"]
    placement = state.select_one(PLACEMENT, "n1")
    assert placement is not None
    assert not is_usable(placement, NOW, {"good"})
    assert (state.outbox[0].kind, state.outbox[0].data) == ("node-absent", {"source": "lab", "until_at": NOW + 3600.0})
    state.apply(mark_back(state, ["n1", "n2"], ORDER))
    assert state.member("n1") == before
    assert [event.kind for event in state.outbox] == ["node-absent", "node-back"]


def test_a_test_that_runs_when_its_node_is_absent_decides_nothing() -> None:
    state = make_state()
    state.apply(Changes(claims=(make_claim("n1"),)))

    state.apply(mark_absent(state, ["n1"], ORDER, 3600.0))

    assert state.claims["n1"].superseded


def test_a_retest_of_an_absent_node_is_refused() -> None:
    state = make_state()
    state.apply(mark_absent(state, ["n1"], ORDER, 3600.0))

    with pytest.raises(Refused, match="'n1' is absent: no longer listed by an inventory, so not tested"):
        node_orders.retest(state, ["n1", "n2"], ORDER)


def test_a_vnode_on_an_absent_node_is_left_alone_unless_it_is_leaving() -> None:
    state = make_state()
    add_vnode(state)
    state.apply(mark_absent(state, ["n1"], ORDER, 3600.0))
    assert [row.key for row in list_candidates(state, make_settings(), NOW)] == ["n2"]

    add_vnode(state, VnodeState.LEAVING)
    assert {row.key for row in list_candidates(state, make_settings(), NOW)} == {"web/n1", "n2"}


def test_a_renamed_node_goes_on_with_all_that_is_known_of_it() -> None:
    state = make_state()
    add_vnode(state)
    hold = Hold("ada", "mine", NOW)
    state.apply(Changes(members=(make_member("n1", ok_streak=9, hold=hold),), claims=(make_claim("n1"),)))

    state.apply(rename_nodes(state, {"n1": Node("n1.lab.org", {"site": "oslo"}, "lab", NOW - 9)}, ORDER))

    assert set(state.names()) == {"n2", "n1.lab.org"}
    member = state.member("n1.lab.org")
    assert member is not None
    assert (member.ok_streak, member.hold) == (9, hold)
    claim = make_claim("n1")
    assert member.leftovers == (Leftover(claim.vnode, claim.recipe, claim.started_at),)
    assert dict(state.claims) == {}
    assert [vnode.key for vnode in state.vnodes()] == ["web/n1.lab.org"]
    assert state.experiments["web"].nodes == ("n1.lab.org", "n2")
    assert (state.outbox[-1].kind, state.outbox[-1].data["from"]) == ("node-renamed", "n1")
