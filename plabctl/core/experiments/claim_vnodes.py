"""Taking members of experiments for a probe: what is to be done, under which name, and by when.

Pure. Which members are taken is decided by `plabctl.core.claim` for all pools alike. What came of it is for `judge`.
"""

from __future__ import annotations

from collections.abc import Sequence

from plabctl.core.claim import Claimant, PlannedClaims, ProbePlan, build_vnode_name
from plabctl.core.due_rows import Due
from plabctl.core.experiments.model import Vnode
from plabctl.core.model import Claim, Goal, Leftover
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.values import replace


def build_vnode_claims(
    state: State, settings: Settings, rows: Sequence[Due], slots: Sequence[int], claimant: Claimant, now: float
) -> PlannedClaims:
    """Return the claims by which `claimant` takes `rows`, all of experiments, each with the slot at the same place.

    A vnode's name is written down with the claim, before anything is done on the node: whoever dies at it leaves a
    name by which the vnode can be torn down.
    """
    claims, vnodes, plans = [], [], {}
    for row, slot in zip(rows, slots, strict=False):
        vnode, experiment = state.vnode(row.key), state.experiments[row.experiment]
        if vnode is None:
            raise AssertionError(f"the row {row.key!r} was made from a member")
        recipe = settings.recipes.get(experiment.recipe)
        longest_s = recipe.compute_longest_s(settings.ssh.connect_timeout_s, vnode.goal) if recipe else 0.0
        claim = claimant.claim(row, slot, experiment.recipe, longest_s, now, vnode=vnode.vnode, goal=vnode.goal)
        claims.append(claim)
        vnodes.append(replace(vnode, vnode=claim.vnode))
        if recipe:
            plans[claim.key] = ProbePlan(recipe, longest_s)
    return PlannedClaims(Changes(claims=tuple(claims), vnodes=tuple(vnodes)), plans)


def list_leftovers(claim: Claim) -> tuple[Leftover, ...]:
    """Return what is torn down before the set-up: the vnode itself, when an earlier try may have left something."""
    if claim.goal is not Goal.SETUP or is_fresh(claim):
        return ()
    return (Leftover(claim.vnode, claim.recipe, claim.started_at),)


def give_back_vnodes(state: State, claims: Sequence[Claim]) -> tuple[Vnode, ...]:
    """Return the members of `claims`, none of which was started: a name that was made for one was never used."""
    members = [(claim, state.vnode(claim.key)) for claim in claims if claim.experiment]
    return tuple(replace(vnode, vnode="") for claim, vnode in members if vnode and is_fresh(claim))


def is_fresh(claim: Claim) -> bool:
    """Return whether the vnode has its name from this very claim, so that nothing can be left of an earlier one."""
    return claim.vnode == build_vnode_name(claim.token)
