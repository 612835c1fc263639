"""The members of experiments: each with its vnode, its state and its last work.

Pure. `experiments` says what there is to say about an experiment as a whole.
Tests: `tests/render/test_experiment_tables.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plabctl.core.experiments.model import VnodeState
from plabctl.core.model import Outcome
from plabctl.render.encode import encode_view
from plabctl.render.listing import Cell, Column, Line, Listing, Row
from plabctl.render.styles import mark
from plabctl.render.times import format_age, format_iso, format_until
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
        row["last"] = encode_view(vnode.last)
    return row


def format_vnode_lines(subject: NodeRecord, now: float) -> list[Line]:
    """Return a line for each experiment that the node is a member of."""
    lines: list[Line] = []
    for place in subject.vnode_views:
        cell = _build_state_cell(place)
        name = f", vnode {place.vnode.vnode}" if place.vnode.vnode else ""
        why = "" if place.state is VnodeState.UP else _format_remark(place)
        text = (
            f"{place.vnode.experiment}: {place.state} for {format_age(place.vnode.since_at, now)}{name}"
            f"{f': {why}' if why else ''}"
        )
        lines.append(("" if lines else "experiments", Cell(text, cell.style)))
    return lines


def build_vnode_listing(places: Iterable[VnodeView], now: float, *, head: Mapping[str, object], footer: str) -> Listing:
    """Return these members as a listing."""
    return Listing(
        plural="vnodes",
        rows=list(places),
        encode=build_vnode_row,
        fields=FIELDS,
        columns=(
            Column("STATE", _build_state_cell),
            Column("NODE", lambda place: Cell(place.vnode.node), is_name=True),
            Column("FOR", lambda place: Cell(format_age(place.vnode.since_at, now)), rank=3),
            Column("TRIES", lambda place: Cell(str(place.vnode.tries)), rank=4),
            Column("NEXT", lambda place: Cell(_format_next(place, now)), rank=5),
            Column("REMARK", lambda place: Cell(_format_remark(place)), rank=1, flexible=True),
            Column("VNODE", lambda place: Cell(place.vnode.vnode), rank=6),
        ),
        head=head,
        footer=footer,
        key="node",
    )


def _build_state_cell(place: VnodeView) -> Cell:
    style = _STYLES[place.state]
    return Cell(mark(style, place.state), style)


def _format_remark(place: VnodeView) -> str:
    """Return why the member is not up, as far as anybody knows."""
    last = place.vnode.last
    parts = [] if place.vnode.gone_at is None else ["its node was removed"]
    if last is not None and last.outcome is not Outcome.PASS:
        parts.append(": ".join(filter(None, (last.cause, last.reason))))
    return "; ".join(parts)


def _format_next(place: VnodeView, now: float) -> str:
    return "running" if place.state is VnodeState.SETTING_UP else format_until(place.vnode.due_at, now)
