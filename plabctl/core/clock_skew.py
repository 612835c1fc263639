"""A clock that was set back, or cannot be believed at all, and what becomes of the instants in the state then.

Pure, and light to import: each idle tick asks. Every session that may change the state passes through here first
(`plabctl.store.store`), so that no decision meets an instant in the future that was only written because the clock was
wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from plabctl.typed import TYPE_CHECKING, Any, TypeVar
from plabctl.values import fields, replace

if TYPE_CHECKING:
    from plabctl.core.experiments.model import Vnode
    from plabctl.core.model import Claim, Hold, Member
    from plabctl.core.notes import Document
    from plabctl.core.state import Changes, State

T = TypeVar("T")
W = TypeVar("W", "Member", "Vnode")
SLACK_S = 1.0
"""How far the clock may lie before the last commit without having been set back."""
SETTLES_S = 600.0
"""How long after a boot a clock that lies behind may still be waiting for its time server."""
NEVER_BEFORE = 1_000_000_000.0
"""In 2001. A clock that is behind that was never set since it lost its power."""
_MOMENT_S = 0.001
_ENDS = frozenset({"due_at", "until_at", "deadline_at"})
"""What may lie ahead: the ends of waits."""


def explain_distrust(now: float, saved_at: float, uptime_s: float, *, is_same_boot: bool = False) -> str:
    """Return why the clock cannot be believed, nothing when it can.

    `saved_at` is when the state was last changed, and `is_same_boot` says that this was done since the last boot. By
    then the clock had been believed, so that it does not wait for its time server any more: it was corrected.
    """
    if now < NEVER_BEFORE:
        return "the clock of this machine is not set: it is far in the past"
    if is_set_back(now, saved_at) and uptime_s < SETTLES_S and not is_same_boot:
        return "this machine has just been booted, and its clock is behind the last change of the state"
    return ""


def is_set_back(now: float, saved_at: float) -> bool:
    """Return whether the clock was set back since the state was last changed."""
    return now < saved_at - SLACK_S


def rebase_instants(state: State, now: float) -> Changes:
    """Return the changes by which no instant lies ahead that cannot: what seems to have happened later happened now.

    Waits stay as long as they were meant to be, and so do the holds that a person gave an end.
    """
    from plabctl.core.state import Changes  # an idle tick needs none of it

    notes = {topic: _rebase_table(note, now) for topic, note in state.notes.items()}
    return Changes(
        nodes=_collect_changed((each, _cap_instants(each, now)) for each in state.nodes()),
        members=_collect_changed((each, _rebase_member(each, now)) for each in state.members()),
        vnodes=_collect_changed((each, _cap_wait(each, now)) for each in state.vnodes()),
        claims=_collect_changed((each, _rebase_claim(each, now)) for each in state.claims.values()),
        experiments=_collect_changed((each, _cap_instants(each, now)) for each in state.experiments.values()),
        notes={topic: note for topic, note in notes.items() if note != state.notes[topic]},
    )


def _collect_changed(pairs: Iterable[tuple[T, T]]) -> tuple[T, ...]:
    return tuple(after for before, after in pairs if after is not before)


def _rebase_member(member: Member, now: float) -> Member:
    after = _cap_wait(member, now)
    if member.requested_at is not None and after.due_at > now:
        after = replace(after, due_at=now)  # a person asked for a test at once
    hold = member.hold
    return after if hold is None or hold.since_at <= now else replace(after, hold=_rebase_hold(hold, now))


def _rebase_hold(hold: Hold, now: float) -> Hold:
    until_at = None if hold.until_at is None else round(now + hold.until_at - hold.since_at, 3)
    return replace(hold, since_at=now, until_at=until_at)


def _rebase_claim(claim: Claim, now: float) -> Claim:
    """Return `claim`, begun a moment ago: what a person asks for now comes after it."""
    if claim.started_at <= now:
        return claim
    lasts_s = claim.deadline_at - claim.started_at
    return replace(claim, started_at=now - _MOMENT_S, deadline_at=round(now + lasts_s, 3))


def _cap_wait(value: W, now: float) -> W:
    """Return a member, of a health pool or of an experiment, whose wait is not longer than it was computed."""
    latest = round(now + value.interval_s, 3)
    due_at = min(value.due_at, latest)
    after = _cap_instants(value, now)
    return after if due_at == after.due_at else replace(after, due_at=due_at)


def _cap_instants(value: T, now: float) -> T:
    """Return `value`, with no instant in it or in what it holds after `now`; `value` itself when there is none."""
    changes: dict[str, Any] = {}
    for name in (field.name for field in fields(type(value))):
        found = getattr(value, name)
        if _is_instant(name) and name not in _ENDS:
            after: Any = now if found is not None and found > now else found
        elif isinstance(found, tuple):
            parts = tuple(_cap_instants(part, now) if _is_value(part) else part for part in found)
            after = found if parts == found else parts
        else:
            after = _cap_instants(found, now) if _is_value(found) else found
        if after is not found:
            changes[name] = after
    return replace(value, **changes) if changes else value  # type: ignore[type-var]  # it is one of our values


def _rebase_table(table: Document, now: float) -> Document:
    """Return a note, or a part of it, with no instant after `now`: in all notes the key tells what is an instant."""
    return {
        key: min(value, now) if _is_instant(key) and isinstance(value, int | float) else _rebase_part(value, now)
        for key, value in table.items()
    }


def _rebase_part(part: object, now: float) -> object:
    if isinstance(part, Mapping):
        return _rebase_table(part, now)
    if isinstance(part, Sequence) and not isinstance(part, str):
        return [_rebase_part(each, now) for each in part]
    return part


def _is_instant(name: str) -> bool:
    return name in {"at", "blind_until"} or name.endswith("_at")


def _is_value(found: object) -> bool:
    return hasattr(type(found), "__value_fields__")
