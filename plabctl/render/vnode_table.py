"""The members of experiments: each with its vnode, its state and its last work.

Pure. `experiments` says what there is to say about an experiment as a whole.
Tests: `tests/render/test_experiment_tables.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from plabctl.core.experiments.model import VnodeState
from plabctl.core.experiments.overview import VnodeView
from plabctl.core.model import Outcome, Verdict
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing, Row, get_text, make_plain_cell
from plabctl.render.node_record import Line, NodeRecord
from plabctl.render.times import format_iso, format_until

FIELDS = (
    "experiment",
    "node",
    "state",
    "vnode",
    "since_at",
    "due_at",
    "tries",
    "ok_streak",
    "fail_streak",
    "last.outcome",
    "last.cause",
    "last.at",
    "last.seconds",
    "last.reason",
    "up_at",
)
"""The columns of `experiment show -o tsv`: new ones are only ever added at the end."""
STATE_STYLES = {
    "pending": ("·", ""),
    "setting-up": ("»", "testing"),
    "up": ("✓", "good"),
    "failed": ("✗", "bad"),
    "leaving": ("·", "faint"),
}
"""The sign and the style of each state of a member."""


def build_vnode_row(place: VnodeView) -> Row:
    """Return one member for programs. What is not known is absent."""
    vnode = place.vnode
    row: dict[str, object] = {
        "experiment": vnode.experiment,
        "node": vnode.node,
        "state": place.state.value,
        "since_at": format_iso(vnode.since_at),
        "due_at": format_iso(vnode.due_at),
        "tries": vnode.tries,
        "ok_streak": vnode.ok_streak,
        "fail_streak": vnode.fail_streak,
    }
    if vnode.vnode:
        row["vnode"] = vnode.vnode
    if vnode.up_at is not None:
        row["up_at"] = format_iso(vnode.up_at)
    if vnode.gone_at is not None:
        row["node_removed_at"] = format_iso(vnode.gone_at)
    if vnode.last:
        row["last"] = _build_last_row(vnode.last)
    return row


def _build_last_row(last: Verdict) -> Row:
    row: dict[str, object] = {
        "outcome": last.outcome.value,
        "at": format_iso(last.at),
        "seconds": round(last.seconds, 3),
    }
    if last.cause:
        row["cause"] = last.cause.value
    if last.reason:
        row["reason"] = last.reason
    return row


def build_vnodes_row(subject: NodeRecord) -> Row:
    """Return the places of one node in experiments for programs; nothing when it has none."""
    if not subject.vnode_views:
        return {}
    guests = [place.vnode.experiment for place in subject.vnode_views if place.vnode.vnode]
    row: Row = {"vnodes": [build_vnode_row(place) for place in subject.vnode_views]}
    return {**row, "experiments": guests} if guests else row


def format_vnode_lines(subject: NodeRecord, now: float) -> list[Line]:
    """Return a line for each experiment that the node is a member of."""
    lines: list[Line] = []
    for place in subject.vnode_views:
        row = build_vnode_row(place)
        cell = build_state_cell(row)
        name = f", vnode {place.vnode.vnode}" if place.vnode.vnode else ""
        why = "" if place.state is VnodeState.UP else build_remark_cell(row).text
        text = (
            f"{place.vnode.experiment}: {place.state} for {format_age(row, 'since_at', now)}{name}"
            f"{f': {why}' if why else ''}"
        )
        lines.append(("" if lines else "experiments", Cell(text, cell.style)))
    return lines


def build_vnode_listing(places: Iterable[VnodeView], now: float, *, head: Mapping[str, object], footer: str) -> Listing:
    """Return these members as a listing."""
    return Listing(
        plural="vnodes",
        rows=[build_vnode_row(place) for place in places],
        fields=FIELDS,
        columns=(
            Column("STATE", build_state_cell),
            Column("NODE", make_plain_cell("node")),
            Column("FOR", lambda row: Cell(format_age(row, "since_at", now)), rank=3),
            Column("TRIES", make_plain_cell("tries"), rank=4),
            Column("NEXT", lambda row: Cell(_format_next(row, now)), rank=5),
            Column("REMARK", build_remark_cell, rank=1, flexible=True),
            Column("VNODE", make_plain_cell("vnode"), rank=6),
        ),
        head=head,
        footer=footer,
        key="node",
    )


def build_state_cell(row: Row) -> Cell:
    """Return the member's state with a sign."""
    glyph, style = STATE_STYLES[get_text(row, "state")]
    return Cell(f"{glyph} {row['state']}", style)


def build_remark_cell(row: Row) -> Cell:
    """Return why the member is not up, as far as anybody knows."""
    last = row.get("last")
    parts = ["its node was removed"] if row.get("node_removed_at") else []
    if isinstance(last, dict) and last["outcome"] != Outcome.PASS:
        parts.append(": ".join(text for key in ("cause", "reason") if (text := get_text(last, key))))
    return Cell("; ".join(parts))


def format_age(row: Row, key: str, now: float) -> str:
    """Return how long the instant in `row[key]` is past."""
    return format_duration(float(max(0, int(now - _read_instant(row, key)))))


def _format_next(row: Row, now: float) -> str:
    return "running" if row["state"] == "setting-up" else format_until(_read_instant(row, "due_at"), now)


def _read_instant(row: Row, key: str) -> float:
    return datetime.fromisoformat(str(row[key])).timestamp()
