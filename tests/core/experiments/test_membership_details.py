"""Members one by one: how one leaves and comes back, when one is woken or given up, and what makes all ready."""

from dataclasses import replace
from typing import Any

import pytest

from plabctl.core.experiments import membership
from plabctl.core.experiments.model import Vnode, VnodeState
from plabctl.core.settings import ExperimentSettings
from plabctl.core.state import Changes
from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted

GRACE_S = ExperimentSettings().grace_s
GIVE_UP_S = ExperimentSettings().give_up_s


def bed_with(*names: str, **fields: Any) -> VirtualTestbed:
    """Nodes with an experiment on all of them that is up, unless said otherwise."""
    bed = VirtualTestbed(*names)
    bed.swap_in(wanted(**(fields or {"is_everywhere": True})))
    bed.work()
    return bed


def changed(bed: VirtualTestbed, node: str = "n1", **fields: Any) -> Vnode:
    """Change a member behind everybody's back."""
    vnode = replace(bed.vnode(node), **fields)
    bed.apply(Changes(vnodes=(vnode,)))
    return vnode


def looked_at(bed: VirtualTestbed, node: str = "n1") -> Vnode:
    bed.reconcile()
    return bed.vnode(node)


def test_what_leaves_is_to_be_torn_down_at_once_and_starts_anew_in_everything_but_its_name() -> None:
    bed = bed_with("n1")
    before = changed(bed, fail_streak=3, interval_s=600.0)

    left = membership.mark_leaving(before, bed.now + 5)

    assert left == replace(
        before,
        state=VnodeState.LEAVING,
        since_at=bed.now + 5,
        due_at=bed.now + 5,
        interval_s=0.0,
        is_set_up=False,
        fail_streak=0,
    )
    assert membership.mark_leaving(left, bed.now + 9) == left


def lost_and_found() -> VirtualTestbed:
    """A testbed whose only node was lost, so that its member leaves, and is good again."""
    bed = bed_with("n1")
    bed.put("n1", "bad")
    bed.wait(GRACE_S)
    bed.reconcile()
    changed(bed, due_at=bed.now + 900.0, interval_s=900.0)
    bed.wait(10.0)
    return bed


def test_what_was_leaving_and_is_wanted_again_is_pending_from_now_on_and_due_at_once() -> None:
    bed = lost_and_found()
    before = bed.vnode("n1")
    bed.put("n1", "good")

    assert looked_at(bed) == replace(before, state=VnodeState.PENDING, since_at=bed.now, due_at=bed.now, interval_s=0.0)


def test_what_is_being_torn_down_does_not_come_back_before_that_is_over() -> None:
    bed = lost_and_found()
    changed(bed, due_at=bed.now)
    (claim,) = bed.start()
    bed.put("n1", "good")

    assert looked_at(bed).state is VnodeState.LEAVING
    bed.settle(bed.carry_out(claim))
    assert bed.states() == {"n1": "pending"}


def test_a_node_that_is_removed_twice_is_cleaned_where_it_was_the_first_time() -> None:
    bed = VirtualTestbed("n1", ssh_host="10.0.0.1")
    bed.swap_in(wanted(is_everywhere=True))
    bed.work()
    bed.remove("n1")
    bed.add("n1", ssh_host="10.0.0.2")
    gone_at = bed.vnode("n1").gone_at
    bed.wait(60.0)
    bed.remove("n1")

    assert bed.vnode("n1").address == {"ssh_host": "10.0.0.1"}
    assert bed.vnode("n1").gone_at == gone_at


def test_what_is_on_a_removed_node_is_given_up_after_its_time_and_never_while_somebody_is_at_it() -> None:
    bed = bed_with("n1")
    bed.dead = {"n1"}
    bed.remove("n1")
    bed.work()

    bed.wait(GIVE_UP_S)
    assert looked_at(bed).state is VnodeState.LEAVING
    (claim,) = bed.start()
    bed.wait(1.0)
    assert looked_at(bed).state is VnodeState.LEAVING

    bed.settle(bed.carry_out(claim))
    assert bed.states() == {}


