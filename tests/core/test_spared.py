from typing import Any

import pytest

from plabctl.core import node_orders
from plabctl.core.claim import list_candidates
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.settings import Settings
from plabctl.core.spared import refuse_busy
from plabctl.core.state import Changes
from plabctl.errors import Refused
from plabctl.values import replace
from tests.builders import NOW, make_busy, make_member, make_occupancy, make_order, make_settings, make_state
from tests.memory_state import MemoryState

SETTINGS = make_settings(occupancies=(make_occupancy(),))


def make_busy_state(*busy: str) -> MemoryState:
    state = make_state(make_member("a"), make_member("b"), make_member("PC3", "bad"))
    state.apply(Changes(notes=make_busy(*busy)))
    return state


def list_keys(state: MemoryState, settings: Settings = SETTINGS, only: set[str] | None = None) -> list[str]:
    return sorted(row.key for row in list_candidates(state, settings, NOW, only=only))


def test_busy_nodes_of_all_pools_are_no_candidates() -> None:
    assert list_keys(make_busy_state("a", "pc3", "stranger")) == ["b"]
    assert list_keys(make_busy_state()) == ["PC3", "a", "b"]


def test_without_a_source_nobody_is_spared() -> None:
    assert list_keys(make_busy_state("a"), make_settings()) == ["PC3", "a", "b"]


def test_a_pool_may_test_its_busy_nodes() -> None:
    pools = {**SETTINGS.pools, "good": replace(SETTINGS.pools["good"], busy="test")}

    assert list_keys(make_busy_state("a", "pc3"), replace(SETTINGS, pools=pools)) == ["a", "b"]


def test_a_busy_node_is_spared_also_where_others_are_asked_for_with_it() -> None:
    assert list_keys(make_busy_state("a"), only={"a", "b"}) == ["b"]


def test_a_request_tests_a_busy_node_only_if_whoever_asks_knows_of_that() -> None:
    state = make_busy_state("a", "b")

    state.apply(node_orders.retest(state, ["a"], make_order()))
    state.apply(node_orders.retest(state, ["b"], replace(make_order(), takes_busy=True)))

    assert list_keys(state) == ["PC3", "b"]
    assert list_keys(state, only={"a", "b"}) == ["b"]


def test_a_refusal_names_the_busy_nodes_and_who_uses_one() -> None:
    state = make_busy_state("a", "pc3")

    refuse_busy(state, SETTINGS, ["b"], NOW)
    with pytest.raises(Refused, match=r"^'a' is busy by ada, for 10m$") as refused:
        refuse_busy(state, SETTINGS, ["a"], NOW)
    assert "plabctl retest --busy" in str(refused.value.hint)  # as `tick NODE`, which may be refused too, has no --busy
    with pytest.raises(Refused, match=r"^1 of 2 nodes is busy: a$"):
        refuse_busy(state, SETTINGS, ["a", "b"], NOW)
    with pytest.raises(Refused, match=r"^2 of 3 nodes are busy: PC3,a$"):
        refuse_busy(state, SETTINGS, ["a", "b", "PC3"], NOW)


def add_vnode(there: MemoryState, experiment: Experiment, **fields: Any) -> str:
    vnode = replace(Vnode(experiment.name, "a", VnodeState.PENDING, NOW, NOW), **fields)
    there.apply(Changes(experiments=(experiment,), vnodes=(vnode,)))
    return vnode.key


def test_a_vnode_is_not_set_up_on_a_busy_node_that_nobody_named() -> None:
    state = make_busy_state("a")
    some = add_vnode(state, Experiment("some", "process", "ada", NOW, count=1))
    everywhere = add_vnode(state, Experiment("everywhere", "process", "ada", NOW, is_everywhere=True))
    named = add_vnode(state, Experiment("named", "process", "ada", NOW, nodes=("a",)))

    assert named in list_keys(state)
    assert not {some, everywhere} & set(list_keys(state))


def test_what_is_on_a_node_already_is_looked_after_and_torn_down_while_it_is_busy() -> None:
    state = make_busy_state("a")
    up = add_vnode(state, Experiment("one", "process", "ada", NOW, count=1), is_set_up=True, up_at=NOW)
    again = add_vnode(state, Experiment("two", "process", "ada", NOW, count=1), up_at=NOW)
    leaving = add_vnode(state, Experiment("three", "process", "ada", NOW, count=1), state=VnodeState.LEAVING)

    assert {up, again, leaving} <= set(list_keys(state))
