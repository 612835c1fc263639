"""What a person may order: move, retest, hold, release, add and remove nodes.

Pure. Each function returns the changes, or raises `Refused` and changes nothing; `Order.if_rev` is compare-and-swap, as
etcd's on the revision at which a key was modified. `plabctl.app.change_nodes` commits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from plabctl.core import events, leftovers
from plabctl.core.experiments.membership import detach_vnodes
from plabctl.core.model import Claim, Event, Hold, Member, Node
from plabctl.core.names import OPERATOR, fold_name
from plabctl.core.pools.base import Move, enter_pool
from plabctl.core.selection import build_unknown_node_error, build_unknown_pool_error
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.core.steadiness import compute_good_ratio
from plabctl.errors import Refused

_ADDRESS = ("ssh_host", "ssh_port", "ssh_user")


@dataclass(frozen=True, slots=True)
class Order:
    """Who orders, why, and when; `rng` names the events."""

    actor: str
    reason: str
    now: float
    rng: Random
    if_rev: int | None = None
    """Refuse if any of the nodes was changed after this rev: whoever orders has not seen that."""


def move(
    state: State, settings: Settings, names: Sequence[str], pool: str, order: Order, until_at: float | None
) -> Changes:
    """Put the nodes into `pool`, due at once; with `until_at` the machine leaves them there until then.

    A probe that is running meanwhile will be recorded and not applied, and a suspicion is settled by this. Nodes that
    are at home in `pool` already are only pinned; raise `Refused` when that is all of them and there is no `until_at`.
    Without `until_at` a pin stays as it is.
    """
    if pool not in settings.pools:
        raise build_unknown_pool_error(pool, settings.pools)
    members, claims = [], []
    happened: list[Event] = []
    for member in _find_members(state, names, order):
        is_timed = until_at is not None
        pin = Hold(order.actor, order.reason, order.now, until_at, is_move=True) if is_timed else member.hold
        if member.home_pool == member.pool == pool:
            if until_at is not None:
                members.append(_pin_member(member, pin))
                happened.extend(_build_events("hold", [member.node], order, until_at=until_at))
            continue
        moved = replace(
            enter_pool(member, pool, order.now),
            ok_streak=0,
            fail_streak=0,
            suspicion=None,
            requested_at=None,
            hold=pin,
            flaps=(),
            good_ratio=compute_good_ratio(member, settings, order.now),
        )
        members.append(moved)
        claims.extend(_supersede_claims(state, member.node))
        origin = member.pool if member.pool != pool else member.home_pool
        step = Move("transition", origin, pool, order.now, "operator", order.reason)
        happened.append(events.build_transition_event(member.node, step, order.actor, order.rng, until_at))
    if not members:
        raise Refused(f"{_format_names(names)} in {pool!r} already")
    return Changes(members=tuple(members), claims=tuple(claims), events=tuple(happened))


def retest(state: State, names: Sequence[str], order: Order) -> Changes:
    """Make the nodes due now, before all others. A node that is being tested is tested once more afterwards.

    Raise `Refused` when one is absent: it is not tested until its inventory lists it again.
    """
    asked = _find_members(state, names, order)
    if absent := [member.node for member in asked if member.absent_since_at is not None]:
        raise Refused(
            f"{_format_names(absent)} absent: no longer listed by an inventory, so not tested",
            hint="`plabctl test NODE` tries it, recording nothing",
        )
    members = [replace(member, requested_at=order.now, due_at=order.now) for member in asked]
    return Changes(members=tuple(members), events=_build_events("retest", names, order))


def hold(state: State, names: Sequence[str], order: Order, until_at: float | None) -> Changes:
    """Pin the nodes where they are: probes go on, the machine moves none until `until_at` or `release`."""
    pin = Hold(order.actor, order.reason, order.now, until_at)
    members = [_pin_member(member, pin) for member in _find_members(state, names, order)]
    return Changes(members=tuple(members), events=_build_events("hold", names, order, until_at=until_at))


def release(state: State, names: Sequence[str], order: Order) -> Changes:
    """Remove the holds. The nodes are due at once: a probe decides what they are now, not the release."""
    held = [member for member in _find_members(state, names, order) if member.is_held(order.now)]
    if not held:
        raise Refused(f"{_format_names(names)} not held")
    members = [replace(member, hold=None, due_at=order.now, interval_s=0.0) for member in held]
    return Changes(members=tuple(members), events=_build_events("release", [member.node for member in held], order))


def add_nodes(
    state: State, settings: Settings, nodes: Sequence[Node], order: Order, *, replacing: bool = False
) -> Changes:
    """Add the nodes to the entry pool, due at once. With `replacing`, nodes that are there get the new variables.

    What a node of that name may have left on its machine when it was removed is torn down before the first test. Where
    the address of a node changes, the vnodes of experiments on it are torn down at the old one.

    Names are compared without regard to case; a node that is there keeps the one it has.
    Raise `Refused` when a node is there already and `replacing` is false. A node that is the same stays untouched.
    """
    names = {fold_name(name): name for name in state.names()}
    nodes = [_take_known_name(node, names, state) for node in nodes]
    known = [node.name for node in nodes if state.node(node.name)]
    if known and not replacing:
        raise Refused(f"{_format_names(known)} known already", hint="--replace replaces their variables")
    added, changed, members = [], [], []
    moved: list[str] = []
    happened: list[Event] = []
    left, notes = leftovers.claim_leftovers(state, [node.name for node in nodes], order.now)
    for node in nodes:
        before = state.node(node.name)
        if before is None:
            added.append(replace(node, added_at=order.now))
            pieces = left.get(node.name, ())
            members.append(Member(node.name, settings.entry_pool, order.now, order.now, leftovers=pieces))
            happened.extend(
                _build_events("node-added", [node.name], order, source=node.source, **_format_variables(node))
            )
        elif dict(before.variables) != dict(node.variables) or node.source not in {before.source, OPERATOR}:
            source = before.source if node.source == OPERATOR else node.source
            changed.append(replace(before, variables=node.variables, source=source))
            if any(before.variables.get(name) != node.variables.get(name) for name in _ADDRESS):
                moved.append(node.name)
            happened.extend(
                _build_events("node-changed", [node.name], order, source=node.source, **_format_variables(node))
            )
    strays = detach_vnodes(state, moved, order.now)
    return Changes(nodes=(*added, *changed), members=tuple(members), vnodes=strays, events=tuple(happened), notes=notes)


def _take_known_name(node: Node, names: Mapping[str, str], state: State) -> Node:
    name = names.get(fold_name(node.name), node.name)
    return node if name == node.name or state.node(node.name) else replace(node, name=name)


def remove_nodes(state: State, names: Sequence[str], order: Order) -> Changes:
    """Forget the nodes; a probe that is running ends by itself and is recorded as late.

    The vnodes of experiments on them are torn down where the nodes were. What tests may have left is remembered for a
    week, in case the nodes come back.
    """
    happened: list[Event] = []
    left = {}
    for member in _find_members(state, names, order):
        left[member.node] = leftovers.list_left_by(member, state.claims.get(member.node))
        pieces = [piece.vnode for piece in left[member.node]]
        happened.extend(_build_events("node-removed", [member.node], order, pool=member.pool, debris=pieces))
    released = tuple(name for name in names if name in state.claims)
    strays = detach_vnodes(state, names, order.now)
    notes = leftovers.file_leftovers(state, left, order.now)
    return Changes(removed=tuple(names), vnodes=strays, released=released, events=tuple(happened), notes=notes)


def _pin_member(member: Member, pin: Hold | None) -> Member:
    """Return `member` with `pin`, to be tested when that ends at the latest."""
    ends_at = pin.until_at if pin else None
    return replace(member, hold=pin, due_at=member.due_at if ends_at is None else min(member.due_at, ends_at))


def _find_members(state: State, names: Sequence[str], order: Order) -> list[Member]:
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
    changed = {name: rev for name in names if (rev := state.rev_of(name)) > if_rev}
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


def _build_events(kind: str, names: Iterable[str], order: Order, **data: object) -> tuple[Event, ...]:
    return tuple(
        events.build_person_event(kind, name, order.actor, order.now, order.rng, reason=order.reason, **data)
        for name in names
    )


def _format_variables(node: Node) -> dict[str, object]:
    return {"variables": dict(node.variables)} if node.variables else {}


def _format_names(names: Sequence[str]) -> str:
    return f"{names[0]!r} is" if len(names) == 1 else f"all {len(names)} nodes are"
