"""The life of vnodes, from the swap-in to the last teardown."""

import pytest

from plabctl.core.experiments.model import VnodeState
from plabctl.core.model import Cause, Goal, Leftover, StageRun
from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted


def test_a_swap_in_sets_up_what_is_wanted_and_says_when_it_is_ready() -> None:
    bed = VirtualTestbed("n1", "n2", "n3")
    bed.swap_in(wanted(nodes=("n1", "n2")))
    assert bed.states() == {"n1": "pending", "n2": "pending"}

    claims = bed.start()
    assert bed.states() == {"n1": "setting-up", "n2": "setting-up"}
    bed.settle(*map(bed.carry_out, claims))

    assert bed.states() == {"n1": "up", "n2": "up"}
    assert [bed.on(name) for name in ("n1", "n2", "n3")] == [1, 1, 0]
    assert bed.delivered() == ["experiment-in", "vnode-up n1", "vnode-up n2", "experiment-ready"]


def test_what_failed_is_tried_again_by_back_off_and_the_rest_is_usable_meanwhile() -> None:
    bed = VirtualTestbed("n1", "n2")
    bed.dead = {"n2"}
    bed.swap_in(wanted(nodes=("n1", "n2")))
    bed.work()
    failed = bed.vnode("n2")
    assert bed.states() == {"n1": "up", "n2": "failed"}
    assert (failed.tries, failed.fail_streak, failed.vnode) == (1, 1, "")
    assert failed.due_at == bed.now + failed.interval_s > bed.now

    bed.dead = set()
    bed.wait(failed.interval_s)
    bed.work()

    assert bed.states() == {"n1": "up", "n2": "up"}
    assert bed.delivered()[1:] == ["vnode-up n1", "vnode-failed n2", "vnode-up n2", "experiment-ready"]


def test_the_wait_grows_with_each_failure_and_only_the_first_is_told() -> None:
    bed = VirtualTestbed("n1")
    bed.dead = {"n1"}
    bed.swap_in(wanted(nodes=("n1",)))
    waits = []
    for _ in range(3):
        bed.work()
        waits.append(bed.vnode("n1").interval_s)
        bed.wait(waits[-1])

    assert waits == sorted(waits)
    assert waits[0] < waits[2]
    assert bed.delivered().count("vnode-failed n1") == 1


def test_a_vnode_found_dead_is_set_up_again_at_once_under_its_name() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    bed.work()
    name = bed.vnode("n1").vnode
    bed.placement["n1"].clear()
    bed.wait(bed.vnode("n1").interval_s)

    (check,) = bed.start()
    bed.settle(bed.carry_out(check))
    assert (check.goal, bed.states()) == (Goal.CHECK, {"n1": "failed"})
    (setup,) = bed.start()
    bed.settle(bed.carry_out(setup))

    assert (setup.goal, setup.vnode) == (Goal.SETUP, name)
    assert bed.states() == {"n1": "up"}
    assert bed.delivered()[-3:] == ["vnode-failed n1", "vnode-recovered n1", "experiment-ready"]


def test_a_node_that_does_not_answer_for_a_while_keeps_its_vnode() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    bed.work()
    before = set(bed.placement["n1"])
    bed.dead = {"n1"}
    bed.wait(bed.vnode("n1").interval_s)
    bed.work()
    assert bed.states() == {"n1": "failed"}

    bed.dead = set()
    bed.wait(bed.vnode("n1").interval_s)
    (again,) = bed.start()
    bed.settle(bed.carry_out(again))

    assert again.goal is Goal.CHECK
    assert (bed.states(), bed.placement["n1"]) == ({"n1": "up"}, before)


@pytest.mark.parametrize(
    ("cause", "stages", "goal"),
    [
        (Cause.CHECK, (StageRun("check", 0.1, 1),), Goal.SETUP),
        (Cause.DEADLINE, (StageRun("connect", 1.0, None), StageRun("check", 60.0, None)), Goal.SETUP),
        (Cause.DEADLINE, (StageRun("connect", 20.0, None),), Goal.CHECK),
        (Cause.AUTH, (), Goal.CHECK),
        (Cause.PROTOCOL, (StageRun("check", 0.1, None),), Goal.CHECK),
    ],
)
def test_only_a_vnode_that_was_seen_dead_or_hanging_is_set_up_anew(
    cause: Cause, stages: tuple[StageRun, ...], goal: Goal
) -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    bed.work()
    bed.wait(bed.vnode("n1").interval_s)
    (check,) = bed.start()

    bed.settle(bed.report(check, "fail", cause, stages=stages))

    assert bed.vnode("n1").goal is goal


def test_a_set_up_whose_tick_died_is_torn_down_before_the_next_one() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    (doomed,) = bed.start()
    bed.carry_out(doomed)
    bed.kill(doomed)

    bed.work()

    assert (bed.states(), bed.placement["n1"]) == ({"n1": "up"}, {doomed.vnode})


def test_an_interrupted_set_up_counts_for_nothing_and_is_due_at_once() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    (claim,) = bed.start()

    bed.settle(bed.report(claim, "unknown", Cause.INTERRUPTED, left=(claim.vnode,)))

    vnode = bed.vnode("n1")
    assert (vnode.state, vnode.tries, vnode.due_at, vnode.vnode) == (VnodeState.PENDING, 0, bed.now, claim.vnode)


def test_what_says_nothing_about_the_vnode_changes_no_state() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    bed.work()
    bed.wait(bed.vnode("n1").interval_s)
    (check,) = bed.start()

    bed.settle(bed.report(check, "unknown", Cause.LOCAL))

    vnode = bed.vnode("n1")
    assert (vnode.state, vnode.fail_streak) == (VnodeState.UP, 0)
    assert vnode.due_at > bed.now


