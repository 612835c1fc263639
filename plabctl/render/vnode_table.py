"""The members of experiments: each with its vnode, its state and its last work.

Pure. `experiment_tables` has the experiment as a whole.
Tests: `tests/render/test_experiment_tables.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from plabctl.core.experiments.model import VnodeState, describe_early_deaths
from plabctl.core.model import Outcome
from plabctl.render.listing import Cell, Column, Line, Listing
from plabctl.render.styles import mark
from plabctl.render.times import format_age, format_until
from plabctl.views.experiment_rows import ExperimentHead, VnodeRow, make_vnode_row
from plabctl.views.experiments import VnodeView
from plabctl.views.node_record import NodeRecord

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
_STYLES = {
    VnodeState.PENDING: "",
    VnodeState.SETTING_UP: "testing",
    VnodeState.UP: "good",
    VnodeState.FAILED: "bad",
    VnodeState.LEAVING: "faint",
}


def format_vnode_lines(subject: NodeRecord, now: float) -> list[Line]:
    """Return a line for each experiment that the node is a member of."""
    lines: list[Line] = []
    for row in map(make_vnode_row, subject.vnode_views):
        cell = _build_state_cell(row)
        name = f", vnode {row.vnode}" if row.vnode else ""
        is_well = row.state is VnodeState.UP and not row.early_deaths
        why = "" if is_well else _format_remark(row)
        text = f"{row.experiment}: {row.state} for {format_age(row.since_at, now)}{name}{f': {why}' if why else ''}"
        lines.append(("" if lines else "experiments", Cell(text, cell.style)))
    return lines


def build_vnode_listing(places: Iterable[VnodeView], now: float, *, head: ExperimentHead, footer: str) -> Listing:
    """Return these members as a listing."""
    return Listing(
        plural="vnodes",
        rows=map(make_vnode_row, places),
        fields=FIELDS,
        columns=(
            Column("STATE", _build_state_cell),
            Column("NODE", lambda row: Cell(row.node), is_name=True),
            Column("FOR", lambda row: Cell(format_age(row.since_at, now)), rank=3),
            Column("TRIES", lambda row: Cell(str(row.tries)), rank=4),
            Column("NEXT", lambda row: Cell(_format_next(row, now)), rank=5),
            Column("REMARK", lambda row: Cell(_format_remark(row)), rank=1, flexible=True),
            Column("VNODE", lambda row: Cell(row.vnode or ""), rank=6),
        ),
        head=head,
        footer=footer,
        key="node",
    )


def _build_state_cell(row: VnodeRow) -> Cell:
    style = _STYLES[row.state]
    return Cell(mark(style, row.state), style)


def _format_remark(row: VnodeRow) -> str:
    """Return why the member is not up, as far as anybody knows."""
    last = row.last
    parts = [] if row.node_removed_at is None else ["its node was removed"]
    if last is not None and last.outcome is not Outcome.PASS:
        parts.append(": ".join(filter(None, (last.cause, last.reason))))
    elif advice := describe_early_deaths(row.early_deaths or 0):
        parts.append(advice)
    return "; ".join(parts)


def _format_next(row: VnodeRow, now: float) -> str:
    return "running" if row.state is VnodeState.SETTING_UP else format_until(row.due_at, now)
