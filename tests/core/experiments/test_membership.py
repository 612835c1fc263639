"""Who is a member: counts, all nodes, and those who leave and come."""

from dataclasses import replace

import pytest

from plabctl.core import node_orders
from plabctl.core.experiments import membership
from plabctl.core.liveness import call_check
from plabctl.core.settings import ExperimentSettings, LivenessSettings
from plabctl.core.state import Changes
from plabctl.errors import Refused
from tests.builders import make_busy, make_occupancy, make_settings
from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted

GRACE_S = ExperimentSettings().grace_s


def test_a_count_takes_the_steadiest_good_nodes() -> None:
    bed = VirtualTestbed("new", "old", "flaky", "bad")
    bed.put("bad", "bad")
    for name, ratio in (("new", 0.0), ("old", 0.9), ("flaky", 0.9)):
        member = bed.state.member(name)
        assert member is not None
        penalty = 3.0 if name == "flaky" else 0.0
        steady = replace(member, good_ratio=ratio, penalty=penalty, penalty_at=bed.now)
        bed.apply(Changes(members=(steady,)))

    bed.swap_in(wanted(count=2))

    assert set(bed.states()) == {"old", "flaky"}
    bed.swap_in(wanted("one", count=1))
    assert set(bed.states("one")) == {"old"}


def test_a_count_is_spread_over_sites() -> None:
    bed = VirtualTestbed()
    bed.add("a1", "a2", "a3", site="a")
    bed.add("b1", "b2", site="b")

    bed.swap_in(wanted(count=4, spread="site"))

    assert sorted(name[0] for name in bed.states()) == ["a", "a", "b", "b"]


def test_a_member_whose_node_stays_in_bad_is_replaced_and_torn_down_when_it_answers_again() -> None:
    bed = VirtualTestbed("n1", "n2")
    bed.swap_in(wanted(count=1))
    bed.work()
    (name,) = bed.states()
    other = "n2" if name == "n1" else "n1"
    bed.put(name, "bad")
    bed.dead = {name}
    bed.reconcile()
    assert bed.state.notes["experiments"] == {"due_at": bed.now + GRACE_S}

    bed.wait(GRACE_S - 1)
    bed.work()
    assert other not in bed.states()
    bed.wait(1)
    bed.work()
    assert bed.states() == {name: "leaving", other: "up"}
    assert f"vnode-replaced {name}" in bed.delivered()
    assert "experiments" not in bed.state.notes
    assert bed.picture().experiment.ready_at == bed.now

    bed.dead = set()
    bed.wait(10)
    bed.put(name, "good")
    bed.work()
    assert bed.states() == {other: "up"}
    assert bed.on(name) == 0


def test_without_another_good_node_a_member_stays_and_is_tried_again() -> None:
    bed = VirtualTestbed("n1", "n2")
    bed.swap_in(wanted(count=2))
    bed.work()
    bed.put("n1", "bad")
    bed.wait(2 * GRACE_S)
    bed.work()
    assert set(bed.states()) == {"n1", "n2"}

    bed.add("n3")
    bed.work()

    assert bed.states() == {"n2": "up", "n3": "up"}


def test_at_most_takes_what_there_is_and_more_as_it_comes() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(count=3, at_most=True))
    bed.work()
    assert bed.picture().experiment.ready_at == bed.now
    bed.add("n2", "n3", "n4")
    bed.work()

    assert len(bed.states()) == 3


def test_all_nodes_follow_the_good_pool_and_the_inventory() -> None:
    bed = VirtualTestbed("n1", "n2", "n3")
    bed.put("n3", "bad")
    bed.swap_in(wanted(is_everywhere=True))
    bed.work()
    assert bed.states() == {"n1": "up", "n2": "up"}

    bed.put("n3", "good")
    bed.add("n4")
    bed.remove("n1")
    bed.put("n2", "bad")
    bed.work()
    assert bed.states() == {"n2": "up", "n3": "up", "n4": "up"}
    assert bed.on("n1") == 0

    bed.wait(GRACE_S)
    bed.work()
    assert bed.states() == {"n3": "up", "n4": "up"}
    bed.put("n2", "good")
    bed.work()
    assert bed.states() == {"n2": "up", "n3": "up", "n4": "up"}
    assert bed.delivered().count("experiment-ready") == 1


def test_all_nodes_with_a_label_follow_the_label() -> None:
    bed = VirtualTestbed()
    bed.add("a1", os="linux")
    bed.add("b1", os="bsd")
    bed.swap_in(wanted(is_everywhere=True, match={"os": "linux"}))
    bed.work()
    assert bed.states() == {"a1": "up"}

    node = bed.state.node("a1")
    assert node is not None
    bed.apply(Changes(nodes=(replace(node, variables={"os": "bsd"}),)))
    bed.work()

    assert bed.states() == {}
    assert bed.on("a1") == 0


def test_a_node_that_comes_back_while_its_vnode_leaves_is_set_up_anew() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(is_everywhere=True))
    bed.work()
    bed.put("n1", "bad")
    bed.dead = {"n1"}
    bed.wait(GRACE_S)
    bed.work()
    assert bed.states() == {"n1": "leaving"}

    bed.dead = set()
    bed.put("n1", "good")
    bed.work()

    assert (bed.states(), bed.on("n1")) == ({"n1": "up"}, 1)


