"""What a tick would do now: what `tick --dry-run` shows.

Pure.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Collection

from plabctl.core.claim import choose_rows, list_candidates
from plabctl.core.due_rows import Due
from plabctl.core.fairness import compute_shares
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing, Row, make_plain_cell
from plabctl.render.times import format_iso
from plabctl.views.node import ViewContext
from plabctl.views.status import count_totals

FIELDS = ("name", "pool", "recipe", "due_at", "requested", "slot", "experiment", "goal")


def build_listing(context: ViewContext, only: Collection[str] | None = None) -> Listing:
    """Return the tests a tick would start now, first those that find a slot free, then those that would wait."""
    state, settings, now = context.state, context.settings, context.now
    in_use = count_totals(context).in_use
    free = max(0, settings.window - in_use)
    found = list_candidates(state, settings, now, only=only)
    due = choose_rows(found, state.claims.values(), len(found), now, compute_shares(state, settings, now)).rows
    rows = [_build_row(context, row, is_free=place < free) for place, row in enumerate(due)]
    waiting = max(0, len(rows) - free)
    return Listing(
        plural="tests",
        rows=rows,
        fields=FIELDS,
        columns=(
            Column("NODE", make_plain_cell("name")),
            Column("POOL", make_plain_cell("pool"), rank=1),
            Column("RECIPE", make_plain_cell("recipe"), rank=3),
            Column("WHY", lambda row: Cell(_format_reason(row, context)), rank=2),
            Column("SLOT", make_plain_cell("slot"), rank=1),
        ),
        head={"generated_at": format_iso(now), "rev": state.rev},
        footer=f"{len(rows) - waiting} would be tested now, {waiting} would wait; {in_use} of {settings.window} run",
    )


def _build_row(context: ViewContext, due: Due, *, is_free: bool) -> Row:
    state, settings = context.state, context.settings
    row: Row = {
        "name": due.node,
        "pool": due.pool,
        "due_at": format_iso(due.due_at),
        "requested": due.requested_at is not None,
        "slot": "free" if is_free else "waits",
    }
    vnode = state.vnode(due.key) if due.experiment else None
    if vnode:
        return {
            **row,
            "recipe": state.experiments[due.experiment].recipe,
            "experiment": due.experiment,
            "goal": vnode.goal.value,
        }
    node = state.node(due.node)
    recipe = settings.find_recipe(node.variables if node else {}, due.pool)
    return {**row, "recipe": recipe.name if recipe else ""}


def _format_reason(row: Row, context: ViewContext) -> str:
    if row["requested"]:
        return "a retest was asked for"
    state, name, experiment = context.state, str(row["name"]), row.get("experiment")
    found = state.vnode(f"{experiment}/{name}") if experiment else state.member(name)
    late_s = context.now - found.due_at if found else 0.0
    if late_s < 0:
        return "named"
    waits = f"due for {format_duration(float(int(late_s)))}"
    return f"{row['goal']}, {waits}" if experiment else waits
