"""One tick, the whole story: claim, probe, settle, deliver.

I/O. What is decided is decided in `plabctl.core` (`claim`, `settle`); here it is carried out. The lock of the state is
held for a step only, never while a probe runs. Go on with `claims` and `flight` for the slots, `deliver` for telling.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field, replace

from plabctl.app import claims
from plabctl.app.canaries import Canaries
from plabctl.app.context import App, check_pools
from plabctl.app.deliver import Delivery
from plabctl.app.errands import Errand
from plabctl.app.flight import Flight, refused
from plabctl.app.inventories import sync
from plabctl.app.signals import Stop
from plabctl.core import budget, fairness, guard, outbox
from plabctl.core.claim import Claimant, candidates
from plabctl.core.events import new_token
from plabctl.core.experiments import judge, roster, work
from plabctl.core.model import Claim, Outcome, Report, TickMark
from plabctl.core.pools.base import build_pools
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.store.boot import boot_id
from plabctl.store.session import Session
from plabctl.store.slots import Slots

POLL_S = 0.01
"""How often a tick that waits for a slot of another process tries to lock one."""
OTHERS_S = 0.3
"""How long a tick that was asked for nodes that others are testing waits before it looks at them again."""
ERRAND_S = 1.0
"""How long a tick with an errand lets its probes run before it looks whether more has become due, or all is done."""
LOOK_S = 0.1
"""How often a tick that merely waits for its probes looks up: was it told to stop, has a newer one taken over?"""
LEAST_AHEAD = 3
"""How many claims are kept in hand at least, for slots that come free before the next step."""
REST_S = 0.05
"""The least pause between two steps; a costly step is followed by a pause of four times its length."""


@dataclass(slots=True)
class Run:
    """What one tick knows while it runs."""

    app: App
    flight: Flight
    slots: Slots
    delivery: Delivery
    stop: Stop
    claimant: Claimant
    canaries: Canaries
    errand: Errand | None
    """What it was asked for; None for whatever is due."""
    is_errand_done: bool = False
    reports: list[Report] = field(default_factory=list)
    waiting_count: int = 0
    """How many due members found no slot at the last look."""
    settled_count: int = 0
    last_batch: int = 0
    is_newest: bool = True
    is_guarded: bool = True
    """Whether the guard was on at the last step; it may be on at the first."""
    rest_until: float = 0.0

    @property
    def is_leaving(self) -> bool:
        """Say whether this tick claims no more, but drains what it has."""
        return bool(self.stop) or not self.is_newest or self.is_late

    @property
    def is_late(self) -> bool:
        """Say whether whoever waits for the errand waits no longer."""
        end_uptime_s = self.errand.end_uptime_s if self.errand else None
        return end_uptime_s is not None and self.app.clock.uptime() >= end_uptime_s

    @property
    def is_over(self) -> bool:
        """Say whether there is nothing left to run, to settle or to wait for."""
        if self.flight.running_count or self.flight.in_hand_count or self.reports:
            return False
        is_waiting = self.waiting_count or (self.errand and not self.is_errand_done)
        return self.is_leaving or not is_waiting


def run_tick(app: App, stop: Stop, *, errand: Errand | None = None) -> int:
    """Fetch, claim, probe, settle and deliver until nothing is due; return how many probes were settled.

    With an errand, what it asks for is done here and now, or waited for when another tick is at it; nothing else is
    claimed. Raise StoreError when the state cannot be read or written, and
    InventoryFault, after all else is done, when a source of nodes could not be read.
    """
    faults = sync(app) if errand is None else []
    rng = random.Random()  # noqa: S311 - names and jitter, no secrets
    claimant = Claimant(TickMark(new_token(rng), app.clock.now()), boot_id(), rng)
    slots = Slots(app.state_dir, app.settings.window, app.settings.origin.owners)
    flight = Flight(app, slots)
    canaries = Canaries(app.settings.guard.canary, app.clock)
    run = Run(app, flight, slots, Delivery(app), stop, claimant, canaries, errand)
    snapshot, now = app.store.snapshot(), app.clock.now()
    if errand.rows(snapshot, app.settings, now) if errand else candidates(snapshot, app.settings, now):
        # Before the older ticks are told to claim no more: their slots would wait for our imports.
        flight.prepare()
    step(run)
    while not run.is_over:
        wait(run)
        if is_time_for_step(run):
            step(run)
    run.delivery.finish()
    if faults:
        raise faults[0]
    return run.settled_count


def wait(run: Run) -> None:
    """Wait for a probe to end, or for a slot of another process to come free."""
    if run.stop or run.is_late:
        run.flight.interrupt()
    wanted = run.waiting_count + run.flight.in_hand_count
    needs_slot = wanted and not run.is_leaving
    run.reports += run.flight.collect(POLL_S if needs_slot or run.reports else LOOK_S)
    if needs_slot and not run.flight.idle:
        run.flight.take_slots(wanted)


def is_time_for_step(run: Run) -> bool:
    """Say whether the state has to be visited: to settle, to claim for a free slot, or to give claims back."""
    rested_s = run.app.clock.monotonic() - run.rest_until
    has_landed = bool(run.reports) and not run.flight.running_count  # nothing more will come to settle with these
    if rested_s < 0 and not has_landed and not run.stop:
        return False
    if run.is_newest and run.errand is None and run.app.store.newest_tick() not in {run.claimant.mark.id, None}:
        run.is_newest = False
        return True
    can_claim = run.flight.idle and run.waiting_count
    waits_for_others = run.errand and (not run.flight.running_count or rested_s > ERRAND_S)
    return bool(run.reports or run.stop or waits_for_others or can_claim or run.delivery.has_news)


def step(run: Run) -> None:
    """Visit the state once: settle what ended, claim for the slots that are free, commit both together, then launch."""
    failed = any(report.outcome is Outcome.FAIL and not report.experiment for report in run.reports)
    may_be_cut_off = run.is_guarded or failed
    is_cut_off = run.canaries.are_all_silent() if may_be_cut_off else None
    began = run.app.clock.monotonic()
    with run.app.store.session() as state:
        now = run.app.clock.now()
        run.claimant = replace(run.claimant, uptime_s=run.app.clock.uptime())
        settle_reports(run, state, now, is_cut_off=is_cut_off)
        state.apply(roster.reconcile(state, run.app.settings, now, run.claimant.rng))
        state.apply(budget.adjust(state, run.app.settings, now))
        taken = claim_due(run, state, now)
        state.apply(run.delivery.changes())
        state.apply(outbox.trimmed(state.outbox, now, run.claimant.rng))
        run.delivery.look_at(state)
    # Launching is not counted: the first one imports fabric, and slots would stand idle for four times as long.
    ended = run.app.clock.monotonic()
    # Others wait for the slots of a tick that is leaving.
    run.rest_until = ended + (ended - began if run.is_leaving else max(REST_S, 4 * (ended - began)))
    if run.errand and not taken.work:
        run.rest_until += OTHERS_S
    run.waiting_count = taken.waiting_count
    run.flight.launch(taken.work)
    run.reports += [refused(claim, f"recipe {claim.recipe!r} is not configured", now) for claim in taken.impossible]
    run.flight.release_idle()
    run.delivery.committed()
    run.delivery.begin()


def settle_reports(run: Run, state: Session, now: float, *, is_cut_off: bool | None) -> None:
    """Apply the reports of ended probes as the guard lets them; give back what will not be started soon.

    Claims that run in another slot than they were made for say so from now on.
    """
    reports, run.reports = run.reports, []
    settings, rng = run.app.settings, run.claimant.rng
    run.settled_count += len(reports)
    state.apply(fairness.count_use(state, reports, now))
    tests = [report for report in reports if not report.experiment]
    watch, changes = guard.evaluate(state, settings, tests, now, is_cut_off=is_cut_off)
    state.apply(changes)
    run.is_guarded = bool(watch.watches)
    state.apply(settle(state, tests, build_pools(settings), now, rng, watch))
    state.apply(judge.settle(state, [report for report in reports if report.experiment], settings.experiment, now, rng))
    given = [claim for claim in run.flight.give_back(everything=run.is_leaving) if is_current(state, claim)]
    moved = [claim for claim in run.flight.moved() if is_current(state, claim)]
    run.last_batch = max(len(reports), len(moved))
    state.apply(
        Changes(
            claims=tuple(replace(state.claims[claim.key], slot=claim.slot) for claim in moved),
            vnodes=work.given_back(state, given),
            released=tuple(claim.key for claim in given),
        )
    )


def is_current(state: Session, claim: Claim) -> bool:
    """Say whether `claim` still stands in the state: others may have voided it meanwhile."""
    stored = state.claims.get(claim.key)
    return stored is not None and stored.token == claim.token


def claim_due(run: Run, state: Session, now: float) -> claims.Taken:
    """Claim what is due, unless this tick is leaving, a newer one has taken over, or the machine is too busy."""
    settings = run.app.settings
    run.is_errand_done = run.errand is None or run.errand.is_done(state)
    # A tick that started later than now did so before the clock was set back, and is no newer than we are.
    if run.errand is None and state.tick and run.claimant.mark.started_at < state.tick.started_at <= now:
        run.is_newest = False
    overloaded = run.errand is None and 0 < settings.max_load < os.getloadavg()[0]
    if run.is_leaving or overloaded or (run.errand and run.is_errand_done):
        return claims.Taken()
    check_pools(settings, state)
    ahead = min(settings.window, 2 * run.last_batch + LEAST_AHEAD)
    return claims.take(state, settings, run.flight, run.slots, run.claimant, now, ahead=ahead, errand=run.errand)