def test_a_held_node_is_taken_by_nobody() -> None:
    bed = VirtualTestbed("n1", "n2")
    bed.apply(node_orders.hold(bed.state, bed.settings, ["n1"], bed.order(), None))

    bed.swap_in(wanted(is_everywhere=True))
    bed.swap_in(wanted("few", count=1))

    assert (set(bed.states()), set(bed.states("few"))) == ({"n2"}, {"n2"})


def test_usable_nodes_are_taken_and_no_others() -> None:
    bed = VirtualTestbed("failed", "believed", "absent", "good")
    order = bed.order()
    bed.apply(node_orders.move(bed.state, bed.settings, ["believed"], "good", order, bed.now + 3600.0))
    failed, believed, absent = (bed.state.member(name) for name in ("failed", "believed", "absent"))
    assert failed
    assert believed
    assert absent
    changed = (
        replace(failed, fail_streak=1),
        replace(believed, fail_streak=1),
        replace(absent, absent_since_at=bed.now),
    )
    bed.apply(Changes(members=changed))

    bed.swap_in(wanted("all", is_everywhere=True))
    bed.swap_in(wanted("few", count=2))
    bed.swap_in(wanted("named", nodes=("believed",)))

    assert set(bed.states("all")) == set(bed.states("few")) == {"believed", "good"}
    with pytest.raises(Refused, match="3 usable nodes are wanted and there are 2"):
        bed.swap_in(wanted("more", count=3))


def test_a_label_may_hold_several_values() -> None:
    bed = VirtualTestbed()
    bed.add("n1", roles="web,db")
    bed.add("n2", roles="web")
    bed.swap_in(wanted(is_everywhere=True, match={"roles": "db"}))

    assert set(bed.states()) == {"n1"}


def test_without_experiments_nothing_is_looked_at() -> None:
    bed = VirtualTestbed("n1")

    assert not membership.reconcile(bed.state, bed.settings, bed.now, bed.rng)


def test_looking_again_changes_nothing_more() -> None:
    bed = VirtualTestbed("n1", "n2", "n3")
    bed.dead = {"n3"}
    bed.swap_in(wanted(count=2))
    bed.swap_in(wanted("all", is_everywhere=True))
    bed.work()
    bed.put("n1", "bad")
    for _ in range(3):
        bed.reconcile()
        assert not membership.reconcile(bed.state, bed.settings, bed.now, bed.rng)
        bed.wait(GRACE_S)


def test_busy_nodes_are_taken_only_by_name() -> None:
    bed = VirtualTestbed("a", "b", "c", settings=make_settings(occupancies=(make_occupancy(),)))
    bed.apply(Changes(notes=make_busy("a", "B")))

    with pytest.raises(Refused, match="2 usable nodes are wanted and there is 1, and 2 busy"):
        bed.swap_in(wanted("two", count=2))
    bed.swap_in(wanted("one", count=1))
    bed.swap_in(wanted("all", is_everywhere=True))
    bed.swap_in(wanted("named", nodes=("a",)))

    assert (set(bed.states("one")), set(bed.states("all")), set(bed.states("named"))) == ({"c"}, {"c"}, {"a"})
    bed.work()
    assert bed.states("named") == {"a": "up"}, "who names it has decided"
    bed.apply(Changes(notes=make_busy("b")))
    bed.reconcile()
    assert set(bed.states("all")) == {"a", "c"}


def pool_of(bed: VirtualTestbed, name: str) -> str:
    member = bed.state.member(name)
    assert member is not None
    return member.pool


def fall_silent(bed: VirtualTestbed, name: str) -> None:
    """Let a machine die, and be found silent by its liveness checks until it is a suspect."""
    bed.dead.add(name)
    waiting = [replace(member, due_at=bed.now + 1800.0, interval_s=1800.0) for member in bed.state.members()]
    called = [call_check(member, bed.now) if member.node == name else member for member in waiting]
    bed.apply(Changes(members=tuple(called)))
    for _ in range(2):
        bed.settle(*map(bed.carry_out, bed.start(health=True)))
    suspect = bed.state.member(name)
    assert suspect is not None
    assert suspect.suspicion is not None
    assert suspect.suspicion.by_silence


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_member_stays_while_its_node_is_a_suspect_by_silence(*, is_dead: bool) -> None:
    base = make_settings()
    pools = {name: replace(pool, liveness=LivenessSettings(between=8)) for name, pool in base.pools.items()}
    bed = VirtualTestbed("a", "b", settings=replace(base, pools=pools))
    bed.swap_in(wanted(count=2))
    bed.work()
    bed.add("c")
    told = len(bed.delivered())

    fall_silent(bed, "a")

    assert bed.states() == {"a": "up", "b": "up"}
    if not is_dead:
        bed.dead.clear()
    bed.settle(*map(bed.carry_out, bed.start(health=True)))
    assert pool_of(bed, "a") == ("bad" if is_dead else "good")
    assert bed.delivered()[told:] == []
    bed.wait(GRACE_S)
    bed.work()
    if is_dead:
        assert bed.states()["c"] == "up"
        assert "vnode-replaced a" in bed.delivered()[told:]
    else:
        assert bed.states() == {"a": "up", "b": "up"}
        assert (bed.delivered()[told:], bed.on("a")) == ([], 1)
