"""Members taken for a probe: by which recipe, for how long, and what is torn down first."""

from dataclasses import replace
from random import Random

from plabctl.core.assign import Job, assign
from plabctl.core.claim import GRACE_S, Claimant, list_candidates
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Goal, Leftover, Node
from plabctl.core.recipe import Recipe
from plabctl.core.state import Changes
from tests.builders import NOW, make_mark, make_member, make_recipe, make_settings, make_state
from tests.memory_state import MemoryState

SETTINGS = make_settings(recipes={"process": make_recipe(), "short": Recipe("short")})
CLAIMANT = Claimant(make_mark(), "boot-1", Random(1), 500.0)
PENDING = Vnode("exp", "n1", VnodeState.PENDING, NOW, NOW)
UP = replace(PENDING, state=VnodeState.UP, is_set_up=True, vnode="plabctl-x")
LEFT = Leftover("plabctl-old", "process", NOW - 60)


def state_with(*vnodes: Vnode, recipe: str = "process") -> MemoryState:
    state = make_state(*(make_member(vnode.node, due_at=NOW + 9) for vnode in vnodes))
    state.apply(Changes(experiments=(Experiment("exp", recipe, "ada", NOW),), vnodes=vnodes))
    return state


def assigned(state: MemoryState, claimant: Claimant = CLAIMANT, now: float = NOW) -> Job:
    """The job of the only member that is due."""
    (job,), changes = assign(state, SETTINGS, list_candidates(state, SETTINGS, now), [7], claimant, now)
    assert changes.claims == (job.claim,)
    return job


def test_a_claim_outlives_the_longest_probe() -> None:
    claim, assignment = assigned(make_state(make_member()))

    assert (claim.slot, claim.tick, claim.pool, claim.recipe) == (7, "tick-1", "good", "process")
    assert assignment.deadline_s == 20 + 5 * 10
    assert claim.deadline_at == NOW + 20 + 5 * 10 + GRACE_S
    assert claim.until_uptime_s == 500 + 20 + 5 * 10 + GRACE_S
    assert claim.vnode == assignment.vnode == f"plabctl-{claim.token}"


def test_the_address_that_answered_last_is_tried_first_by_all_probes() -> None:
    state = state_with(UP)
    state.apply(Changes(members=(make_member("n1", address="10.0.0.7", due_at=NOW + 9),)))

    assert assigned(state).assignment.address == "10.0.0.7"
    assert assigned(make_state(make_member(address="10.0.0.7"))).assignment.address == "10.0.0.7"


def test_a_probe_that_begins_in_time_ends_before_its_claim() -> None:
    claim, assignment = assigned(make_state(make_member()))

    assert assignment.begin_by_uptime_s == 500 + GRACE_S
    assert claim.until_uptime_s == assignment.begin_by_uptime_s + assignment.deadline_s
    assert assigned(make_state(make_member()), replace(CLAIMANT, uptime_s=None)).assignment.begin_by_uptime_s is None


def test_instants_of_a_claim_have_milliseconds_and_no_more() -> None:
    claim, _ = assigned(make_state(make_member()), replace(CLAIMANT, uptime_s=500 + 1 / 7), NOW + 1 / 7)

    assert claim.deadline_at == round(claim.deadline_at, 3) != round(claim.deadline_at, 2)
    assert claim.until_uptime_s == 500.143 + 70 + GRACE_S


def test_a_node_of_its_own_recipe_is_claimed_for_that() -> None:
    state = make_state(make_member())
    state.apply(Changes(nodes=(Node("n1", {"recipe": "short"}),)))

    assert assigned(state).claim.recipe == "short"


def test_a_node_whose_recipe_is_configured_no_more_is_claimed_for_no_longer_than_it_takes_to_say_so() -> None:
    state = make_state(make_member())
    state.apply(Changes(nodes=(Node("n1", {"recipe": "gone"}),)))

    claim, _ = assigned(state)

    assert (claim.recipe, claim.deadline_at) == ("gone", NOW + GRACE_S)


def test_what_is_left_on_a_node_is_torn_down_by_the_recipe_that_made_it() -> None:
    other = replace(LEFT, vnode="plabctl-older", recipe="gone")

    assignment = assigned(make_state(make_member(leftovers=(LEFT, other)))).assignment

    assert assignment.leftovers == ((LEFT, SETTINGS.recipes["process"]), (other, Recipe("gone")))


def test_the_claim_on_a_vnode_is_as_long_as_what_is_to_be_done_can_take() -> None:
    leaving = replace(UP, state=VnodeState.LEAVING)
    seconds = {}
    for vnode in (PENDING, UP, leaving):
        claim, assignment = assigned(state_with(vnode))
        assert claim.goal is assignment.goal
        seconds[claim.goal] = claim.deadline_at - NOW - GRACE_S

    assert seconds == {Goal.SETUP: 20 + 5 * 10, Goal.CHECK: 20 + 10, Goal.TEARDOWN: 20 + 2 * 10}


def test_a_vnode_whose_recipe_is_configured_no_more_is_claimed_for_no_longer_than_it_takes_to_say_so() -> None:
    claim, _ = assigned(state_with(PENDING, recipe="gone"))

    assert (claim.recipe, claim.deadline_at) == ("gone", NOW + GRACE_S)


def test_a_vnode_is_worked_on_where_its_node_was_before_that_was_removed() -> None:
    leaving = replace(UP, state=VnodeState.LEAVING, gone_at=NOW, address={"ssh_host": "10.0.0.1"})

    assert assigned(state_with(leaving)).assignment.node == Node("n1", {"ssh_host": "10.0.0.1"})


def test_no_more_are_taken_than_there_are_slots() -> None:
    state = state_with(PENDING, replace(PENDING, node="n2"))

    jobs, changes = assign(state, SETTINGS, list_candidates(state, SETTINGS, NOW), [7], CLAIMANT, NOW)

    assert [job.claim.slot for job in jobs] == [7]
    assert [vnode.vnode for vnode in changes.vnodes] == [jobs[0].claim.vnode]


def test_vnodes_and_nodes_are_taken_in_the_order_in_which_they_were_chosen() -> None:
    state = state_with(PENDING)
    state.apply(Changes(members=(make_member(due_at=NOW),)))
    rows = list_candidates(state, SETTINGS, NOW)

    for chosen in (rows, rows[::-1]):
        jobs, _ = assign(state, SETTINGS, chosen, [1, 2], CLAIMANT, NOW)
        assert [(job.claim.key, job.claim.slot) for job in jobs] == [(row.key, at) for at, row in enumerate(chosen, 1)]
        assert [job.assignment.key for job in jobs] == [row.key for row in chosen]


def test_only_a_set_up_under_a_name_from_before_tears_that_down_first() -> None:
    def leftovers(vnode: Vnode) -> tuple[Leftover, ...]:
        return tuple(piece for piece, _ in assigned(state_with(vnode)).assignment.leftovers)

    assert leftovers(PENDING) == ()
    assert leftovers(replace(PENDING, vnode="plabctl-old")) == (replace(LEFT, since_at=NOW),)
    assert leftovers(UP) == leftovers(replace(UP, state=VnodeState.LEAVING)) == ()
