"""What a batch of reports makes of the state: each counts once, and only while its claim is current."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import leftovers
from plabctl.core.claim import void_claims
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.liveness_record import LostWay
from plabctl.core.model import Cause, Goal, Leftover, Report
from plabctl.core.pools.base import build_pools
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from tests.builders import NOW, make_claim, make_member, make_report, make_settings, make_state
from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted
from tests.memory_state import MemoryState

POOLS = build_pools(make_settings())


def settled(state: MemoryState, *reports: Report) -> Changes:
    changes = settle(state, reports, POOLS, NOW + 2, Random(1))
    state.apply(changes)
    return changes


def test_a_current_report_is_judged_and_ends_its_claim() -> None:
    state = make_state(make_member(), claims=[make_claim()])

    changes = settled(state, make_report())

    assert changes.released == ("n1",)
    assert [event.kind for event in changes.events] == ["probe"]
    member = state.member("n1")
    assert member is not None
    assert (member.ok_streak, member.probed_at) == (1, NOW + 2)


@pytest.mark.parametrize(("learned", "kept"), [(None, "10.0.0.7"), ("", ""), ("10.0.0.8", "10.0.0.8")])
def test_the_address_that_answered_is_remembered(learned: str | None, kept: str) -> None:
    state = make_state(make_member(address="10.0.0.7"))
    state.apply(Changes(claims=(make_claim(),)))

    changes = settle(state, [make_report(address=learned)], POOLS, NOW, Random(1))

    assert [member.address for member in changes.members] == [kept]


def test_where_a_test_was_made_from_is_kept_and_told() -> None:
    state = make_state(make_member(), claims=[make_claim()])

    changes = settle(state, [make_report(vantage="north")], POOLS, NOW, Random(1))

    assert [member.vantage for member in changes.members] == ["north"]
    assert [event.data["vantage"] for event in changes.events] == ["north"]


def test_a_probe_that_found_nothing_out_leaves_where_the_last_test_was_made_from() -> None:
    state = make_state(make_member(vantage="north"), claims=[make_claim()])

    changes = settle(state, [make_report(outcome="unknown", cause=Cause.LOCAL)], POOLS, NOW, Random(1))

    assert [member.vantage for member in changes.members] == ["north"]


def test_without_second_opinions_lost_ways_are_forgotten() -> None:
    way = LostWay("north", NOW, NOW, NOW, "south", is_told=True)
    state = make_state(make_member(lost_ways=(way,)), claims=[make_claim()])

    changes = settle(state, [make_report()], POOLS, NOW, Random(1))

    assert [member.lost_ways for member in changes.members] == [()]


def test_a_vnode_that_dies_early_again_is_told_in_its_events_and_its_state() -> None:
    vnode = Vnode("exp", "n1", VnodeState.UP, NOW, NOW, "v", is_set_up=True, ok_streak=1, early_deaths=1)
    state = make_state(make_member())
    claim = make_claim(experiment="exp", goal=Goal.CHECK)
    state.apply(Changes(experiments=(Experiment("exp", "process", "ada", NOW),), vnodes=(vnode,), claims=(claim,)))

    report = make_report(outcome="fail", experiment="exp", cause=Cause.CHECK, reason="it is gone")
    changes = settle(state, [report], POOLS, NOW, Random(1))

    reasons = [event.data["reason"] for event in changes.events]
    assert len(reasons) == 2
    assert [*{*reasons}] == [after.last.reason for after in changes.vnodes if after.last]
    assert str(reasons[0]).startswith("it is gone; dead 2 times in a row")


def test_settling_the_same_report_twice_changes_nothing_more() -> None:
    state = make_state(make_member(), claims=[make_claim()])
    settled(state, make_report(outcome="fail"))
    before = state.member("n1")

    changes = settled(state, make_report(outcome="fail"))

    assert state.member("n1") == before
    assert [event.kind for event in changes.events] == ["late"]


def test_the_same_report_twice_in_one_batch_counts_once() -> None:
    state = make_state(make_member(), claims=[make_claim()])

    changes = settled(state, make_report(), make_report())

    assert [event.kind for event in changes.events] == ["probe", "late"]
    member = state.member("n1")
    assert member is not None
    assert member.ok_streak == 1


def test_a_report_with_another_token_is_recorded_and_not_applied() -> None:
    state = make_state(make_member(), claims=[make_claim(token="newer")])
    before = state.member("n1")

    changes = settled(state, make_report(outcome="fail"))

    assert state.member("n1") == before
    assert state.claims["n1"].token == "newer"
    assert [event.kind for event in changes.events] == ["late"]


def test_the_move_of_a_person_beats_the_probe_that_ran_meanwhile() -> None:
    state = make_state(make_member(), claims=[make_claim(superseded=True)])
    before = state.member("n1")

    changes = settled(state, make_report(outcome="fail"))

    assert state.member("n1") == before
    assert not state.claims
    assert [event.kind for event in changes.events] == ["late"]


def test_the_report_of_a_node_that_was_removed_is_recorded() -> None:
    state = make_state(make_member("other"))

    assert [event.kind for event in settled(state, make_report()).events] == ["late"]


def test_a_suspect_and_its_move_are_told_with_the_probe() -> None:
    state = make_state(make_member(), claims=[make_claim()])

    changes = settled(state, make_report(outcome="fail"))

    assert [event.kind for event in changes.events] == ["probe", "suspect"]
    assert changes.events[1].data["from"] == "good"
    assert changes.events[1].data["to"] == "bad"


def test_what_may_be_left_on_the_node_is_remembered_until_it_is_torn_down() -> None:
    old = Leftover("plabctl-old", "process", NOW - 99)
    gone = Leftover("plabctl-gone", "process", NOW - 99)
    state = make_state(make_member(leftovers=(old, gone)), claims=[make_claim()])

    settled(state, make_report(outcome="fail", left=("plabctl-n1", "plabctl-old")))

    member = state.member("n1")
    assert member is not None
    assert member.leftovers == (old, Leftover("plabctl-n1", "process", NOW))


def test_a_stray_vnode_of_a_node_that_is_judged_in_the_same_batch_takes_nothing_from_that() -> None:
    state = make_state(make_member(ok_streak=4), claims=[make_claim()])
    stray = Leftover("plabctl-stray", "process", NOW - 50)

    settled(state, make_report(), make_report(token="older", outcome="fail", stray=stray))

    member = state.member("n1")
    assert member is not None
    assert (member.ok_streak, member.leftovers) == (5, (stray,))


def test_a_superseded_probe_still_tells_what_it_left() -> None:
    state = make_state(make_member(), claims=[make_claim(superseded=True)])

    settled(state, make_report(left=("plabctl-n1",)))

    member = state.member("n1")
    assert member is not None
    assert [piece.vnode for piece in member.leftovers] == ["plabctl-n1"]


def test_a_request_made_before_the_probe_is_answered_by_it() -> None:
    state = make_state(make_member(requested_at=NOW - 1), claims=[make_claim()])

    settled(state, make_report())

    member = state.member("n1")
    assert member is not None
    assert member.requested_at is None
    assert member.due_at > NOW + 2


def test_a_request_made_during_the_probe_is_tested_once_more() -> None:
    state = make_state(make_member(requested_at=NOW + 1), claims=[make_claim()])

    settled(state, make_report())

    member = state.member("n1")
    assert member is not None
    assert (member.requested_at, member.due_at) == (NOW + 1, NOW + 2)


def test_a_request_from_before_the_clock_was_set_back_is_answered_by_one_more_test() -> None:
    state = make_state(make_member(requested_at=NOW + 86400), claims=[make_claim()])
    settled(state, make_report())
    state.apply(Changes(claims=(make_claim(started_at=NOW + 2),)))

    settled(state, make_report())

    member = state.member("n1")
    assert member is not None
    assert (member.requested_at, member.due_at > NOW + 2) == (None, True)


def test_a_voided_claim_counts_for_nothing_and_leaves_debris() -> None:
    state = make_state(make_member(ok_streak=4), claims=[make_claim()])

    changes = void_claims(state, {"n1": "its tick is gone"}, NOW)
    state.apply(changes)

    member = state.member("n1")
    assert member is not None
    assert (member.ok_streak, member.fail_streak, member.due_at) == (4, 0, NOW)
    assert member.leftovers == (Leftover("plabctl-n1", "process", NOW),)
    assert not state.claims
    assert [event.kind for event in changes.events] == ["void"]


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["pass", "fail", "unknown"])), max_size=20))
def test_every_node_stays_in_exactly_one_health_pool(steps: list[tuple[int, str]]) -> None:
    state = make_state(*(make_member(f"n{number}") for number in range(5)))
    for number, outcome in steps:
        state.apply(Changes(claims=(make_claim(f"n{number}"),)))
        settled(state, make_report(f"n{number}", outcome))

    pools = [member.pool for member in state.members()]
    assert len(pools) == 5
    assert set(pools) <= {"good", "bad"}
    assert not state.claims


@pytest.mark.parametrize("outcome", ["pass", "fail"])
def test_a_suspect_from_a_pool_that_is_configured_no_more_is_judged_like_any_other_node(outcome: str) -> None:
    suspect = make_member(pool="bad", suspicion=Suspicion("former", NOW - 9e4, 5, NOW - 10))
    state = make_state(suspect, claims=[make_claim()])

    settled(state, make_report(outcome=outcome))

    member = state.member("n1")
    assert member is not None
    assert (member.pool, member.suspicion) == ("good" if outcome == "pass" else "bad", None)


def test_a_request_made_as_the_probe_began_is_answered_by_it() -> None:
    state = make_state(make_member(requested_at=NOW), claims=[make_claim(started_at=NOW)])

    settled(state, make_report())

    member = state.member("n1")
    assert member is not None
    assert member.requested_at is None


def test_a_request_made_after_the_probe_began_is_due_at_once() -> None:
    state = make_state(make_member(requested_at=NOW + 1), claims=[make_claim(started_at=NOW)])

    settled(state, make_report())

    member = state.member("n1")
    assert member is not None
    assert (member.requested_at, member.due_at) == (NOW + 1, NOW + 2)


def test_a_report_of_a_node_that_was_removed_meanwhile_is_late_and_ends_its_claim() -> None:
    state = MemoryState(Changes(claims=(make_claim(),)))

    changes = settled(state, make_report())

    assert (changes.released, changes.members) == (("n1",), ())
    assert [event.kind for event in changes.events] == ["late"]


def test_what_a_late_report_left_is_torn_down_before_the_next_probe() -> None:
    state = make_state(make_member(), claims=[make_claim(token="newer")])
    stray = Leftover("plabctl-stray", "process", NOW)

    settled(state, make_report(stray=stray), make_report(stray=stray))

    member = state.member("n1")
    assert member is not None
    assert member.leftovers == (stray,)
    assert state.claims["n1"].token == "newer"


def test_what_a_late_report_left_on_a_node_that_was_removed_waits_for_its_return() -> None:
    state = make_state()
    stray = Leftover("plabctl-stray", "process", NOW)

    settled(state, make_report(stray=stray), make_report("n2", stray=stray))

    assert leftovers.claim_leftovers(state, ["n1", "n2"], NOW)[0] == {"n1": (stray,), "n2": (stray,)}


def bed_with_claim() -> tuple[VirtualTestbed, Report]:
    """A testbed on whose node a vnode is being set up, and the report that it passed."""
    bed = VirtualTestbed("n1")
    bed.swap_in(wanted(nodes=("n1",)))
    (claim,) = bed.start()
    return bed, bed.report(claim, "pass", None)


def settle_in(bed: VirtualTestbed, *reports: Report) -> Changes:
    return settle(bed.state, reports, build_pools(bed.settings), bed.now, bed.rng)


def test_each_probe_of_a_vnode_is_told_with_what_it_was_for() -> None:
    bed, report = bed_with_claim()

    events = settle_in(bed, report).events

    assert [event.kind for event in events] == ["vnode-probe", "vnode-up"]
    assert events[0].data["goal"] == "setup"
    assert events[0].data["vnode"] == bed.vnode("n1").vnode


def test_the_same_report_of_a_vnode_twice_in_one_batch_counts_once() -> None:
    bed, report = bed_with_claim()

    changes = settle_in(bed, report, report)

    assert [event.kind for event in changes.events] == ["vnode-probe", "vnode-up", "late"]
    assert changes.released == ("exp/n1",)
    assert [vnode.ok_streak for vnode in changes.vnodes] == [1]


def test_a_report_without_claim_or_member_is_recorded_and_what_it_left_is_remembered() -> None:
    bed, report = bed_with_claim()
    stray = Leftover("plabctl-stray", "process", bed.now)
    report = replace(report, stray=stray)
    claims = dict(bed.state.claims)
    bed.apply(Changes(released=("exp/n1",), gone=("exp/n1",)))
    forgotten = settle_in(bed, report)
    bed.apply(Changes(claims=tuple(claims.values())))

    for changes in (forgotten, settle_in(bed, report)):
        assert [event.kind for event in changes.events] == ["late"]
        assert (changes.vnodes, changes.released) == ((), ())
        assert [member.leftovers for member in changes.members] == [(stray,)]


def test_what_a_late_report_left_on_a_node_that_is_gone_is_remembered_till_it_returns() -> None:
    bed, report = bed_with_claim()
    stray = Leftover("plabctl-stray", "process", bed.now)
    bed.remove("n1")

    bed.apply(settle_in(bed, replace(report, token="older", stray=stray)))

    assert leftovers.claim_leftovers(bed.state, ["n1"], bed.now)[0] == {"n1": (stray,)}
