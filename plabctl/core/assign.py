"""Make a claim and an assignment for each member that was chosen.

Pure. `plabctl.core.claim` chooses, for health pools and experiments alike; `plabctl.core.settle` judges the reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from plabctl.core.assignment import Assignment
from plabctl.core.claim import GRACE_S, Claimant, build_vnode_name
from plabctl.core.due_rows import Due
from plabctl.core.events import make_token
from plabctl.core.model import Claim, Goal, Leftover, Node
from plabctl.core.recipe import Recipe
from plabctl.core.settings import LivenessSettings, Settings
from plabctl.core.state import Changes, State
from plabctl.core.timeouts import LearnedTimeouts
from plabctl.values import replace


class Job(NamedTuple):
    """A claim and its assignment; no assignment when the recipe is not configured."""

    claim: Claim
    assignment: Assignment


def assign(
    state: State, settings: Settings, rows: Sequence[Due], slots: Sequence[int], claimant: Claimant, now: float
) -> tuple[list[Job], Changes]:
    """Return the jobs by which `claimant` takes `rows`, each with the slot at the same place in `slots`.

    The changes make the claims. The name of an experiment's vnode is stored with its claim, before anything is done
    on the node: after a crash the vnode can be torn down by that name.
    """
    timeouts = LearnedTimeouts(state.notes, settings)
    list_away = _make_lister(state, settings) if settings.executor.second_opinion else None
    jobs, named = [], []
    for row, slot in zip(rows, slots, strict=False):
        token = make_token(claimant.rng)
        assignment = Assignment(
            node=state.node(row.node) or Node(row.node),
            token=token,
            recipe=Recipe(""),
            vnode=build_vnode_name(token),
            pool=row.pool,
            deadline_s=0.0,
            experiment=row.experiment,
            begin_by_uptime_s=claimant.begin_by_uptime_s,
        )
        if row.is_check:
            assignment = _plan_check(state, settings, assignment)
        elif row.experiment:
            assignment = _plan_vnode(state, settings, assignment, now)
        else:
            assignment = _plan_test(state, settings, assignment, timeouts, now)
        if list_away:
            assignment = replace(assignment, away_from=list_away(row))
        jobs.append(Job(claimant.claim(assignment, slot, now), assignment))
        if vnode := state.vnode(row.key) if row.experiment else None:
            named.append(replace(vnode, vnode=assignment.vnode))
    return jobs, Changes(claims=tuple(job.claim for job in jobs), vnodes=tuple(named))


def _make_lister(state: State, settings: Settings) -> Callable[[Due], tuple[str, ...]]:
    """Return what lists the vantages that the probe of a row is not to be made from."""
    from plabctl.core import vantage  # most testbeds have one
    from plabctl.core.guard.model import read_guard

    guard, known = read_guard(state), vantage.VANTAGES_NOTE.read(state.notes)

    def list_away(row: Due) -> tuple[str, ...]:
        member = state.member(row.node)
        if member is None:
            return ()
        looked_from = vantage.find_look(member) if row.is_check else None
        if looked_from is not None:
            return vantage.list_others(member, looked_from, known)
        return vantage.list_away(member, settings, guard)

    return list_away


def rebuild_assignment(state: State, settings: Settings, claim: Claim) -> Assignment:
    """Return what is needed of the assignment of a claim that another tick made, to report for it."""
    return Assignment(
        node=state.node(claim.node) or Node(claim.node),
        token=claim.token,
        recipe=settings.recipes.get(claim.recipe, Recipe(claim.recipe)),
        vnode=claim.vnode,
        pool=claim.pool,
        deadline_s=max(0.0, claim.deadline_at - claim.started_at - GRACE_S),
        experiment=claim.experiment,
        goal=claim.goal,
    )


def _plan_test(
    state: State, settings: Settings, blank: Assignment, timeouts: LearnedTimeouts, now: float
) -> Assignment:
    """Return the health test of a node, with the time-outs that were learned for it."""
    recipes, member = settings.recipes, state.member(blank.node.name)
    assert member, "the row was made from a member"
    name = settings.find_recipe_name(blank.node.variables, blank.pool)
    # Nothing can be done about a leftover whose recipe is configured no more.
    leftovers = tuple((piece, recipes.get(piece.recipe, Recipe(piece.recipe))) for piece in member.leftovers)
    if name not in recipes:
        return replace(blank, recipe=Recipe(name), leftovers=leftovers)
    allowed = timeouts.plan_probe(member, recipes[name], now)
    limited = allowed.apply_to(recipes[name])
    return replace(
        blank,
        recipe=limited,
        deadline_s=limited.compute_longest_s(allowed.connect_s),
        leftovers=leftovers,
        connect_timeout_s=allowed.connect_s,
        address=member.address,
        lowered=allowed.lowered,
    )


def _plan_check(state: State, settings: Settings, blank: Assignment) -> Assignment:
    """Return a login without a vnode: leftovers stay, and its time-outs are not those learned from tests."""
    own = settings.pools[blank.pool].liveness or LivenessSettings()
    recipe = settings.recipes.get(own.recipe, Recipe(own.recipe))
    member = state.member(blank.node.name)
    return replace(
        blank,
        recipe=recipe,
        vnode="",
        goal=Goal.LIVENESS,
        deadline_s=recipe.compute_longest_s(settings.ssh.connect_timeout_s, Goal.LIVENESS),
        address=member.address if member else "",
    )


def _plan_vnode(state: State, settings: Settings, blank: Assignment, now: float) -> Assignment:
    """Return the work on an experiment's vnode; what an earlier try may have left under its name is torn down first."""
    vnode, name = state.vnode(blank.key), state.experiments[blank.experiment].recipe
    assert vnode, "the row was made from a member"
    recipe = settings.recipes.get(name, Recipe(name))
    is_tried_again = vnode.vnode and vnode.goal is Goal.SETUP
    member = state.member(vnode.node)
    return replace(
        blank,
        node=vnode.find_node(state.node(vnode.node)),
        recipe=recipe,
        vnode=vnode.vnode or blank.vnode,
        deadline_s=recipe.compute_longest_s(settings.ssh.connect_timeout_s, vnode.goal) if recipe.stages else 0.0,
        goal=vnode.goal,
        address=member.address if member else "",
        leftovers=((Leftover(vnode.vnode, name, now), recipe),) if is_tried_again else (),
    )
