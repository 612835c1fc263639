"""Carrying out a claim: which claims are dead, which slots are ours, and what to hand to the runner.

I/O on the slots; the decisions are `plabctl.core.claim`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plabctl.app.flight import Flight
from plabctl.core import claim as claiming
from plabctl.core.assignment import Assignment
from plabctl.core.deadlines import Lessons
from plabctl.core.model import Claim, Debris
from plabctl.core.recipe import Recipe
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.store.session import Session
from plabctl.store.slots import Slots


@dataclass(frozen=True, slots=True)
class Taken:
    """What one claim brought: work to launch, claims that cannot be started, and how many members must wait."""

    work: tuple[tuple[Claim, Assignment], ...] = ()
    impossible: tuple[Claim, ...] = ()
    waiting_count: int = 0


def dead_claims(state: State, slots: Slots, claimant: claiming.Claimant, now: float) -> dict[str, str]:
    """Return the claims whose holder is gone, and why we think so.

    A slot that we hold ourselves cannot be its holder's any more: whoever lets go of a slot has ended or settled every
    claim in it first, or is dead.
    """
    dead = {}
    for name, claim in state.claims.items():
        if claim.tick == claimant.mark.id:
            continue
        why = claiming.void_reason(claim, claimant.boot, now)
        if why is None and (claim.slot in slots.held or slots.is_free(claim.slot)):
            why = "its tick is gone"
        if why:
            dead[name] = why
    return dead


def take(
    state: Session,
    settings: Settings,
    flight: Flight,
    slots: Slots,
    claimant: claiming.Claimant,
    now: float,
    *,
    ahead: int,
    only: set[str] | None,
) -> Taken:
    """Void dead claims, lock slots, claim due members for them and `ahead` more to keep in hand.

    With `only`, nothing but these nodes is taken, and the window stays the business of the tick that fills it.
    """
    dead = dead_claims(state, slots, claimant, now)
    if dead:
        state.apply(claiming.void(state, dead, now))
    rows = claiming.candidates(state, settings, now, only=only)
    flight.take_slots(min(len(rows) + flight.in_hand_count, settings.window) - len(flight.idle))
    free = list(flight.idle)
    if slots.held:
        # The claims kept in hand name a slot that we hold, so that others see them alive; see `Flight.moved`.
        free += [min(slots.held)] * max(0, ahead - flight.in_hand_count)
    choice = claiming.choose(rows, state.claims.values(), len(free), now)
    changes = claiming.claims_for(state, settings, choice.rows, free, claimant, now)
    state.apply(changes)
    if only is None and state.tick != claimant.mark and (changes or choice.waiting_count):
        state.apply(Changes(tick=claimant.mark))
    return _prepared(state, settings, changes.claims, choice.waiting_count, now)


def _prepared(state: State, settings: Settings, claims: Sequence[Claim], waiting_count: int, now: float) -> Taken:
    work, impossible = [], []
    lessons = Lessons(state.notes, settings)
    for claim in claims:
        node, member, recipe = state.node(claim.node), state.member(claim.node), settings.recipes.get(claim.recipe)
        if not (node and member and recipe):
            impossible.append(claim)
            continue
        debris = tuple((piece, _recipe_of(settings, piece)) for piece in member.debris)
        plan = lessons.plan(member, recipe, now)
        assignment = Assignment(
            node=node,
            token=claim.token,
            recipe=plan.applied(recipe),
            vnode=claim.vnode,
            pool=claim.pool,
            debris=debris,
            deadline_s=plan.longest_s(recipe),
            connect_timeout_s=plan.connect_s,
            lowered=plan.lowered,
        )
        work.append((claim, assignment))
    return Taken(tuple(work), tuple(impossible), waiting_count)


def _recipe_of(settings: Settings, piece: Debris) -> Recipe:
    """Return the recipe that made a piece of debris; one without stages when the configuration has it no more."""
    return settings.recipes.get(piece.recipe, Recipe(piece.recipe))
