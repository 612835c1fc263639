"""One tick, the whole story: claim, probe, settle, deliver.

I/O. What is decided is decided in `plabctl.core` (`claim`, `settle`); here it is carried out. The lock of the state is
held for a step only, never while a probe runs. Go on with `claim_slots` and `slots_in_use` for the slots, `deliver` for
telling.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from plabctl.app import claim_slots
from plabctl.app.background import Background
from plabctl.app.canaries import Canaries
from plabctl.app.context import App, check_pools
from plabctl.app.deliver import Delivery
from plabctl.app.drop_recorded import drop_recorded
from plabctl.app.goals import OnProgress, TickGoal, ignore_progress
from plabctl.app.signals import Stop
from plabctl.app.sink_sync import make_delivery
from plabctl.app.slots_in_use import SlotsInUse, compute_rest
from plabctl.app.sync_sources import sync_due_sources
from plabctl.app.tell_faults import put_faults
from plabctl.clock import read_boot_id
from plabctl.core import adaptive_scale, fairness, outbox
from plabctl.core.claim import Claimant
from plabctl.core.events import make_token
from plabctl.core.experiments import membership
from plabctl.core.guard import evaluate
from plabctl.core.model import Cause, Outcome, Report, TickMark
from plabctl.core.pools.base import build_pools
from plabctl.core.settle import settle
from plabctl.core.state import Changes
from plabctl.executors.base import build_substitute
from plabctl.store.session import Session
from plabctl.store.slots import Slots

POLL_S = 0.01
"""How often a tick that waits for a slot of another process tries to lock one."""
OTHERS_POLL_S = 0.3
"""How long a tick that was asked for nodes that others are testing waits before it looks at them again."""
GOAL_POLL_S = 1.0
"""How long a tick with a goal lets its probes run before it looks whether more has become due, or all is done."""
CHECK_S = 0.1
"""How often a tick that merely waits for its probes looks up: was it told to stop, has a newer one taken over?"""
MIN_AHEAD = 3
"""How many claims are kept in hand at least, for slots that come free before the next step."""


@dataclass(slots=True)
class TickRun:
    """What one tick knows while it runs."""

    app: App
    slots_in_use: SlotsInUse
    slots: Slots
    delivery: Delivery
    stop: Stop
    claimant: Claimant
    canaries: Canaries
    goal: TickGoal | None
    """What it was asked for; None for whatever is due."""
    has_begun: bool = False
    """Whether what the goal orders is committed."""
    is_goal_done: bool = False
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
        """Return whether this tick claims no more, but drains what it has."""
        return bool(self.stop) or not self.is_newest or self.has_timed_out

    @property
    def has_timed_out(self) -> bool:
        """Return whether the caller timed out."""
        end_uptime_s = self.goal.end_uptime_s if self.goal else None
        return end_uptime_s is not None and self.app.clock.uptime() >= end_uptime_s

    @property
    def left_count(self) -> int:
        """How many tests are running, to be settled, or due."""
        in_use = self.slots_in_use
        return in_use.running_count + in_use.in_hand_count + len(self.reports) + self.waiting_count

    @property
    def is_over(self) -> bool:
        """Return whether there is nothing left to run, to settle or to wait for."""
        if self.slots_in_use.running_count or self.slots_in_use.in_hand_count or self.reports:
            return False
        is_waiting = self.waiting_count or (self.goal and not self.is_goal_done)
        return self.is_leaving or not is_waiting


def run_tick(
    app: App,
    stop: Stop,
    *,
    tick_goal: TickGoal | None = None,
    on_begun: Callable[[], None] = lambda: None,
    on_progress: OnProgress = ignore_progress,
    background: Background | None = None,
) -> int:
    """Fetch, claim, probe, settle and deliver until nothing is due; return how many probes were settled.

    With a goal, only what it asks for is done, or waited for when another tick is at it; `on_begun` is called once its
    orders are committed. Slow sinks are left to `background`. Raise StoreError, or in the end the fault of a source.
    """
    faults = sync_due_sources(app) if tick_goal is None else []
    run = make_run(app, stop, tick_goal)
    if tick_goal or claim_slots.is_anything_to_do(app, run.slots_in_use, run.slots):
        run.slots_in_use.prepare()  # before older ticks are told to claim no more: slots would wait for our imports
    step(run)
    if tick_goal:
        run.delivery.record_outbox()  # what a person orders is in the history at once
        on_begun()
    if faults:
        put_faults(app, run.delivery.note_outbox)  # the tests may take half an hour
    while not run.is_over:
        wait(run)
        if is_step_due(run):
            step(run)
        on_progress(run.settled_count, run.settled_count + run.left_count)
    run.slots_in_use.close()
    if tick_goal is None and not stop:
        put_faults(app, run.delivery.note_outbox)
    run.delivery.finish(lambda: bool(stop), background)
    if faults:
        raise faults[0]
    return run.settled_count


def make_run(app: App, stop: Stop, tick_goal: TickGoal | None) -> TickRun:
    """Return a tick that begins now."""
    rng = random.Random()
    slots = Slots(app.state_dir, app.settings.window, app.settings.origin.owners)
    in_use, canaries = SlotsInUse(app, slots), Canaries(app.settings.guard.canary, app.clock)
    claimant = Claimant(TickMark(make_token(rng), app.clock.now()), read_boot_id(), rng, elsewhere=in_use.is_elsewhere)
    return TickRun(app, in_use, slots, make_delivery(app, tick_goal), stop, claimant, canaries, tick_goal)


def wait(run: TickRun) -> None:
    """Wait for a probe to end, or for a slot of another process to come free."""
    if run.stop or run.has_timed_out:
        run.slots_in_use.interrupt()
    wanted = run.waiting_count + run.slots_in_use.in_hand_count
    needs_slot = wanted and not run.is_leaving
    run.reports += run.slots_in_use.collect(POLL_S if needs_slot or run.reports else CHECK_S)
    if needs_slot and not run.slots_in_use.idle:
        run.slots_in_use.take_slots(wanted)


def is_step_due(run: TickRun) -> bool:
    """Return whether the state has to be visited: to settle, to claim for a free slot, or to give claims back."""
    rested_s = run.app.clock.monotonic() - run.rest_until
    has_landed = bool(run.reports) and not run.slots_in_use.running_count  # nothing more will come to settle with these
    if rested_s < 0 and not has_landed and not run.stop:
        return False
    if run.is_newest and run.goal is None and run.app.store.newest_tick() not in {run.claimant.mark.id, None}:
        run.is_newest = False
        return True
    can_claim = run.slots_in_use.idle and (run.waiting_count or run.slots_in_use.waits_for_step)
    looks_again = (run.goal or run.slots_in_use.reserved_count) and rested_s > GOAL_POLL_S
    waits_for_others = looks_again or (run.goal and not run.slots_in_use.running_count)
    return bool(run.reports or run.stop or waits_for_others or can_claim or run.delivery.has_result)


def step(run: TickRun) -> None:
    """Visit the state once: settle what ended, claim for the slots that are free, commit both together, then launch."""
    failed = any(report.outcome is Outcome.FAIL and not report.experiment for report in run.reports)
    may_be_cut_off = run.is_guarded or failed
    is_cut_off = run.canaries.are_all_silent() if may_be_cut_off else None
    began = run.app.clock.monotonic()
    with run.app.store.session() as state:
        now = run.app.clock.now()
        run.claimant = replace(run.claimant, uptime_s=run.app.clock.uptime())
        if run.goal and not run.has_begun:
            state.apply(run.goal.begin(state))
        settle_reports(run, state, now, is_cut_off=is_cut_off)
        state.apply(membership.reconcile(state, run.app.settings, now, run.claimant.rng))
        state.apply(adaptive_scale.adjust_scale(state, run.app.settings, now))
        taken = claim_due(run, state, now)
        state.apply(run.delivery.build_changes(state))
        state.apply(outbox.trim_outbox(state.outbox, now, run.claimant.rng))
        run.delivery.note_outbox(state)
    run.has_begun = True
    # Not counted: launching, as the first imports fabric, and slots would stand idle for long; nor a rare new base.
    ended = run.app.clock.monotonic()
    run.rest_until = ended + compute_rest(ended - began - state.fold_s, is_leaving=run.is_leaving)
    if run.goal and not taken.jobs:
        run.rest_until += OTHERS_POLL_S
    run.waiting_count = taken.waiting_count
    run.slots_in_use.launch(taken.jobs)
    run.reports += [
        build_substitute(assignment, now, 0.0, Cause.LOCAL, f"recipe {claim.recipe!r} is not configured", begun=False)
        for claim, assignment in taken.impossible
    ]
    run.slots_in_use.release_idle()
    run.slots_in_use.acknowledge()
    run.delivery.after_commit()
    run.delivery.start()


def settle_reports(run: TickRun, state: Session, now: float, *, is_cut_off: bool | None) -> None:
    """Apply the reports of ended probes as the guard lets them; give back what will not be started soon.

    Claims that run in another slot than they were made for say so from now on.
    """
    reports, run.reports = run.reports, []
    if run.slots_in_use.is_elsewhere:
        reports = drop_recorded(run.app, state, reports)
    settings, rng = run.app.settings, run.claimant.rng
    run.settled_count += len(reports)
    state.apply(fairness.count_use(state, reports, now))
    tests = [report for report in reports if not report.experiment]
    watch, changes = evaluate.evaluate(state, settings, tests, now, is_cut_off=is_cut_off)
    state.apply(changes)
    run.is_guarded = bool(watch.scopes)
    state.apply(settle(state, reports, build_pools(settings), now, rng, watch))
    claim_slots.give_back(state, run.slots_in_use, everything=run.is_leaving)
    moved = [claim for claim in run.slots_in_use.pop_moved() if claim_slots.is_current(state, claim)]
    run.last_batch = max(len(reports), len(moved))
    state.apply(Changes(claims=tuple(replace(state.claims[claim.key], slot=claim.slot) for claim in moved)))


def claim_due(run: TickRun, state: Session, now: float) -> claim_slots.ClaimResult:
    """Claim what is due, unless this tick is leaving, a newer one has taken over, or the machine is too busy."""
    settings = run.app.settings
    run.is_goal_done = run.goal is None or run.goal.is_done(state)
    # A tick that started later than now did so before the clock was set back, and is no newer than we are.
    if run.goal is None and state.tick and run.claimant.mark.started_at < state.tick.started_at <= now:
        run.is_newest = False
    overloaded = run.goal is None and 0 < settings.max_load < os.getloadavg()[0]
    if run.is_leaving or overloaded or (run.goal and run.is_goal_done):
        return claim_slots.ClaimResult()
    check_pools(settings, state)
    ahead = min(settings.window, 2 * run.last_batch + MIN_AHEAD)
    return claim_slots.ClaimStep(state, settings, run.slots_in_use, run.slots, run.claimant, now).claim(ahead, run.goal)
