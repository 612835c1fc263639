"""What people read in a row of the status: state by word, glyph and colour, ages in place of instants.

Pure. Only `sheet` knows how a style looks.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.model import Cause, Outcome
from plabctl.core.settings import PoolSettings, Settings
from plabctl.durations import format_duration
from plabctl.report.instants import clock, until
from plabctl.report.listing import Cell, Column, Row, plain, text_of

GLYPHS = {"good": "✓", "bad": "✗", "suspect": "?", "testing": "»", "held": "‖", "": "·"}
"""A sign for each style that tells a state, so that no state is told by colour alone."""

_GUESTS_SHOWN = 2


def status_columns(settings: Settings, now: float) -> tuple[Column, ...]:
    """Return the columns of `status` for people, as seen at `now`."""
    styles = pool_styles(settings)

    def state(row: Row) -> Cell:
        return state_cell(row, styles)

    return (
        Column("STATE", state),
        Column("NODE", plain("name")),
        Column("FOR", lambda row: Cell(_age(row, "since_at", now)), rank=3),
        Column("LAST TEST", lambda row: _last(row, now), rank=2),
        Column("NEXT", lambda row: _next(row, now), rank=4),
        Column("REMARK", lambda row: remark(row, now), rank=1, flexible=True),
        Column("EXPERIMENTS", _guests, rank=5),
        Column("RUN", _run, wide=True),
        Column("PENALTY", lambda row: Cell(_penalty(row)), wide=True),
        Column("SITE", plain("site"), wide=True),
        Column("LABELS", _labels, wide=True),
    )


def pool_styles(settings: Settings) -> dict[str, str]:
    """Return the style of each pool: that of the side it is on."""
    return {name: side_of(pool) for name, pool in settings.pools.items()}


def side_of(pool: PoolSettings | None) -> str:
    """Return the side a pool is on, which is the style it is shown in: `good` or `bad`; empty for no pool."""
    return "" if pool is None else "good" if pool.is_good else "bad"


def state_cell(row: Row, styles: Mapping[str, str]) -> Cell:
    """Return the pool's name with a glyph, in the style of its side; a suspect says so."""
    pool = text_of(row, "pool")
    style = "suspect" if row.get("suspect") else styles.get(pool, "")
    word = f"{pool}?" if row.get("suspect") else pool
    return Cell(f"{GLYPHS[style]} {word}", style)


def remark(row: Row, now: float) -> Cell:
    """Return what is special about the node at `now`, most telling first; empty when all is well."""
    parts = []
    if row.get("suspect"):
        parts.append("suspect: one failure, tested again at once")
    hold = row.get("hold")
    if isinstance(hold, dict):
        parts.append(f"held by {hold['actor']}: {hold['reason']}")
    if (reason := _reason(row)) is not None:
        parts.append(reason)
    needed = row.get("passes_needed")
    if isinstance(needed, int) and not row.get("suspect") and (needed > 1 or row.get("ok_streak")):
        parts.append(f"needs {passes(needed)}, {_next_pass(row, now)}")
    return Cell("; ".join(parts), "held" if hold else "")


def passes(needed: int) -> str:
    """Return `2 more passes`."""
    return f"{needed} more pass{'' if needed == 1 else 'es'}"


def _next_pass(row: Row, now: float) -> str:
    if row.get("testing"):
        return "the next test is running"
    due_at = _instant(row, "due_at")
    return "next now" if due_at <= now else f"next at {clock(due_at, now)}"


def _reason(row: Row) -> str | None:
    last = row.get("last")
    if not isinstance(last, dict):
        return "never tested"
    return None if last["outcome"] == Outcome.PASS else str(last.get("reason") or last.get("cause") or "failed")


def _last(row: Row, now: float) -> Cell:
    last = row.get("last")
    if not isinstance(last, dict):
        return Cell("-", "faint")
    age = _age(last, "at", now)
    match last["outcome"]:
        case Outcome.PASS:
            return Cell(f"passed {age} ago", "good")
        case Outcome.FAIL:
            return Cell(f"{last.get('cause', 'failed')} {age} ago", "bad")
        case _:
            cause = last.get("cause", "")
            return Cell(f"unknown{'' if cause == Cause.NO_OPINION else f' ({cause})'} {age} ago", "suspect")


def _next(row: Row, now: float) -> Cell:
    if row.get("testing"):
        return Cell(f"{GLYPHS['testing']} testing", "testing")
    return Cell(until(_instant(row, "due_at"), now))


def _run(row: Row) -> Cell:
    if row.get("ok_streak"):
        return Cell(f"{row['ok_streak']} passed")
    return Cell(f"{row['fail_streak']} failed" if row.get("fail_streak") else "-")


def _penalty(row: Row) -> str:
    return f"{row['penalty']:.1f}" if row.get("penalty") else "-"


def _guests(row: Row) -> Cell:
    names = row.get("experiments")
    if not (isinstance(names, list) and names):
        return Cell("")
    more = len(names) - _GUESTS_SHOWN
    return Cell(" ".join([*names[:_GUESTS_SHOWN], *([f"+{more}"] if more > 0 else [])]))


def _labels(row: Row) -> Cell:
    labels = row.get("labels")
    return Cell(" ".join(f"{key}={value}" for key, value in labels.items()) if isinstance(labels, dict) else "")


def _age(row: Row, key: str, now: float) -> str:
    return format_duration(float(max(0, int(now - _instant(row, key)))))


def _instant(row: Row, key: str) -> float:
    from datetime import datetime  # noqa: PLC0415 - only what people read needs it

    return datetime.fromisoformat(str(row[key])).timestamp()
