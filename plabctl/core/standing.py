"""Where a node stands, for those who keep another system in line with it: whether it is usable, and if not, why.

Pure. `plabctl.sinks.base` says who is told this, and `plabctl.app.sink_sync` tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plabctl.core.model import Member, Outcome
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.core.usable import explain_unusable
from plabctl.typed import NamedTuple
from plabctl.values import replace


class Standing(NamedTuple):
    """One node."""

    node: str
    variables: Mapping[str, str]
    why_not: str
    """Why it is not usable, with the cause in front: `connect: connection refused`; empty when it is."""
    is_decided: bool
    """Whether that is known. Of a node that was never tested nothing is known yet."""
    is_followed: bool
    """Whether the one who asks holds it: then `why_not` is what would be so without that."""


def list_standings(state: State, settings: Settings, now: float, own_actor: str) -> Iterator[Standing]:
    """Yield where each node stands at `now`; holds by an actor whose name begins with `own_actor` are left out."""
    good_pools = settings.good_pools
    for member in state.members():
        node = state.node(member.node)
        if node is None:
            continue
        is_followed = is_followed_hold(member, now, own_actor)
        seen = replace(member, hold=None) if is_followed else member
        why_not = _explain(seen, now, is_in_good=member.pool in good_pools)
        yield Standing(node.name, node.variables, why_not, not why_not or _is_decided(seen, now), is_followed)


def is_followed_hold(member: Member, now: float, own_actor: str) -> bool:
    """Return whether the node is held by such an actor at `now`."""
    return member.hold is not None and member.is_held(now) and member.hold.actor.startswith(own_actor)


def _explain(member: Member, now: float, *, is_in_good: bool) -> str:
    why = explain_unusable(member, now, is_in_good=is_in_good)
    if why is None:
        return ""
    if member.absent_since_at is not None:
        return why
    if member.hold is not None and member.is_held(now):
        return f"{why}: {member.hold.reason}" if member.hold.reason else why
    last = member.last
    if last is not None and last.outcome is Outcome.FAIL:
        return f"{last.cause}: {last.reason}" if last.cause else last.reason
    return why


def _is_decided(member: Member, now: float) -> bool:
    if member.absent_since_at is not None or member.is_held(now) or member.fail_streak or member.ok_streak:
        return True
    return member.last is not None and member.last.outcome is not Outcome.UNKNOWN
