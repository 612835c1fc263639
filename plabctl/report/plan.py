"""What a tick would do now: what `tick --dry-run` shows.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection

from plabctl.core.claim import candidates, choose
from plabctl.core.fairness import shares_of
from plabctl.core.rows import Due
from plabctl.durations import format_duration
from plabctl.report.instants import iso
from plabctl.report.listing import Cell, Column, Listing, Row, plain
from plabctl.report.status import Situation, totals

FIELDS = ("name", "pool", "recipe", "due_at", "requested", "slot", "experiment", "goal")


def listing(situation: Situation, only: Collection[str] | None = None) -> Listing:
    """Return the tests a tick would start now, first those that find a slot free, then those that would wait."""
    state, settings, now = situation.state, situation.settings, situation.now
    in_use = totals(situation).in_use
    free = max(0, settings.window - in_use)
    found = candidates(state, settings, now, only=only)
    due = choose(found, state.claims.values(), len(found), now, shares_of(state, settings, now)).rows
    rows = [_row(situation, row, is_free=place < free) for place, row in enumerate(due)]
    waiting = max(0, len(rows) - free)
    return Listing(
        plural="tests",
        rows=rows,
        fields=FIELDS,
        columns=(
            Column("NODE", plain("name")),
            Column("POOL", plain("pool"), rank=1),
            Column("RECIPE", plain("recipe"), rank=3),
            Column("WHY", lambda row: Cell(_why(row, situation)), rank=2),
            Column("SLOT", plain("slot"), rank=1),
        ),
        head={"generated_at": iso(now), "rev": state.rev},
        footer=f"{len(rows) - waiting} would be tested now, {waiting} would wait; {in_use} of {settings.window} run",
    )


def _row(situation: Situation, due: Due, *, is_free: bool) -> Row:
    state, settings = situation.state, situation.settings
    row: Row = {
        "name": due.node,
        "pool": due.pool,
        "due_at": iso(due.due_at),
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
    recipe = settings.recipe_of(node.variables if node else {}, due.pool)
    return {**row, "recipe": recipe.name if recipe else ""}


def _why(row: Row, situation: Situation) -> str:
    if row["requested"]:
        return "a retest was asked for"
    state, name, experiment = situation.state, str(row["name"]), row.get("experiment")
    found = state.vnode(f"{experiment}/{name}") if experiment else state.member(name)
    late_s = situation.now - found.due_at if found else 0.0
    if late_s < 0:
        return "named"
    waits = f"due for {format_duration(float(int(late_s)))}"
    return f"{row['goal']}, {waits}" if experiment else waits
