"""Run a tick for one goal, for a command that waits for it.

I/O: everything that a tick does; see `plabctl.app.tick` and `plabctl.app.goals`.
Tests: `tests/cli/test_gate.py`, `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from plabctl.app.context import App
from plabctl.app.goals import OnProgress, TickGoal, ignore_progress
from plabctl.app.signals import Stop
from plabctl.errors import HookFault


def run_goal(
    app: App,
    tick_goal: TickGoal,
    on_begun: Callable[[], None] = lambda: None,
    on_progress: OnProgress = ignore_progress,
) -> tuple[Stop, str]:
    """Run a tick for `tick_goal`; return what may have stopped it, and what could not be told to a hook or a sink."""
    # A tick loads much that a command which then refuses does without.
    from plabctl.app.tick import run_tick

    stop = Stop()
    with stop.listen():
        try:
            run_tick(app, stop, tick_goal=tick_goal, on_begun=on_begun, on_progress=on_progress)
        except HookFault as error:
            # It comes when all else is done: what the tests found does not depend on who could be told.
            return stop, str(error)
    return stop, ""
