"""The columns of the status for people: words, signs and ages.

Pure. All come from `plabctl.views.node.NodeView`.
Tests: `tests/render/test_status_table.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from plabctl.core.model import Cause, Outcome
from plabctl.core.settings import Settings
from plabctl.core.usable import FELL_SILENT
from plabctl.render.listing import Cell, Column
from plabctl.render.strip import format_strip
from plabctl.render.styles import GOOD, list_pool_styles, mark
from plabctl.render.times import format_age, format_clock, format_until
from plabctl.views.node import NodeView

_GUESTS_SHOWN = 2


def build_columns(
    settings: Settings, now: float, tests: Mapping[str, Sequence[Outcome]], *, has_monitors: bool = False
) -> tuple[Column, ...]:
    """Return the columns of `status` for people, as seen at `now`; their rows are views of nodes.

    `tests` are the outcomes of their last tests, oldest first, by node. With `has_monitors` nodes are of several.
    """
    monitor = (Column("MONITOR", lambda node: Cell(node.monitor or "")),) if has_monitors else ()
    styles = list_pool_styles(settings)
    spares = {pool.name for pool in settings.pools.values() if pool.busy == "spare"}
    is_asked = any(pool.liveness for pool in settings.pools.values())
    answered = (Column("ANSWERED", lambda node: Cell(_format_answered(node, now)), wide=True),) if is_asked else ()
    return (
        Column("STATE", lambda node: build_state_cell(node, styles)),
        Column("NODE", lambda node: Cell(node.name), is_name=True),
        *monitor,
        Column("FOR", lambda node: Cell(format_age(node.since_at, now)), rank=3),
        Column("LAST TEST", lambda node: _build_last_cell(node, now), rank=2),
        Column("NEXT", lambda node: _build_next_cell(node, now, spares), rank=4),
        Column("REMARK", lambda node: _build_remark_cell(node, now), rank=1, flexible=True),
        Column("EXPERIMENTS", _build_guests_cell, rank=5),
        Column("LAST TESTS", lambda node: Cell(format_strip(tests.get(node.name, ()))), wide=True),
        *answered,
        Column("RUN", _build_run_cell, wide=True),
        Column("PENALTY", lambda node: Cell(f"{node.penalty:.1f}" if round(node.penalty, 3) else "-"), wide=True),
        Column("SITE", lambda node: Cell(node.site or ""), wide=True),
        Column("LABELS", _build_labels_cell, wide=True),
    )


def build_state_cell(node: NodeView, styles: Mapping[str, str]) -> Cell:
    """Return the pool's name with a sign in the style of its side; nodes that are not usable for themselves differ."""
    if node.absent_since_at is not None:
        return Cell(mark("absent", node.pool), "absent")
    if node.is_suspect:
        return Cell(mark("suspect", f"{node.pool}?"), "suspect")
    style = styles.get(node.pool, "")
    if style == GOOD and not node.is_usable:
        style = "held" if node.is_held else "failing"
    return Cell(mark(style, node.pool), style)


def format_passes(needed: int) -> str:
    """Return `2 more passes`."""
    return f"{needed} more pass{'' if needed == 1 else 'es'}"


def _build_remark_cell(node: NodeView, now: float) -> Cell:
    """Return what is special about the node at `now`, the most important first; empty when all is well."""
    parts = []
    if node.absent_since_at is not None:
        parts.append(f"absent since {format_clock(node.absent_since_at, now)}, no longer listed")
    if node.stuck_since_at is not None:
        parts.append(f"needs a person since {format_clock(node.stuck_since_at, now)}, see: plabctl explain {node.name}")
    if node.is_suspect:
        what = "fell silent" if node.why_not == FELL_SILENT else "one failure"
        parts.append(f"suspect: {what}, tested again at once")
    if hold := node.hold:
        ends = "" if hold.until_at is None else f", until {format_clock(hold.until_at, now)}"
        parts.append(f"held by {hold.actor}: {hold.reason}{ends}")
    if node.busy_since_at is not None:
        by = f" by {node.busy_by}" if node.busy_by else ""
        parts.append(f"busy{by} since {format_clock(node.busy_since_at, now)}")
    if (reason := _find_reason(node)) is not None:
        parts.append(reason)
    if node.lost_from is not None:
        parts.append(f"not reached from {node.lost_from.replace(',', ', ')}")
    needed = node.passes_needed
    if needed is not None and not node.is_suspect and not node.hold and (needed > 1 or node.ok_streak):
        parts.append(f"needs {format_passes(needed)}, {_format_next_pass(node, now)}")
    return Cell("; ".join(parts), "held" if node.hold else "")


def _format_next_pass(node: NodeView, now: float) -> str:
    if node.is_testing:
        return "the next test is running"
    return "the next test is due now" if node.due_at <= now else f"next at {format_clock(node.due_at, now)}"


def _find_reason(node: NodeView) -> str | None:
    last = node.last
    if last is None:
        return "never tested"
    return None if last.outcome is Outcome.PASS else last.reason or last.cause or "failed"


def _build_last_cell(node: NodeView, now: float) -> Cell:
    last = node.last
    if last is None:
        return Cell("-", "faint")
    age = format_age(last.at, now)
    match last.outcome:
        case Outcome.PASS:
            return Cell(f"passed {age} ago", "good")
        case Outcome.FAIL:
            return Cell(f"{last.cause or 'failed'} {age} ago", "bad")
        case _:
            cause = "" if last.cause is Cause.NO_OPINION else f" ({last.cause or ''})"
            return Cell(f"unknown{cause} {age} ago", "suspect")


def _build_next_cell(node: NodeView, now: float, spares: Collection[str]) -> Cell:
    if node.is_testing:
        return Cell(mark("testing", "testing"), "testing")
    if node.busy_since_at is not None and node.due_at <= now and node.pool in spares:
        return Cell("when free")
    return Cell("-" if node.absent_since_at is not None else format_until(node.due_at, now))


def _format_answered(node: NodeView, now: float) -> str:
    return "-" if node.answered_at is None else f"{format_age(node.answered_at, now)} ago"


def _build_run_cell(node: NodeView) -> Cell:
    if node.ok_streak:
        return Cell(f"{node.ok_streak} passed")
    return Cell(f"{node.fail_streak} failed" if node.fail_streak else "-")


def _build_guests_cell(node: NodeView) -> Cell:
    names = node.experiments or ()
    more = len(names) - _GUESTS_SHOWN
    return Cell(" ".join([*names[:_GUESTS_SHOWN], *([f"+{more}"] if more > 0 else [])]))


def _build_labels_cell(node: NodeView) -> Cell:
    return Cell(" ".join(f"{key}={value}" for key, value in (node.labels or {}).items()))
