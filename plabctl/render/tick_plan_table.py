"""What a tick would do now, as rows and columns: what `tick --dry-run` shows.

Pure.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Collection

from plabctl.core.probe import Goal
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing
from plabctl.views.list_head import build_list_head
from plabctl.views.node import ViewContext
from plabctl.views.tick_plan import PlannedSlot, PlannedTest, TickPlan, plan_tick

FIELDS = ("name", "pool", "recipe", "due_at", "requested", "slot", "experiment", "goal")
"""The columns of `tick --dry-run -o tsv`: new ones are only ever added at the end."""


def build_listing(context: ViewContext, only: Collection[str] | None = None) -> Listing:
    """Return the tests a tick would start now, first those that find a slot free, then those that would wait."""
    plan = plan_tick(context, only)
    return Listing(
        plural="tests",
        rows=plan.tests,
        fields=FIELDS,
        columns=(
            Column("NODE", lambda test: Cell(test.name), is_name=True),
            Column("POOL", lambda test: Cell(test.pool), rank=1),
            Column("RECIPE", lambda test: Cell(test.recipe), rank=3),
            Column("WHY", lambda test: Cell(_format_reason(test, context.now)), rank=2),
            Column("SLOT", lambda test: Cell(test.slot), rank=1),
        ),
        head=build_list_head(context),
        footer=_format_footer(plan, context.settings.window),
    )


def _format_footer(plan: TickPlan, window: int) -> str:
    """Return how many would be tested, or only logged in to, now; how many would wait, and what runs."""
    started = [test for test in plan.tests if test.slot is PlannedSlot.FREE]
    checks = sum(test.goal is Goal.LIVENESS for test in started)
    logins = f"{checks} only logged in to, " if checks else ""
    tests = f"{len(started) - checks} would be tested now, {logins}{plan.waiting_count} would wait"
    return f"{tests}; {plan.in_use_count} of {window} run"


def _format_reason(test: PlannedTest, now: float) -> str:
    if test.is_requested:
        return "a retest was asked for"
    late_s = now - test.due_at
    if late_s < 0:
        return "named"
    waits = f"asked early: {test.asked_early}" if test.asked_early else f"due for {format_duration(int(late_s))}"
    return waits if test.goal is None else f"{test.goal}, {waits}"
