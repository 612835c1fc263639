"""Test named nodes now, and wait for the results.

I/O: runs a tick of its own that takes these nodes only, inside the window that all ticks share.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plabctl.app.context import App
from plabctl.app.goals import OnProgress, RetestGoal, ignore_progress
from plabctl.app.queries import read_context_of
from plabctl.app.run_goal import run_goal
from plabctl.core.model import Member, Outcome
from plabctl.core.node_orders import Order
from plabctl.views.node import ViewContext


@dataclass(frozen=True, slots=True)
class RetestResult:
    """What views are built from after the test, the names of the nodes, and the exit code.

    0 if all nodes passed, 1 if not, 128 + signal if stopped.
    """

    context: ViewContext
    names: tuple[str, ...]
    passed_count: int
    exit_code: int
    warning: str = ""
    """What could not be told to a hook or a sink; it decides nothing."""


def retest_and_wait(
    app: App,
    names: Sequence[str],
    order: Order,
    on_begun: Callable[[], None] = lambda: None,
    on_progress: OnProgress = ignore_progress,
    *,
    timeout_s: float | None = None,
) -> RetestResult:
    """Order a retest of the nodes, probe them, and return how it went; raise NoSuchNode.

    The order is committed together with the claims; then `on_begun` is called, and `on_progress` again and again. What
    has not ended after `timeout_s` is interrupted, or left to the next tick.
    """
    goal = RetestGoal(names, order)
    if timeout_s is not None:
        goal.end_uptime_s = app.clock.uptime() + timeout_s
    stop, warning = run_goal(app, goal, on_begun, on_progress)
    context = read_context_of(app)
    passed_count = sum(_has_passed(context.state.member(name), goal) for name in goal.names)
    exit_code = stop.exit_code or int(passed_count < len(goal.names))
    return RetestResult(context, goal.names, passed_count, exit_code, warning)


def _has_passed(member: Member | None, goal: RetestGoal) -> bool:
    # What was interrupted, or not begun, leaves the verdict of an older test.
    is_answered = member is not None and member.requested_at is None and goal.is_answered(member)
    return bool(is_answered and member and member.last and member.last.outcome is Outcome.PASS)
