"""The history: what happened, as rows for programs and in words for people.

Pure. An event's data stands beside its kind and node, so that a row is flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.core.events import MACHINE
from plabctl.core.model import Event
from plabctl.report import courses
from plabctl.report.changes import undo_command
from plabctl.report.instants import iso, local
from plabctl.report.listing import Cell, Column, Listing, Row, plain, text_of

FIELDS = (
    "at",
    "kind",
    "node",
    "actor",
    "pool",
    "from",
    "to",
    "outcome",
    "cause",
    "seconds",
    "reason",
    "until_at",
    "note",
    "id",
    "take_back",
    "experiment",
    "vnode",
)
"""The columns of `history -o tsv`: new ones are only ever added at the end."""

MOVES = ("transition", "suspect", "refuted", "guarded")
"""The kinds of event by which a node comes to where it is."""

_NAMES = {"void": "test given up", "hold": "held", "release": "released", "retest": "retest asked for"}
_STYLES = {
    "transition": "title",
    "suspect": "suspect",
    "late": "faint",
    "void": "faint",
    "hold": "held",
} | courses.STYLES


def event_row(event: Event) -> Row:
    """Return one event; the instants in its data become text like all others."""
    data = {
        key: iso(value) if key.endswith("_at") and isinstance(value, int | float) else value
        for key, value in event.data.items()
    }
    row = {**data, "id": event.id, "at": iso(event.at), "kind": event.kind, "actor": event.actor}
    if event.node is not None:
        row["node"] = event.node
    if command := take_back(event):
        row["take_back"] = command
    return row


def take_back(event: Event) -> str:
    """Return the command by which a person takes back what the machine moved, for a day; empty for all else."""
    origin = event.data.get("from")
    if event.actor != MACHINE or event.node is None or not origin or event.kind not in MOVES:
        return ""
    return undo_command(["move"], [event.node], [str(origin), "--reason", "taken back", "--for", "1d"])


def skipped_note(count: int) -> str:
    """Return a remark on rows of the history that were left out."""
    rows = "1 row of the history was" if count == 1 else f"{count} rows of the history were"
    return f"plabctl: {rows} left out: not written by plabctl, or damaged (see: plabctl doctor)"


def listing(events: Iterable[Event], *, titles: bool = True, skipped_count: int = 0) -> Listing:
    """Return the history as a listing, in the order in which the events come."""
    events = list(events)
    undone_by = next(filter(None, map(take_back, reversed(events))), "") if titles else ""
    return Listing(
        plural="events",
        rows=_rows(events),
        fields=FIELDS,
        columns=(
            Column("TIME", lambda row: Cell(_local(row), "faint")),
            Column("NODE", plain("node")),
            Column("WHAT", lambda row: Cell(told(row), _style(row)), rank=1, flexible=True),
            Column("BY", lambda row: Cell(_by(row)), rank=2),
            Column("TAKE BACK", plain("take_back"), wide=True),
            Column("ID", plain("id"), wide=True),
        ),
        footer=f"the last move that plabctl made here is taken back by: {undone_by}" if undone_by else "",
        head={"skipped_count": skipped_count} if skipped_count else {},
        titles=titles,
        key="node",
    )


def _rows(events: Iterable[Event]) -> Iterator[Row]:
    return map(event_row, events)


def told(row: Row) -> str:
    """Return what happened in words, without when, where and by whom."""
    experiment = text_of(row, "experiment")
    return f"{f'{experiment}: ' if experiment else ''}{_what(row)}{_until(row)}"


def _what(row: Row) -> str:
    kind, reason = text_of(row, "kind"), text_of(row, "reason")
    match kind:
        case "probe" | "vnode-probe":
            words = _verdict(row)
        case "late":
            words = f"came too late and decided nothing: {_verdict(row)}"
        case "suspect":
            words = _joined(f"{_step(row)} as a suspect", reason)
        case "refuted":
            words = f"{_step(row)} as if nothing had happened: {reason or 'the retest passed'}"
        case "guarded":
            words = _joined(f"{_step(row)}, its move is held by the guard", reason)
        case "guard-on" | "guard-off":
            held = "moves to bad are held" if kind == "guard-on" else "moves to bad go on"
            words = _joined(f"{kind.replace('-', ' ')} for {text_of(row, 'scope')}, {held}", reason)
        case "transition":
            words = _joined(_step(row), reason)
        case "void" if row.get("experiment"):
            words = _joined(f"{courses.work_of(row)} given up", reason)
        case _:
            words = courses.told(row) or _joined(_NAMES.get(kind, kind.replace("-", " ")), reason)
    return words


def _verdict(row: Row) -> str:
    seconds, what = row.get("seconds"), courses.work_of(row)
    took = f" in {seconds:.1f} s" if isinstance(seconds, float | int) else ""
    match row.get("outcome"):
        case "pass":
            return _joined(f"{what} passed{took}", text_of(row, "note"))
        case "fail":
            return _joined(f"{what} failed{took} ({text_of(row, 'cause')})", text_of(row, "reason"))
        case _:
            return _joined(
                f"{'' if what == 'test' else f'{what}: '}no verdict ({text_of(row, 'cause')})", text_of(row, "reason")
            )


def _joined(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _step(row: Row) -> str:
    return f"{text_of(row, 'from')} -> {text_of(row, 'to')}"


def _until(row: Row) -> str:
    return f", until {text_of(row, 'until_at')}" if row.get("until_at") else ""


def _style(row: Row) -> str:
    if row.get("kind") in {"probe", "vnode-probe"}:
        return {"pass": "good", "fail": "bad"}.get(text_of(row, "outcome"), "suspect")
    return _STYLES.get(text_of(row, "kind"), "")


def _by(row: Row) -> str:
    actor = text_of(row, "actor")
    return "" if actor == MACHINE else actor


def _local(row: Row) -> str:
    from datetime import datetime  # noqa: PLC0415 - only what people read needs it

    return local(datetime.fromisoformat(text_of(row, "at")).timestamp())
