"""The history: what happened, as rows for programs and in words for people.

Pure. An event's data stands beside its kind and node, so that a row is flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plabctl.core.events import MACHINE
from plabctl.core.guard.model import describe_effect
from plabctl.core.model import Event
from plabctl.core.suspicion import SILENCE
from plabctl.render import experiment_events
from plabctl.render.change_report import build_undo_command
from plabctl.render.listing import Cell, Column, Listing, Row, get_text
from plabctl.render.times import format_iso, format_local

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

_NAMES = {
    "stuck": "needs a person",
    "void": "test given up",
    "hold": "held",
    "release": "released",
    "retest": "retest asked for",
}
_STUCK_NO_MORE = "needs no person any more"
_STYLES = {
    "transition": "title",
    "suspect": "suspect",
    "stuck": "bad",
    "late": "faint",
    "void": "faint",
    "hold": "held",
    "fault": "bad",
    "fault-over": "good",
} | experiment_events.STYLES


def build_event_row(event: Event) -> Row:
    """Return one event; the instants in its data become text like all others."""
    data = {
        key: format_iso(value) if key.endswith("_at") and isinstance(value, int | float) else value
        for key, value in event.data.items()
    }
    row = {**data, "id": event.id, "at": format_iso(event.at), "kind": event.kind, "actor": event.actor}
    if event.node is not None:
        row["node"] = event.node
    if command := build_undo(event):
        row["take_back"] = command
    return row


def build_undo(event: Event) -> str:
    """Return the command by which a person takes back that the machine moved a node into good; empty for all else.

    The way back into good is shown by no command: a node that failed would be offered to users.
    """
    data, origin = event.data, event.data.get("from")
    if event.actor != MACHINE or event.node is None or not origin:
        return ""
    if event.kind != "transition" or data.get("cause") != "passed":
        return ""
    return build_undo_command(["move"], [event.node], [str(origin), "--reason", "taken back"])


def format_skipped(count: int) -> str:
    """Return a remark on rows of the history that were left out."""
    rows = "1 row of the history was" if count == 1 else f"{count} rows of the history were"
    return f"plabctl: {rows} left out: not written by plabctl, or damaged (see: plabctl doctor)"


def build_listing(events: Iterable[Event], *, titles: bool = True, head: Mapping[str, object] | None = None) -> Listing:
    """Return the history as a listing, in the order in which the events come; `head` stands beside them in JSON."""
    return Listing(
        plural="events",
        rows=events,
        encode=build_event_row,
        fields=FIELDS,
        columns=(
            Column("TIME", lambda event: Cell(format_local(event.at), "faint"), rank=2),
            Column("NODE", lambda event: Cell(event.node or ""), is_name=True),
            Column("WHAT", lambda event: Cell(describe_event(event), _choose_style(event)), rank=1, flexible=True),
            Column("BY", lambda event: Cell("" if event.actor == MACHINE else event.actor), rank=3),
            Column("TAKE BACK", lambda event: Cell(build_undo(event)), wide=True),
            Column("ID", lambda event: Cell(event.id), wide=True),
        ),
        head={} if head is None else head,
        titles=titles,
        key="node",
    )


def describe_event(event: Event) -> str:
    """Return what happened in words, without when, where and by whom."""
    experiment = get_text(event.data, "experiment")
    return f"{f'{experiment}: ' if experiment else ''}{_format_what(event)}{_format_until(event.data)}"


def _format_what(event: Event) -> str:
    kind, data, reason = event.kind, event.data, get_text(event.data, "reason")
    match kind:
        case "probe" | "vnode-probe":
            early = get_text(data, "asked_early")
            words = f"{_format_verdict(data)}{f'; asked early: {early}' if early else ''}"
        case "late":
            words = f"came too late and does not count: {_format_verdict(data)}"
        case "suspect":
            what = "" if get_text(data, "cause") == SILENCE else " failed once,"
            words = _join(f"{_format_step(data)},{what} checking again", reason)
        case "refuted":
            words = f"{_format_step(data)} as if nothing had happened: {reason or 'the retest passed'}"
        case "guarded":
            words = _join(f"{_format_step(data)}, its move is held by the guard", reason)
        case "guard-on" | "guard-off":
            scope = get_text(data, "scope")
            held = describe_effect(scope, is_on=kind == "guard-on")
            words = _join(f"{kind.replace('-', ' ')} for {scope}, {held}", reason)
        case "fault-over":
            words = f"{_join('fault over', reason)}, since {_format_instant(data, 'since_at')}"
        case "transition":
            words = _join(_format_step(data), reason)
        case "void" if data.get("experiment"):
            words = _join(f"{experiment_events.describe_work(data)} given up", reason)
        case _:
            name = _STUCK_NO_MORE if data.get("over") else _NAMES.get(kind, kind.replace("-", " "))
            words = experiment_events.describe_event(kind, data) or _join(name, reason)
    return words


def format_vantage(vantage: str) -> str:
    """Return from where a test was made, to be put after other words; nothing for this machine."""
    return f" from {vantage}" if vantage else ""


def _format_verdict(data: Row) -> str:
    seconds, what = data.get("seconds"), experiment_events.describe_work(data)
    took = f" in {seconds:.1f} s" if isinstance(seconds, float | int) else ""
    took += format_vantage(get_text(data, "vantage"))
    match data.get("outcome"):
        case "pass":
            return _join(f"{what} passed{took}", get_text(data, "note"))
        case "fail":
            return _join(f"{what} failed{took} ({get_text(data, 'cause')})", get_text(data, "reason"))
        case _:
            return _join(
                f"{'' if what == 'test' else f'{what}: '}no verdict ({get_text(data, 'cause')})",
                get_text(data, "reason"),
            )


def _join(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _format_step(data: Row) -> str:
    return f"{get_text(data, 'from')} -> {get_text(data, 'to')}"


def _format_until(data: Row) -> str:
    return f", until {_format_instant(data, 'until_at')}" if data.get("until_at") else ""


def _format_instant(data: Row, key: str) -> str:
    at = data.get(key)
    return format_local(at) if isinstance(at, int | float) else get_text(data, key)


def _choose_style(event: Event) -> str:
    if event.kind in {"probe", "vnode-probe"}:
        return {"pass": "good", "fail": "bad"}.get(get_text(event.data, "outcome"), "suspect")
    return _STYLES.get(event.kind, "")
