"""Where a node is and why: the evidence, when, by whom; and what a person ordered, with the command that ends it.

Pure. `node_page` and `explanation` both show it.
Tests: `tests/render/test_explanation.py`.
"""

from __future__ import annotations

from plabctl.core.events import MACHINE
from plabctl.core.model import Event, Member
from plabctl.core.usable import explain_unusable
from plabctl.durations import format_duration
from plabctl.render.change_report import build_undo_command
from plabctl.render.event_table import build_undo, describe_event
from plabctl.render.listing import Cell, Line
from plabctl.render.styles import GLYPHS, GOOD, find_side
from plabctl.render.times import format_ago, format_local
from plabctl.views.explained_node import FailedIn, PoolReason
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord

COMMAND = "to release"
"""The label of the command that ends what a person ordered."""


def format_pool_lines(subject: NodeRecord, context: ViewContext) -> list[Line]:
    """Return where the node is, since when and why."""
    member, now = subject.member, context.now
    pool = context.settings.pools.get(member.pool)
    style, remark = find_side(pool), ""  # in `status` the signs are the same
    if member.absent_since_at is not None:
        style = "absent"
    elif member.is_suspect:
        style, remark = "suspect", ", as a suspect"
    elif style == GOOD and (why := explain_unusable(member, now, is_in_good=True)):
        style, remark = "held" if member.is_held(now) else "failing", f", not usable: {why}"
    since = f"for {format_duration(float(max(0, int(now - member.since_at))))}, since {format_local(member.since_at)}"
    return [
        ("pool", Cell(f"{GLYPHS[style]} {member.pool}{remark}", style)),
        ("", Cell(since)),
        ("because", Cell(_format_reason(subject))),
        *_format_absence(subject, context),
    ]


def _format_absence(subject: NodeRecord, context: ViewContext) -> list[Line]:
    since_at, source = subject.member.absent_since_at, subject.node.source
    if since_at is None:
        return []
    grace_s = next((each.grace_s for each in context.settings.inventories if each.name == source), None)
    ends = "" if grace_s is None else f"; it leaves after {format_local(since_at + grace_s)} unless it is listed again"
    return [("absent", Cell(f"since {format_local(since_at)}: {source} does not list it any more{ends}", "absent"))]


def build_pool_reason(subject: NodeRecord) -> PoolReason:
    """Return why the node is where it is."""
    suspicion = subject.member.suspicion
    return PoolReason(
        text=_format_reason(subject),
        event=_find_move(subject),
        take_back=_format_undo(subject) or None,
        suspicion=FailedIn(suspicion.pool, suspicion.failed_at) if suspicion else None,
    )


def format_hold_lines(member: Member, now: float) -> list[Line]:
    """Return who holds the node, since when, until when and why, and what ends it; nothing when nobody does."""
    hold = member.hold
    if hold is None or not hold.holds(now):
        return []
    ends = "until released" if hold.until_at is None else f"until {format_local(hold.until_at)}"
    by = f"{'moved here ' if hold.is_move else ''}by {hold.actor} {format_ago(hold.since_at, now)}"
    return [
        ("held", Cell(f"{by}, {ends}: {hold.reason}", "held")),
        (COMMAND, Cell(build_undo_command(["release"], [member.node]))),
    ]


def format_stuck_lines(member: Member, context: ViewContext) -> list[Line]:
    """Return since when and why the node does not return by itself, and what lets it; nothing when it does."""
    if member.stuck_since_at is None:
        return []
    from plabctl.core.strikes import describe_strikes

    why = describe_strikes(len(member.strike_ats), context.settings.flap)
    text = f"since {format_local(member.stuck_since_at)}: {why}, so it does not return by itself"
    return [
        ("needs a person", Cell(text, "bad")),
        (COMMAND, Cell(build_undo_command(["release"], [member.node]))),
    ]


def format_busy_lines(subject: NodeRecord, context: ViewContext) -> list[Line]:
    """Return who uses the node, and since when; nothing when nobody does."""
    use = context.busy.get(subject.node.name)
    if use is None:
        return []
    by = f"by {use.by} " if use.by else ""
    ends = "" if use.until_at is None else f", until {format_local(use.until_at)} as far as is known"
    return [("busy", Cell(f"{by}since {format_local(use.since_at)}{ends}"))]


def format_readiness_lines(member: Member, context: ViewContext) -> list[Line]:
    """Return since when the node says itself that it is not ready, and when that counts; nothing when it does not."""
    since_at = member.not_ready_since_at
    if since_at is None:
        return []
    counts_at = since_at + context.settings.ssh.not_ready_for_s
    counts = f"counts as a failure {'from' if counts_at > context.now else 'since'} {format_local(counts_at)}"
    return [("not ready", Cell(f"it says so itself, since {format_local(since_at)}; {counts}", "suspect"))]


def _format_reason(subject: NodeRecord) -> str:
    member = subject.member
    if member.suspicion and member.is_guarded:
        return "it fails, and the guard holds its move: too many fail together"
    if member.suspicion:
        seen = f": {member.last.reason}" if member.last and member.last.reason else ""
        at = format_local(member.suspicion.failed_at)
        what = "fell silent" if member.suspicion.by_silence else "failed once"
        return f"it {what} in {member.suspicion.pool} at {at}; the next test confirms or refutes that{seen}"
    if move := _find_move(subject):
        by = "" if move.actor == MACHINE else f" (by {move.actor})"
        return f"{describe_event(move)}{by}, at {format_local(move.at)}"
    if member.last is None:
        return "new nodes start here, and it has not been tested yet"
    if member.since_at <= subject.node.added_at:
        return "new nodes start here, and it has not passed often enough to leave"
    return "the history does not go back that far"


def _find_move(subject: NodeRecord) -> Event | None:
    """Return the event that brought the node to where it is, unless that was another node of the same name."""
    move = subject.last_move
    is_its_own = move is not None and move.at >= subject.node.added_at and move.data.get("to") == subject.member.pool
    return move if is_its_own else None


def _format_undo(subject: NodeRecord) -> str:
    move = _find_move(subject)
    return build_undo(move) if move else ""
