"""What people read in a row of the status: state by word, glyph and colour, ages in place of instants.

Pure. Only `sheet` knows how a style looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from plabctl.core.model import Cause, Outcome
from plabctl.core.settings import PoolSettings, Settings
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Row, get_text, make_plain_cell
from plabctl.render.times import format_clock, format_until

GLYPHS = {"good": "✓", "bad": "✗", "suspect": "?", "testing": "»", "held": "‖", "": "·"}
"""A sign for each style that tells a state, so that no state is told by colour alone."""

_GUESTS_SHOWN = 2


def build_columns(settings: Settings, now: float) -> tuple[Column, ...]:
    """Return the columns of `status` for people, as seen at `now`."""
    styles = list_pool_styles(settings)

    def state(row: Row) -> Cell:
        return build_state_cell(row, styles)

    return (
        Column("STATE", state),
        Column("NODE", make_plain_cell("name")),
        Column("FOR", lambda row: Cell(_format_age(row, "since_at", now)), rank=3),
        Column("LAST TEST", lambda row: _build_last_cell(row, now), rank=2),
        Column("NEXT", lambda row: _build_next_cell(row, now), rank=4),
        Column("REMARK", lambda row: build_remark_cell(row, now), rank=1, flexible=True),
        Column("EXPERIMENTS", _build_guests_cell, rank=5),
        Column("RUN", _build_run_cell, wide=True),
        Column("PENALTY", lambda row: Cell(_format_penalty(row)), wide=True),
        Column("SITE", make_plain_cell("site"), wide=True),
        Column("LABELS", _build_labels_cell, wide=True),
    )


def list_pool_styles(settings: Settings) -> dict[str, str]:
    """Return the style of each pool: that of the side it is on."""
    return {name: find_side(pool) for name, pool in settings.pools.items()}


def find_side(pool: PoolSettings | None) -> str:
    """Return the side a pool is on, which is the style it is shown in: `good` or `bad`; empty for no pool."""
    return "" if pool is None else "good" if pool.is_good else "bad"


def build_state_cell(row: Row, styles: Mapping[str, str]) -> Cell:
    """Return the pool's name with a glyph, in the style of its side; a suspect says so."""
    pool = get_text(row, "pool")
    style = "suspect" if row.get("suspect") else styles.get(pool, "")
    word = f"{pool}?" if row.get("suspect") else pool
    return Cell(f"{GLYPHS[style]} {word}", style)


def build_remark_cell(row: Row, now: float) -> Cell:
    """Return what is special about the node at `now`, most telling first; empty when all is well."""
    parts = []
    if row.get("suspect"):
        parts.append("suspect: one failure, tested again at once")
    hold = row.get("hold")
    if isinstance(hold, dict):
        parts.append(f"held by {hold['actor']}: {hold['reason']}")
    if (reason := _find_reason(row)) is not None:
        parts.append(reason)
    needed = row.get("passes_needed")
    if isinstance(needed, int) and not row.get("suspect") and (needed > 1 or row.get("ok_streak")):
        parts.append(f"needs {format_passes(needed)}, {_format_next_pass(row, now)}")
    return Cell("; ".join(parts), "held" if hold else "")


def format_passes(needed: int) -> str:
    """Return `2 more passes`."""
    return f"{needed} more pass{'' if needed == 1 else 'es'}"


def _format_next_pass(row: Row, now: float) -> str:
    if row.get("testing"):
        return "the next test is running"
    due_at = _read_instant(row, "due_at")
    return "the next test is due now" if due_at <= now else f"next at {format_clock(due_at, now)}"


def _find_reason(row: Row) -> str | None:
    last = row.get("last")
    if not isinstance(last, dict):
        return "never tested"
    return None if last["outcome"] == Outcome.PASS else str(last.get("reason") or last.get("cause") or "failed")


def _build_last_cell(row: Row, now: float) -> Cell:
    last = row.get("last")
    if not isinstance(last, dict):
        return Cell("-", "faint")
    age = _format_age(last, "at", now)
    match last["outcome"]:
        case Outcome.PASS:
            return Cell(f"passed {age} ago", "good")
        case Outcome.FAIL:
            return Cell(f"{last.get('cause', 'failed')} {age} ago", "bad")
        case _:
            cause = last.get("cause", "")
            return Cell(f"unknown{'' if cause == Cause.NO_OPINION else f' ({cause})'} {age} ago", "suspect")


def _build_next_cell(row: Row, now: float) -> Cell:
    if row.get("testing"):
        return Cell(f"{GLYPHS['testing']} testing", "testing")
    return Cell(format_until(_read_instant(row, "due_at"), now))


def _build_run_cell(row: Row) -> Cell:
    if row.get("ok_streak"):
        return Cell(f"{row['ok_streak']} passed")
    return Cell(f"{row['fail_streak']} failed" if row.get("fail_streak") else "-")


def _format_penalty(row: Row) -> str:
    return f"{row['penalty']:.1f}" if row.get("penalty") else "-"


def _build_guests_cell(row: Row) -> Cell:
    names = row.get("experiments")
    if not (isinstance(names, list) and names):
        return Cell("")
    more = len(names) - _GUESTS_SHOWN
    return Cell(" ".join([*names[:_GUESTS_SHOWN], *([f"+{more}"] if more > 0 else [])]))


def _build_labels_cell(row: Row) -> Cell:
    labels = row.get("labels")
    return Cell(" ".join(f"{key}={value}" for key, value in labels.items()) if isinstance(labels, dict) else "")


def _format_age(row: Row, key: str, now: float) -> str:
    return format_duration(float(max(0, int(now - _read_instant(row, key)))))


def _read_instant(row: Row, key: str) -> float:
    return datetime.fromisoformat(str(row[key])).timestamp()