def test_a_late_report_is_recorded_and_not_applied() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    (first,) = bed.start()
    bed.kill(first)
    bed.start()

    bed.settle(bed.carry_out(first))

    assert bed.states() == {"n1": "setting-up"}
    assert [event.kind for event in bed.events][-1] == "late"


def test_what_a_late_report_left_and_no_member_knows_is_torn_down_before_the_next_test() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    (first,) = bed.start()
    bed.kill(first)
    (second,) = bed.start()
    known, stray = Leftover(second.vnode, "process", bed.now), Leftover("plabctl-stray", "process", bed.now)

    bed.settle(bed.report(first, "pass", None, stray=known), bed.report(first, "pass", None, stray=stray))

    member = bed.state.member("n1")
    assert member is not None
    assert member.leftovers == (stray,)


def test_a_claim_that_was_never_started_leaves_no_name() -> None:
    from plabctl.core.claim import give_back

    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    (claim,) = bed.start()
    bed.apply(give_back(bed.state, [claim]))

    assert bed.vnode("n1").vnode == ""


def test_swap_out_tears_down_and_only_then_forgets() -> None:
    bed = VirtualTestbed("n1", "n2", "n3")
    bed.swap_in(wanted(nodes=("n1", "n2", "n3")))
    bed.work()
    bed.dead = {"n2"}

    bed.swap_out()
    bed.work()

    assert bed.states() == {"n2": "leaving"}
    assert [bed.on(name) for name in ("n1", "n2", "n3")] == [0, 1, 0]
    bed.dead = set()
    bed.wait(bed.vnode("n2").interval_s)
    bed.work()
    assert not bed.state.experiments
    assert bed.on("n2") == 0
    assert bed.delivered()[-5:] == [
        "experiment-leaving", "vnode-gone n1", "vnode-gone n3", "vnode-gone n2", "experiment-gone"
    ]  # fmt: skip


def test_swap_out_of_what_was_never_tried_is_done_at_once() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))

    bed.swap_out()

    assert not bed.state.experiments
    assert bed.start() == []


@pytest.mark.parametrize("outcome", ["pass", "fail", "dies"])
def test_swap_out_during_a_set_up_leaves_nothing(outcome: str) -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    (claim,) = bed.start()
    bed.swap_out()
    assert bed.states() == {"n1": "leaving"}

    report = bed.carry_out(claim)
    if outcome == "dies":
        bed.kill(claim)
    elif outcome == "fail":
        bed.settle(bed.report(claim, "fail", Cause.SETUP, left=(claim.vnode,)))
    else:
        bed.settle(report)
    bed.work()

    assert not bed.state.experiments
    assert bed.on("n1") == 0


def test_what_failed_is_tried_at_once_when_its_node_comes_back_to_good() -> None:
    bed = VirtualTestbed("n1")
    bed.dead = {"n1"}
    bed.swap_in(wanted(nodes=("n1",)))
    bed.work()
    bed.put("n1", "bad")
    bed.wait(10)
    assert bed.start() == []

    bed.dead = set()
    bed.put("n1", "good")
    bed.work()

    assert bed.states() == {"n1": "up"}


def test_a_removed_node_is_cleaned_where_it_was() -> None:
    bed = VirtualTestbed("n1", "n2", ssh_host="10.0.0.1")
    bed.swap_in(wanted(nodes=("n1", "n2")))
    bed.work()

    bed.remove("n1")
    (claim,) = bed.start()
    node = bed.vnode("n1").find_node(bed.state.node("n1"))
    assert (claim.goal, node.variables) == (Goal.TEARDOWN, {"ssh_host": "10.0.0.1"})
    bed.settle(bed.carry_out(claim))

    assert (bed.states(), bed.on("n1")) == ({"n2": "up"}, 0)
    assert bed.picture().missing == ("n1",)
    bed.add("n1")
    bed.work()
    assert bed.states() == {"n1": "up", "n2": "up"}


def test_a_node_that_gets_another_address_is_cleaned_at_the_old_one_and_set_up_at_the_new_one() -> None:
    from plabctl.core import enrolment
    from plabctl.core.model import Node

    bed = VirtualTestbed("n1", "n2", ssh_host="10.0.0.1")
    bed.swap_in(wanted(nodes=("n1", "n2")))
    bed.work()
    changed = [Node("n1", {"ssh_host": "10.0.0.9"}), Node("n2", {"ssh_host": "10.0.0.1", "os": "bsd"})]
    bed.apply(enrolment.add_nodes(bed.state, bed.settings, changed, bed.order(), replacing=True))

    (claim,) = bed.start()
    old = bed.vnode("n1").find_node(bed.state.node("n1"))
    assert (claim.key, claim.goal, old.variables) == ("exp/n1", Goal.TEARDOWN, {"ssh_host": "10.0.0.1"})
    bed.settle(bed.carry_out(claim))
    bed.work()

    new = bed.vnode("n1").find_node(bed.state.node("n1"))
    assert (bed.states(), new.variables) == ({"n1": "up", "n2": "up"}, {"ssh_host": "10.0.0.9"})


def test_the_vnode_of_a_removed_node_is_given_up_after_a_while_and_that_is_said() -> None:
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(is_everywhere=True))
    bed.work()
    bed.dead = {"n1"}
    bed.remove("n1")
    bed.work()
    assert bed.states() == {"n1": "leaving"}

    bed.wait(bed.settings.experiment.give_up_s + 1)
    bed.reconcile()

    assert bed.states() == {}
    assert "given up" in str(bed.events[-1].data["reason"])
