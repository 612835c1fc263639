"""What a person may order of nodes that are there: move, retest, hold, release.

Pure. Each function returns the changes, or raises `Refused` and changes nothing; `Order.if_rev` is compare-and-swap, as
etcd's on the revision at which a key was modified. `plabctl.app.change_nodes` commits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from plabctl.core import events
from plabctl.core.model import Claim, Event, Hold, Member
from plabctl.core.pools.base import Move, enter_pool
from plabctl.core.selection import build_unknown_node_error, build_unknown_pool_error
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.core.steadiness import compute_good_ratio
from plabctl.errors import Refused
from plabctl.values import replace


@dataclass(frozen=True, slots=True)
class Order:
    """Who orders, why, and when; `rng` names the events."""

    actor: str
    reason: str
    now: float
    rng: Random
    if_rev: int | None = None
    """Refuse if any of the nodes was changed after this rev: the person who orders has not seen that."""
    takes_busy: bool = False
    """A retest is made although somebody uses the node."""


def move(
    state: State,
    settings: Settings,
    names: Sequence[str],
    pool: str,
    order: Order,
    until_at: float | None,
    *,
    is_once: bool = False,
) -> Changes:
    """Put the nodes into `pool`, due at once; what keeps them there is in `decide_pin`.

    A probe that is running meanwhile will be recorded and not applied, and a suspicion is settled by this. Nodes that
    are at home in `pool` already are only pinned; raise `Refused` when that changes nothing for any of them.
    """
    if pool not in settings.pools:
        raise build_unknown_pool_error(pool, settings.pools)
    is_good = settings.pools[pool].is_good
    members, claims = [], []
    happened: list[Event] = []
    for member in find_members(state, names, order):
        pin = decide_pin(member, order, until_at, is_good=is_good, is_once=is_once)
        if member.home_pool == member.pool == pool:
            if pin is not None and pin is not member.hold and (until_at is not None or not _is_endless(member.hold)):
                members.append(_pin_member(member, pin))
                happened.extend(build_events("hold", [member.node], order, until_at=until_at, pool=pool))
            continue
        members.append(_put_into(member, pool, pin, settings, order))
        claims.extend(_supersede_claims(state, member.node))
        origin = member.pool if member.pool != pool else member.home_pool
        step = Move("transition", origin, pool, order.now, "operator", order.reason)
        kept_by = "tests" if pin is None else "move" if pin is not member.hold else "hold"
        data = {"until_at": until_at, "kept_by": kept_by}
        happened.append(events.build_transition_event(member.node, step, order.actor, order.rng, **data))
    if not members:
        is_pinned = is_once and any(member.is_held(order.now) for member in find_members(state, names, order))
        advice = f"to let tests decide: plabctl release {' '.join(names)}" if is_pinned else ""
        raise Refused(f"{format_names(names)} in {pool!r} already", hint=advice)
    return Changes(members=tuple(members), claims=tuple(claims), events=tuple(happened))


def decide_pin(
    member: Member, order: Order, until_at: float | None, *, is_good: bool, is_once: bool = False
) -> Hold | None:
    """Return what keeps the node where a person moves it, in place of any pin that it has; None when tests decide.

    Until `until_at` the machine leaves it there. Without that a move out of good lasts until somebody releases the
    node, unless it is to be made only `is_once`; a move into good is an assertion that tests may refute. The newest
    move replaces the one before. A hold stays, unless the move is into good for a time, or lasts longer.
    """
    standing = member.hold if member.is_held(order.now) and member.hold and not member.hold.is_move else None
    if until_at is None and (is_good or is_once):
        return standing
    pin = Hold(order.actor, order.reason, order.now, until_at, is_move=True)
    return standing if standing and not is_good and not pin.outlasts(standing) else pin


def retest(state: State, names: Sequence[str], order: Order) -> Changes:
    """Make the nodes due now, before all others. A node that is being tested is tested once more afterwards.

    Raise `Refused` when one is absent: it is not tested until its inventory lists it again. Whether one is busy is
    asked by `plabctl.core.spared`.
    """
    asked = find_members(state, names, order)
    if absent := [member.node for member in asked if member.absent_since_at is not None]:
        raise Refused(
            f"{format_names(absent)} absent: no longer listed by an inventory, so not tested",
            hint="`plabctl test NODE` tries it, recording nothing",
        )
    members = [
        replace(member, requested_at=order.now, due_at=order.now, tests_busy=order.takes_busy or member.tests_busy)
        for member in asked
    ]
    return Changes(members=tuple(members), events=build_events("retest", names, order))


def hold(state: State, settings: Settings, names: Sequence[str], order: Order, until_at: float | None) -> Changes:
    """Pin the nodes where they are: probes go on, the machine moves none until `until_at` or `release`.

    A person's move out of good that lasts longer stays in force; raise `Refused` when that is so for all of them.
    """
    pin = Hold(order.actor, order.reason, order.now, until_at)
    asked = find_members(state, names, order)
    members = [_pin_member(member, pin) for member in asked if not _is_moved_for_longer(member, pin, settings)]
    if not members:
        raise Refused(
            f"{format_names(names)} moved for longer than that already",
            hint="release first what is to be held for a shorter time",
        )
    return Changes(
        members=tuple(members),
        events=build_events("hold", [member.node for member in members], order, until_at=until_at),
    )


def release(state: State, names: Sequence[str], order: Order) -> Changes:
    """Remove the holds, and let stuck nodes begin anew.

    The nodes are due at once: a probe decides what they are now, not the release.
    """
    asked = find_members(state, names, order)
    kept = [member for member in asked if member.is_held(order.now) or member.stuck_since_at is not None]
    if not kept:
        raise Refused(f"{format_names(names)} not held")
    members = [
        replace(member, hold=None, due_at=order.now, interval_s=0.0, strike_ats=(), stuck_since_at=None)
        for member in kept
    ]
    return Changes(members=tuple(members), events=build_events("release", [member.node for member in kept], order))


def _put_into(member: Member, pool: str, pin: Hold | None, settings: Settings, order: Order) -> Member:
    """Return `member` in `pool`, due at once, with a clean record."""
    return replace(
        enter_pool(member, pool, order.now),
        ok_streak=0,
        fail_streak=0,
        suspicion=None,
        requested_at=None,
        tests_busy=False,
        hold=pin,
        flaps=(),
        strike_ats=(),
        stuck_since_at=None,
        asked_early="",
        good_ratio=compute_good_ratio(member, settings, order.now),
    )


def _is_moved_for_longer(member: Member, pin: Hold, settings: Settings) -> bool:
    moved, pool = member.hold, settings.pools.get(member.pool)
    is_good = pool is not None and pool.is_good
    return moved is not None and moved.is_move and member.is_held(pin.since_at) and not is_good and moved.outlasts(pin)


def _is_endless(pin: Hold | None) -> bool:
    return pin is not None and pin.until_at is None


def _pin_member(member: Member, pin: Hold | None) -> Member:
    """Return `member` with `pin`, to be tested when that ends at the latest."""
    ends_at = pin.until_at if pin else None
    return replace(member, hold=pin, due_at=member.due_at if ends_at is None else min(member.due_at, ends_at))


def find_members(state: State, names: Sequence[str], order: Order) -> list[Member]:
    """Return the members of those names; raise `Refused` when one was changed since who orders looked."""
    found = []
    for name in names:
        member = state.member(name)
        if member is None:
            raise build_unknown_node_error(name, state)
        found.append(member)
    if order.if_rev is not None:
        _refuse_changed(state, names, order.if_rev)
    return found


def _refuse_changed(state: State, names: Sequence[str], if_rev: int) -> None:
    if if_rev > state.rev:
        raise Refused(
            f"the state is at rev {state.rev}, and not at {if_rev} yet", hint="is it another state directory?"
        )
    changed = {name: rev for name in names if (rev := state.find_rev(name)) > if_rev}
    if changed:
        name, rev = max(changed.items(), key=lambda item: item[1])
        others = f", and {len(changed) - 1} more of {len(names)} nodes" if len(changed) > 1 else ""
        raise Refused(
            f"{name!r} has changed since rev {if_rev}, at rev {rev}{others}",
            hint="read the state again and decide; nothing was changed",
        )


def _supersede_claims(state: State, name: str) -> list[Claim]:
    claim = state.claims.get(name)
    return [replace(claim, superseded=True)] if claim else []


def build_events(kind: str, names: Iterable[str], order: Order, **data: object) -> tuple[Event, ...]:
    """Return the events of what was ordered of these nodes, one for each, with the reason and `data`."""
    return tuple(
        events.build_person_event(kind, name, order.actor, order.now, order.rng, reason=order.reason, **data)
        for name in names
    )


def format_names(names: Sequence[str]) -> str:
    """Return the subject of a refusal with its verb: `'pc1' is` or `all 3 nodes are`."""
    return f"{names[0]!r} is" if len(names) == 1 else f"all {len(names)} nodes are"
