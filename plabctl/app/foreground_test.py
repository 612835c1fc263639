"""One set-up test in the foreground, for a person who wants to see it. Nothing is recorded.

I/O: takes a slot like every probe, because the window counts over everything.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from plabctl.app.claim_slots import find_orphans
from plabctl.app.context import App
from plabctl.app.signals import Stop
from plabctl.app.wiring import make_executor
from plabctl.clock import read_boot_id
from plabctl.core.assignment import Assignment
from plabctl.core.claim import Claimant
from plabctl.core.events import make_token
from plabctl.core.model import Member, Node, Report, StageRun, TickMark
from plabctl.core.recipe import Recipe, Transport
from plabctl.core.selection import suggest_name
from plabctl.errors import NoSuchNode, Refused, StoreBusy
from plabctl.executors.base import RemoteExecutor
from plabctl.kinds import find
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.target import Targets
from plabctl.store.slots import Slots

SLOT_WAIT_S = 30.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class ForegroundResult:
    """What came of it; `exit_code` is not 0 when it was stopped by a signal."""

    report: Report
    exit_code: int


def build_assignment(app: App, name: str, recipe_name: str | None = None) -> Assignment:
    """Return the test that a tick would run on the node, without its leftovers; with `recipe_name`, by that recipe.

    Raise NoSuchNode or Refused.
    """
    state = app.store.snapshot()
    node, member = state.node(name), state.member(name)
    if node is None or member is None:
        raise NoSuchNode(f"no node is named {name!r}")
    recipe = _find_recipe(app, node, member) if recipe_name is None else _find_named_recipe(app, recipe_name)
    token = make_token(random.Random())
    deadline_s = recipe.compute_longest_s(app.settings.ssh.connect_timeout_s)
    return Assignment(
        node=node, token=token, recipe=recipe, vnode=f"plabctl-{token}", pool=member.pool, deadline_s=deadline_s
    )


def _find_recipe(app: App, node: Node, member: Member) -> Recipe:
    recipe = app.settings.find_recipe(node.variables, member.pool) if member.pool in app.settings.pools else None
    if recipe is None:
        raise Refused(f"{node.name!r} has no recipe that is configured", hint="see: plabctl config show")
    return recipe


def _find_named_recipe(app: App, name: str) -> Recipe:
    recipes = app.settings.recipes
    if name not in recipes:
        hint = suggest_name(name, recipes, f"the recipes are: {', '.join(sorted(recipes))}")
        raise Refused(f"no recipe is named {name!r}", hint=hint)
    if not recipes[name].stages.keys() - {"teardown"}:
        raise Refused(f"recipe {name!r} tests nothing", hint="give it at least one of setup, up, check")
    return recipes[name]


def list_jump_hosts(app: App, assignment: Assignment) -> list[str]:
    """Return the jump hosts on the way to the node, in order; none where the way is not known, as the test will say."""
    if assignment.recipe.transport is not Transport.SSH:
        return []
    try:
        return [hop.label for hop in Targets(app.settings.ssh).find(assignment.node).jumps]
    except ProbeError:
        return []


def run_test(app: App, assignment: Assignment, on_stage: Callable[[StageRun], None]) -> ForegroundResult:
    """Carry the test out and return what came of it; `on_stage` is told of each stage when it ends."""
    slots = Slots(app.state_dir, app.settings.window, app.settings.origin.owners)
    stages: queue.SimpleQueue[StageRun] = queue.SimpleQueue()
    stop = Stop()
    try:
        with stop.listen():
            _take_slot(app, slots, stop)
            # Stages are handed over, so that the probe's thread never waits for a terminal.
            runner = make_executor(app, stages.put)
            runner.start(assignment)
            reports: list[Report] = []
            looks = StageFilter(on_stage)
            while not reports:
                if stop:
                    runner.interrupt()
                reports = runner.wait(_LOOK_S)
                while not stages.empty():
                    looks.add(stages.get())
            looks.flush()
            if find("executor", app.settings.executor.kind).is_elsewhere:
                _end_remote(cast("RemoteExecutor", runner), reports[0], on_stage)
            return ForegroundResult(reports[0], stop.exit_code)
    finally:
        slots.close()


class StageFilter:
    """Passes stages on, but of the many looks by `up` only those that said something new, and the last."""

    def __init__(self, on_stage: Callable[[StageRun], None]) -> None:
        self._on_stage = on_stage
        self._held: StageRun | None = None

    def add(self, run: StageRun) -> None:
        """Pass a stage on, or hold it until it is known whether the next look says the same."""
        if self._held and (run.stage != "up" or run.output != self._held.output):
            self.flush()
        self._held = run
        if run.stage != "up" or run.exit_code == 0:
            self.flush()

    def flush(self) -> None:
        """Pass on what is held."""
        held, self._held = self._held, None
        if held:
            self._on_stage(held)


def _end_remote(runner: RemoteExecutor, report: Report, on_stage: Callable[[StageRun], None]) -> None:
    """Show the stages of a test that was made elsewhere, and leave nothing of it there."""
    for stage in report.stages:
        on_stage(stage)
    runner.acknowledge()
    runner.close()


def _take_slot(app: App, slots: Slots, stop: Stop) -> None:
    end = app.clock.monotonic() + SLOT_WAIT_S
    while not _has_taken_slot(app, slots):
        if stop:
            raise KeyboardInterrupt
        if app.clock.monotonic() > end:
            raise StoreBusy(f"all {app.settings.window} slots of the window are in use", hint="try again in a moment")
        time.sleep(_LOOK_S)


def _has_taken_slot(app: App, slots: Slots) -> bool:
    """Hold a slot, if any is free that no test elsewhere takes whose tick is gone; return whether there was one."""
    taken, now = slots.take(1), app.clock.now()
    if not taken:
        return False
    # In this order: a tick that is killed after we have taken ours had its own.
    observer = Claimant(TickMark("", now), read_boot_id(), random.Random(), app.clock.uptime())
    if len(find_orphans(app.store.snapshot(), slots, observer, now)) <= slots.count_free():
        return True
    slots.release(taken[0])
    return False
