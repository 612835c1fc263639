"""Members taken for a probe: for how long, what is torn down first, and what becomes of a claim never begun."""

from dataclasses import replace
from random import Random

from plabctl.core.claim import GRACE_S, Claimant, list_candidates
from plabctl.core.experiments import claim_vnodes
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Claim, Goal, Leftover
from plabctl.core.state import Changes, MemoryState
from tests.builders import NOW, make_claim, make_mark, make_member, make_settings, make_state

SETTINGS = make_settings()
PENDING = Vnode("exp", "n1", VnodeState.PENDING, NOW, NOW)


def state_of(*vnodes: Vnode, recipe: str = "process") -> MemoryState:
    state = make_state(*(make_member(vnode.node) for vnode in vnodes))
    state.apply(Changes(experiments=(Experiment("exp", recipe, "ada", NOW),), vnodes=vnodes))
    return state


def taken(state: MemoryState, slots: list[int]) -> Changes:
    rows = [row for row in list_candidates(state, SETTINGS, NOW) if row.experiment]
    return claim_vnodes.build_vnode_claims(
        state, SETTINGS, rows, slots, Claimant(make_mark(), "boot", Random(1)), NOW
    ).changes


def test_a_claim_is_as_long_as_what_is_to_be_done_can_take() -> None:
    up = replace(PENDING, state=VnodeState.UP, is_set_up=True, vnode="plabctl-x")
    leaving = replace(up, state=VnodeState.LEAVING)
    seconds = {}
    for vnode in (PENDING, up, leaving):
        (claim,) = taken(state_of(vnode), [1]).claims
        seconds[claim.goal] = claim.deadline_at - NOW - GRACE_S

    assert seconds == {Goal.SETUP: 20 + 5 * 10, Goal.CHECK: 20 + 10, Goal.TEARDOWN: 20 + 2 * 10}


def test_a_vnode_whose_recipe_is_configured_no_more_is_claimed_for_no_longer_than_it_takes_to_say_so() -> None:
    (claim,) = taken(state_of(PENDING, recipe="gone"), [1]).claims

    assert (claim.recipe, claim.deadline_at) == ("gone", NOW + GRACE_S)


def test_no_more_are_taken_than_there_are_slots() -> None:
    changes = taken(state_of(PENDING, replace(PENDING, node="n2")), [7])

    assert [claim.slot for claim in changes.claims] == [7]
    assert [vnode.vnode for vnode in changes.vnodes] == [changes.claims[0].vnode]


def test_only_a_set_up_under_a_name_from_before_tears_that_down_first() -> None:
    def leftovers(goal: Goal, vnode: str) -> tuple[Leftover, ...]:
        return claim_vnodes.list_leftovers(make_claim(token="t", goal=goal, vnode=vnode))

    assert leftovers(Goal.SETUP, "plabctl-t") == ()
    assert leftovers(Goal.SETUP, "plabctl-old") == (Leftover("plabctl-old", "process", NOW),)
    assert leftovers(Goal.CHECK, "plabctl-old") == leftovers(Goal.TEARDOWN, "plabctl-old") == ()


def test_only_names_that_were_made_for_a_claim_are_given_back() -> None:
    def claim(node: str, vnode: str) -> Claim:
        return make_claim(node, experiment="exp", token=f"t-{node}", vnode=vnode)

    fresh, known, gone = claim("n1", "plabctl-t-n1"), claim("n2", "plabctl-old"), claim("n3", "plabctl-t-n3")
    state = state_of(replace(PENDING, vnode=fresh.vnode), replace(PENDING, node="n2", vnode=known.vnode))

    assert claim_vnodes.give_back_vnodes(state, [fresh, known, gone, make_claim("n1")]) == (replace(PENDING, vnode=""),)
