"""Strikes: a node whose moves out of good were confirmed too often is stuck, and does not return by itself.

Pure. The pools count them; `plabctl.core.pools.bad` keeps a stuck node, whatever its tests say, until a person releases
or moves it (`plabctl.core.node_orders`). What the guard takes back does not count (`plabctl.core.guard.rollback`).
"""

from __future__ import annotations

from plabctl.core.due_rows import NodeFields
from plabctl.core.model import Member
from plabctl.core.names import sort_names
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.selection import STUCK
from plabctl.core.settings import FlapSettings
from plabctl.core.state import State
from plabctl.core.usable import NEEDS_PERSON
from plabctl.durations import format_duration
from plabctl.typed import Any
from plabctl.values import replace

_STUCK: NodeFields[tuple[str, float | None]] = NodeFields(tuple, ("node", "stuck_since_at"))
_SHOWN = 5


def add_strike(member: Member, flap: FlapSettings, at: float) -> Member:
    """Return `member` with one more confirmed move, made at `at`: stuck when that is one too many."""
    recent = [each for each in member.strike_ats if each > at - flap.strikes_within_s]
    ats = (*recent, at)[-flap.strikes - 1 :]
    since_at = member.stuck_since_at
    if since_at is None and len(ats) > flap.strikes:
        since_at = at
    return replace(member, strike_ats=ats, stuck_since_at=since_at)


def forget_from(member: Member, at: float) -> dict[str, Any]:
    """Return what the fields of `member` become without the strikes from `at` on."""
    since_at = member.stuck_since_at
    return {
        "strike_ats": tuple(each for each in member.strike_ats if each < at),
        "stuck_since_at": since_at if since_at is not None and since_at < at else None,
    }


def judge_stuck_nodes(state: State) -> Problem:
    """Return that nodes are stuck, and which; there must be some."""
    names = sort_names(name for name, since_at in state.select(_STUCK) if since_at is not None)
    if len(names) == 1:
        reason, whom = f"{names[0]} {NEEDS_PERSON}", names[0]
    else:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        reason = f"{len(names)} nodes need a person, they failed too often to return: {', '.join(names[:_SHOWN])}{more}"
        whom = f"@{STUCK}"
    remedy = f"see why: plabctl explain {names[0]}; when mended: plabctl release {whom}"
    return Problem(ProblemKind.STUCK, reason, remedy, severity=Severity.WARNING)


def describe_strikes(count: int, flap: FlapSettings) -> str:
    """Return in words what so many strikes mean."""
    return f"its failures were confirmed {count} times within {format_duration(flap.strikes_within_s)}"
