"""One set-up test in the foreground, for a person who wants to see it. Nothing is recorded.

I/O: takes a slot like every probe, because the window counts over everything.
"""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from plabctl.app.context import App
from plabctl.app.signals import Stop
from plabctl.app.wiring import make_runner
from plabctl.core.assignment import Assignment
from plabctl.core.events import new_token
from plabctl.core.model import Report, StageRun
from plabctl.errors import NoSuchNode, Refused, StoreBusy
from plabctl.store.slots import Slots

SLOT_WAIT_S = 30.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it; `exit_code` is not 0 when it was stopped by a signal."""

    report: Report
    exit_code: int


def assignment_for(app: App, name: str) -> Assignment:
    """Return the test that a tick would run on the node, without its debris; raise NoSuchNode or Refused."""
    state = app.store.snapshot()
    node, member = state.node(name), state.member(name)
    if node is None or member is None:
        raise NoSuchNode(f"no node is named {name!r}")
    recipe = app.settings.recipe_of(node.variables, member.pool) if member.pool in app.settings.pools else None
    if recipe is None:
        raise Refused(f"{name!r} has no recipe that is configured", hint="see: plabctl config show")
    token = new_token(random.Random())  # noqa: S311 - a name, no secret
    deadline_s = recipe.longest_s(app.settings.ssh.connect_timeout_s)
    return Assignment(
        node=node, token=token, recipe=recipe, vnode=f"plabctl-{token}", pool=member.pool, deadline_s=deadline_s
    )


def run(app: App, assignment: Assignment, on_stage: Callable[[StageRun], None]) -> Trial:
    """Carry the test out and return what came of it; `on_stage` is told of each stage when it ends."""
    slots = Slots(app.state_dir, app.settings.window)
    stages: queue.SimpleQueue[StageRun] = queue.SimpleQueue()
    stop = Stop()
    try:
        with stop.listening():
            _take_slot(app, slots, stop)
            # Stages are handed over, so that the probe's thread never waits for a terminal.
            runner = make_runner(app, stages.put)
            runner.start(assignment)
            reports: list[Report] = []
            while not reports:
                if stop:
                    runner.interrupt()
                reports = runner.wait(_LOOK_S)
                while not stages.empty():
                    on_stage(stages.get())
            return Trial(reports[0], stop.exit_code)
    finally:
        slots.close()


def _take_slot(app: App, slots: Slots, stop: Stop) -> None:
    end = app.clock.monotonic() + SLOT_WAIT_S
    while not slots.take(1):
        if stop:
            raise KeyboardInterrupt
        if app.clock.monotonic() > end:
            raise StoreBusy(f"all {app.settings.window} slots of the window are in use", hint="try again in a moment")
        time.sleep(_LOOK_S)
