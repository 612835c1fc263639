"""What a tick would do now: what `tick --dry-run` shows.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection

from plabctl.core.claim import candidates, choose
from plabctl.core.rows import Due
from plabctl.durations import format_duration
from plabctl.report.instants import iso
from plabctl.report.listing import Cell, Column, Listing, Row, plain
from plabctl.report.status import Situation

FIELDS = ("name", "pool", "recipe", "due_at", "requested", "slot")


def listing(situation: Situation, only: Collection[str] | None = None) -> Listing:
    """Return the tests a tick would start now, first those that find a slot free, then those that would wait."""
    state, settings, now = situation.state, situation.settings, situation.now
    in_use = sum(claim.deadline_at > now for claim in state.claims.values())
    free = max(0, settings.window - in_use)
    found = candidates(state, settings, now, only=only)
    due = choose(found, state.claims.values(), len(found), now).rows
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
    node = situation.state.node(due.node)
    recipe = situation.settings.recipe_of(node.variables if node else {}, due.pool)
    return {
        "name": due.node,
        "pool": due.pool,
        "recipe": recipe.name if recipe else "",
        "due_at": iso(due.due_at),
        "requested": due.requested_at is not None,
        "slot": "free" if is_free else "waits",
    }


def _why(row: Row, situation: Situation) -> str:
    if row["requested"]:
        return "a retest was asked for"
    member = situation.state.member(str(row["name"]))
    late_s = situation.now - member.due_at if member else 0.0
    return f"due for {format_duration(float(int(late_s)))}" if late_s >= 0 else "named"
