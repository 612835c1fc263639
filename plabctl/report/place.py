"""Where a node is and why: the evidence, when, by whom, and the command that takes a move of the machine back.

Pure. `story` and `explain` both say it.
"""

from __future__ import annotations

from plabctl.core.events import MACHINE
from plabctl.core.model import Event, Member
from plabctl.durations import format_duration
from plabctl.report.happened import event_row, take_back, told
from plabctl.report.instants import ago, iso, local
from plabctl.report.listing import Cell, Row
from plabctl.report.status import Situation
from plabctl.report.subject import Line, Subject
from plabctl.report.words import GLYPHS, side_of

COMMAND = "take back"
"""The label of the command that does so."""


def place_lines(subject: Subject, situation: Situation) -> list[Line]:
    """Return where the node is, since when, why, and how to take that back if it was the machine's doing."""
    member, now = subject.member, situation.now
    pool = situation.settings.pools.get(member.pool)
    style = "suspect" if member.is_suspect else side_of(pool)
    suspect = ", as a suspect" if member.is_suspect else ""
    since = f"for {format_duration(float(max(0, int(now - member.since_at))))}, since {local(member.since_at)}"
    lines: list[Line] = [
        ("pool", Cell(f"{GLYPHS[style]} {member.pool}{suspect}", style)),
        ("", Cell(since)),
        ("because", Cell(_why(subject))),
    ]
    if command := _take_back(subject):
        lines.append((COMMAND, Cell(command)))
    return lines


def because(subject: Subject) -> Row:
    """Return the same for programs."""
    row: dict[str, object] = {"text": _why(subject)}
    if move := _move(subject):
        row["event"] = event_row(move)
    if command := _take_back(subject):
        row["take_back"] = command
    if suspicion := subject.member.suspicion:
        row["suspicion"] = {"pool": suspicion.pool, "failed_at": iso(suspicion.failed_at)}
    return row


def held_lines(member: Member, now: float) -> list[Line]:
    """Return who holds the node, since when, until when and why; nothing when nobody does."""
    hold = member.hold
    if hold is None or not hold.holds(now):
        return []
    ends = "until released" if hold.until_at is None else f"until {local(hold.until_at)}"
    return [("held", Cell(f"by {hold.actor} {ago(hold.since_at, now)}, {ends}: {hold.reason}", "held"))]


def _why(subject: Subject) -> str:
    member = subject.member
    if member.suspicion and member.is_guarded:
        return "it fails, and the guard holds its move: too many fail together"
    if member.suspicion:
        seen = f": {member.last.reason}" if member.last and member.last.reason else ""
        at = local(member.suspicion.failed_at)
        return f"it failed once in {member.suspicion.pool} at {at}; the next test confirms or refutes that{seen}"
    if move := _move(subject):
        by = "" if move.actor == MACHINE else f" (by {move.actor})"
        return f"{told(event_row(move))}{by}, at {local(move.at)}"
    if member.last is None:
        return "new nodes begin here, and it has not been tested yet"
    if member.since_at <= subject.node.added_at:
        return "new nodes begin here, and it has not passed often enough to leave"
    return "the history does not go back that far"


def _move(subject: Subject) -> Event | None:
    """Return the event that brought the node to where it is, unless that was another node of the same name."""
    move = subject.last_move
    is_its_own = move is not None and move.at >= subject.node.added_at and move.data.get("to") == subject.member.pool
    return move if is_its_own else None


def _take_back(subject: Subject) -> str:
    move = _move(subject)
    return take_back(move) if move else ""
