"""Carrying out a claim: which claims are dead, which slots are ours, and what to hand to the runner.

I/O on the slots; the decisions are `plabctl.core.claim`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plabctl.app.goals import TickGoal
from plabctl.app.slots_in_use import SlotsInUse
from plabctl.core import claim as claiming
from plabctl.core import fairness
from plabctl.core.assignment import Assignment
from plabctl.core.due_rows import Due
from plabctl.core.experiments import claim_vnodes
from plabctl.core.model import Claim, Leftover
from plabctl.core.recipe import Recipe
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.store.session import Session
from plabctl.store.slots import Slots


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What one claim brought: work to launch, claims that cannot be started, and how many members must wait."""

    work: tuple[tuple[Claim, Assignment], ...] = ()
    impossible: tuple[Claim, ...] = ()
    waiting_count: int = 0


def find_dead_claims(state: State, slots: Slots, claimant: claiming.Claimant, now: float) -> dict[str, str]:
    """Return the claims whose holder is gone, and why we think so.

    A slot that we hold ourselves cannot be its holder's any more: whoever lets go of a slot has ended or settled every
    claim in it first, or is dead.
    """
    dead = {}
    for name, claim in state.claims.items():
        if claim.tick == claimant.mark.id:
            continue
        why = claiming.find_void_reason(claim, claimant, now)
        if why is None and (claim.slot in slots.held or slots.is_free(claim.slot)):
            why = "its tick is gone"
        if why:
            dead[name] = why
    return dead


def claim_members(
    state: Session,
    settings: Settings,
    slots_in_use: SlotsInUse,
    slots: Slots,
    claimant: claiming.Claimant,
    now: float,
    *,
    ahead: int,
    tick_goal: TickGoal | None,
) -> ClaimResult:
    """Void dead claims, lock slots, claim due members for them and `ahead` more to keep in hand.

    With a goal, only what that asks for is taken, and the window stays the business of the tick that fills it.
    """
    dead = find_dead_claims(state, slots, claimant, now)
    if dead:
        state.apply(claiming.void_claims(state, dead, now))
    rows = tick_goal.find_due(state, settings, now) if tick_goal else claiming.list_candidates(state, settings, now)
    slots_in_use.take_slots(min(len(rows) + slots_in_use.in_hand_count, settings.window) - len(slots_in_use.idle))
    free = list(slots_in_use.idle)
    if slots.held:
        # The claims kept in hand name a slot that we hold, so that others see them alive; see `Flight.moved`.
        free += [min(slots.held)] * max(0, ahead - slots_in_use.in_hand_count)
    shares = fairness.compute_shares(state, settings, now)
    choice = claiming.choose_rows(rows, state.claims.values(), len(free), now, shares)
    claims, plans = _claim_rows(state, settings, choice.rows, free, claimant, now)
    if tick_goal is None and state.tick != claimant.mark and (claims or choice.waiting_count):
        state.apply(Changes(tick=claimant.mark))
    return _prepare(state, settings, claims, plans, choice.waiting_count)


def _claim_rows(
    state: Session,
    settings: Settings,
    rows: Sequence[Due],
    slots: Sequence[int],
    claimant: claiming.Claimant,
    now: float,
) -> tuple[list[Claim], dict[str, claiming.ProbePlan]]:
    """Claim `rows`, each with the slot at the same place; return the claims in the order of the rows, and their plans.

    A claim whose recipe is not configured has no plan.
    """
    pairs = list(zip(rows, slots, strict=False))
    claims: dict[str, Claim] = {}
    plans: dict[str, claiming.ProbePlan] = {}
    for build_claims, is_vnode in ((claiming.build_claims, False), (claim_vnodes.build_vnode_claims, True)):
        own = [(row, slot) for row, slot in pairs if bool(row.experiment) is is_vnode]
        if own:
            planned = build_claims(state, settings, [row for row, _ in own], [slot for _, slot in own], claimant, now)
            state.apply(planned.changes)
            claims.update({claim.key: claim for claim in planned.changes.claims})
            plans.update(planned.plans)
    return [claims[row.key] for row, _ in pairs], plans


def _prepare(
    state: State,
    settings: Settings,
    claims: Sequence[Claim],
    plans: Mapping[str, claiming.ProbePlan],
    waiting_count: int,
) -> ClaimResult:
    ready, impossible = [], []
    for claim in claims:
        plan = plans.get(claim.key)
        if plan is None:
            assignment = None
        elif claim.experiment:
            assignment = _build_vnode_work(state, claim, plan)
        else:
            assignment = _build_health_test(state, settings, claim, plan)
        if assignment:
            ready.append((claim, assignment))
        else:
            impossible.append(claim)
    return ClaimResult(tuple(ready), tuple(impossible), waiting_count)


def _build_health_test(state: State, settings: Settings, claim: Claim, plan: claiming.ProbePlan) -> Assignment | None:
    node, member = state.node(claim.node), state.member(claim.node)
    if not (node and member):
        return None
    return Assignment(
        node=node,
        token=claim.token,
        recipe=plan.recipe,
        vnode=claim.vnode,
        pool=claim.pool,
        leftovers=tuple((piece, _find_recipe(settings, piece)) for piece in member.debris),
        deadline_s=plan.longest_s,
        begin_by_uptime_s=claim.begin_by_uptime_s(plan.longest_s),
        connect_timeout_s=plan.connect_timeout_s,
        lowered=plan.lowered,
    )


def _build_vnode_work(state: State, claim: Claim, plan: claiming.ProbePlan) -> Assignment | None:
    vnode = state.vnode(claim.key)
    if vnode is None:
        return None
    return Assignment(
        node=vnode.find_node(state.node(claim.node)),
        token=claim.token,
        recipe=plan.recipe,
        vnode=claim.vnode,
        pool=claim.pool,
        experiment=claim.experiment,
        goal=claim.goal,
        leftovers=tuple((piece, plan.recipe) for piece in claim_vnodes.list_leftovers(claim)),
        deadline_s=plan.longest_s,
        begin_by_uptime_s=claim.begin_by_uptime_s(plan.longest_s),
    )


def _find_recipe(settings: Settings, piece: Leftover) -> Recipe:
    """Return the recipe that made a piece of debris; one without stages when the configuration has it no more."""
    return settings.recipes.get(piece.recipe, Recipe(piece.recipe))