def test_a_tick_is_woken_when_the_first_grace_ends() -> None:
    bed = bed_with("n1", "n2")
    bed.put("n1", "bad")
    first_at = bed.now + GRACE_S
    bed.now += 1 / 7
    bed.put("n2", "bad")
    bed.reconcile()

    assert bed.state.notes[membership.GRACE_NOTE.topic] == {"due_at": first_at}
    bed.put("n1", "good")
    bed.reconcile()
    assert bed.state.notes[membership.GRACE_NOTE.topic] == {"due_at": round(bed.now + GRACE_S, 3)}


def test_a_place_that_a_lost_member_leaves_is_free_for_another_there() -> None:
    bed = VirtualTestbed()
    bed.add("a1", "a2", site="a")
    bed.add("b1", "b2", site="b")
    bed.swap_in(wanted(count=2, spread="site"))
    bed.work()
    (lost,) = (name for name in bed.states() if name.startswith("a"))
    bed.put(lost, "bad")
    bed.wait(GRACE_S)

    bed.reconcile()

    assert {name for name, state in bed.states().items() if state == "pending"} == {"a1", "a2"} - {lost}


FAILED = {"state": VnodeState.FAILED, "interval_s": 600.0}


def returned(**fields: Any) -> VirtualTestbed:
    """A testbed whose node came to good a second ago, with such a member on it."""
    bed = bed_with("n1")
    bed.wait(60.0)
    bed.put("n1", "bad")
    bed.put("n1", "good")
    bed.wait(1.0)
    changed(bed, **{"due_at": bed.now + 600.0, **fields})
    return bed


def test_what_failed_on_a_node_that_came_back_is_due_at_once_and_that_is_said_once() -> None:
    bed = returned(**FAILED)

    woken = looked_at(bed)

    assert (woken.due_at, woken.interval_s) == (bed.now, 0.0)
    assert not membership.reconcile(bed.state, bed.settings, bed.now, bed.rng)


@pytest.mark.parametrize("fields", [{"state": VnodeState.UP}, {**FAILED, "probed_at": 9e9}])
def test_what_is_up_or_was_tried_since_is_not_woken(fields: dict[str, Any]) -> None:
    bed = returned(**fields)
    before = bed.vnode("n1")

    assert looked_at(bed) == before


def test_what_is_due_already_keeps_its_place_in_the_queue() -> None:
    for ago_s in (0.0, 50.0):
        bed = returned(**FAILED)
        before = changed(bed, due_at=bed.now - ago_s)

        assert looked_at(bed) == before


def test_what_failed_on_a_node_that_left_good_since_is_not_woken() -> None:
    bed = returned(**FAILED)
    bed.put("n1", "bad")
    before = bed.vnode("n1")

    assert looked_at(bed) == before


def test_what_was_never_tried_is_woken_when_its_node_is_good() -> None:
    bed = returned(**FAILED, probed_at=None)

    assert looked_at(bed).due_at == bed.now


def test_an_experiment_on_all_nodes_is_not_ready_while_there_is_none() -> None:
    assert bed_with().picture().experiment.ready_at is None


def test_an_experiment_is_ready_when_all_that_is_wanted_is_up_and_no_sooner() -> None:
    bed = bed_with("n1", "n2", nodes=("n1", "n2"))
    assert bed.picture().experiment.ready_at is not None

    bed.remove("n2")
    bed.work()

    assert bed.states() == {"n1": "up"}
    assert bed.picture().experiment.ready_at is None


@pytest.mark.parametrize("fields", [{"count": 1}, {"is_everywhere": True}, {"nodes": ("n1",)}])
@pytest.mark.parametrize("pool", ["good", "bad"])
def test_a_member_on_a_node_that_is_absent_stays(pool: str, fields: dict[str, Any]) -> None:
    bed = bed_with("n1", "n2", **fields)
    before = bed.states()
    name = min(before)
    bed.put(name, pool)
    member = bed.state.member(name)
    assert member
    bed.apply(Changes(members=(replace(member, absent_since_at=bed.now),)))
    bed.wait(2 * GRACE_S)

    bed.reconcile()

    assert bed.states() == before


def test_a_node_in_a_pool_that_is_configured_no_more_is_neither_good_nor_lost() -> None:
    bed = bed_with("n1", "n2")
    for name in ("n1", "n2"):
        member = bed.state.member(name)
        assert member
        bed.apply(Changes(members=(replace(member, pool="gone"),)))
    bed.apply(Changes(gone=("exp/n2",)))
    bed.wait(2 * GRACE_S)

    bed.reconcile()

    assert bed.states() == {"n1": "up"}
