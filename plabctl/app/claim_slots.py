"""Find dead claims and free slots, and claim members for the slots.

I/O on the slots; the decisions are those of `plabctl.core.claim` and `plabctl.core.assign`.
Tests: `tests/app/test_tick.py`, `tests/app/test_claim_slots.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from plabctl.app.context import App
from plabctl.app.goals import TickGoal
from plabctl.app.slots_in_use import SlotsInUse
from plabctl.core import claim as claiming
from plabctl.core import fairness
from plabctl.core.assign import Job, assign, rebuild_assignment
from plabctl.core.due_rows import Due
from plabctl.core.model import Claim
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.store.session import Session
from plabctl.store.slots import Slots


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """The result of claiming: jobs to launch, jobs that cannot be started, and how many members must wait."""

    jobs: tuple[Job, ...] = ()
    impossible: tuple[Job, ...] = ()
    waiting_count: int = 0


def find_dead_claims(state: State, slots: Slots, claimant: claiming.Claimant, now: float) -> dict[str, str]:
    """Return the claims whose holder is gone, and why we think so.

    A slot that we hold ourselves no longer belongs to the holder of the claim: a process ends or settles every claim in
    a slot before it releases it, unless it dies.
    """
    dead = {}
    for name, claim in state.claims.items():
        if claim.tick == claimant.mark.id:
            continue
        why = claiming.find_void_reason(claim, claimant, now)
        if why is None and not claim.elsewhere and (claim.slot in slots.held or slots.is_free(claim.slot)):
            why = "its tick is gone"
        if why:
            dead[name] = why
    return dead


def is_current(state: Session, claim: Claim) -> bool:
    """Return whether `claim` still stands in the state: others may have voided it meanwhile."""
    stored = state.claims.get(claim.key)
    return stored is not None and stored.token == claim.token


def is_anything_to_do(app: App, slots_in_use: SlotsInUse, slots: Slots) -> bool:
    """Return whether something is due, or a test is made elsewhere for which no tick waits any more."""
    state = app.store.snapshot()
    if claiming.shortlist_candidates(state, app.settings, app.clock.now(), 0).total:
        return True
    return slots_in_use.is_elsewhere and any(
        claim.elsewhere and slots.is_free(claim.slot) for claim in state.claims.values()
    )


def give_back(state: Session, slots_in_use: SlotsInUse, *, everything: bool) -> None:
    """Give up claims in hand, all of them or the stale ones."""
    given = slots_in_use.give_back(everything=everything)
    state.apply(claiming.give_back(state, [claim for claim in given if is_current(state, claim)]))


def find_orphans(state: State, slots: Slots, claimant: claiming.Claimant, now: float) -> list[Claim]:
    """Return the claims of others whose tests are made elsewhere and whose tick is gone.

    These tests go on, so each counts against the window as long as its claim is not void.
    """
    return [
        claim
        for claim in state.claims.values()
        if claim.elsewhere
        and claim.tick != claimant.mark.id
        and claiming.find_void_reason(claim, claimant, now) is None
        and (claim.slot in slots.held or slots.is_free(claim.slot))
    ]


def _list_due(state: State, settings: Settings, tick_goal: TickGoal | None, now: float) -> list[Due] | None:
    """Return what may be claimed, where all of that has to be looked at; None where the first of it will do."""
    if tick_goal:
        return tick_goal.find_due(state, settings, now)
    return claiming.list_candidates(state, settings, now) if settings.occupancies else None


@dataclass(frozen=True, slots=True)
class ClaimStep:
    """One step of a tick, in which it claims: the state and the slots as they are, at the instant `now`."""

    state: Session
    settings: Settings
    slots_in_use: SlotsInUse
    slots: Slots
    claimant: claiming.Claimant
    now: float

    def claim(self, ahead: int, tick_goal: TickGoal | None) -> ClaimResult:
        """Void dead claims, lock slots, claim due members for them and `ahead` more to keep in hand.

        With a goal, only what it asks for is claimed; filling the window is left to the newest tick.
        """
        state, settings, slots_in_use, now = self.state, self.settings, self.slots_in_use, self.now
        if dead := find_dead_claims(state, self.slots, self.claimant, now):
            state.apply(claiming.void_claims(state, dead, now))
        is_elsewhere = self.claimant.elsewhere
        slots_in_use.heeds_orphans = is_elsewhere or any(claim.elsewhere for claim in state.claims.values())
        rows = _list_due(state, settings, tick_goal, now)
        total = claiming.shortlist_candidates(state, settings, now, 0).total if rows is None else len(rows)
        slots_in_use.reserved_count = 0  # until they are counted anew
        slots_in_use.take_slots(min(total + slots_in_use.in_hand_count, settings.window) - len(slots_in_use.idle))
        if slots_in_use.heeds_orphans:
            self._heed_orphans(may_adopt=is_elsewhere and tick_goal is None)
        free = list(slots_in_use.idle)
        if self.slots.held:
            # Those kept in hand name a slot that we hold, so that others see them alive; see `SlotsInUse.pop_moved`.
            free += [min(self.slots.held)] * max(0, ahead - slots_in_use.in_hand_count)
        if rows is None:
            rows = claiming.shortlist_candidates(state, settings, now, len(free)).rows
        shares = fairness.compute_shares(state, settings, now)
        chosen = claiming.choose_rows(rows, state.claims.values(), len(free), now, shares).rows
        jobs, changes = assign(state, settings, chosen, free, self.claimant, now)
        state.apply(changes)
        if tick_goal is None and state.tick != self.claimant.mark and total:
            state.apply(Changes(tick=self.claimant.mark))
        possible = tuple(job for job in jobs if job.claim.recipe in settings.recipes)
        impossible = tuple(job for job in jobs if job.claim.recipe not in settings.recipes)
        return ClaimResult(possible, impossible, total - len(chosen))

    def _heed_orphans(self, *, may_adopt: bool) -> None:
        """Take over the tests that are made elsewhere and whose tick is gone; leave slots for those that are left over.

        They come before all that is to be begun. Call it with the slots locked that are to be used: a tick that is
        killed later had its own.
        """
        state, slots_in_use, claimant, now = self.state, self.slots_in_use, self.claimant, self.now
        left_count, adopted = 0, []
        for claim in find_orphans(state, self.slots, claimant, now):
            if slots_in_use.has(claim):
                continue
            slot = slots_in_use.take_one(claim.slot) if may_adopt else None
            if slot is None:
                left_count += 1
                continue
            own = replace(claim, tick=claimant.mark.id, slot=slot)
            adopted.append(own)
            remaining_s = claiming.compute_remaining_s(claim, claimant, now)
            slots_in_use.adopt(own, rebuild_assignment(state, self.settings, claim), remaining_s)
        state.apply(Changes(claims=tuple(adopted)))
        if slots_in_use.reserve(left_count):
            give_back(state, slots_in_use, everything=True)  # they may name a slot that was given up
        slots_in_use.start_in_hand()
