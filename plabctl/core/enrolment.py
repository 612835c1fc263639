"""How nodes come and go by order: add them, change their variables, remove them.

Pure. Each function returns the changes, or raises `Refused` and changes nothing. Persons and inventories both order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from plabctl.core import leftovers
from plabctl.core.experiments.membership import detach_vnodes
from plabctl.core.model import Event, Member, Node
from plabctl.core.names import OPERATOR, fold_name
from plabctl.core.node_orders import Order, build_events, find_members, format_names
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.errors import Refused

_ADDRESS = ("ssh_host", "ssh_port", "ssh_user")
_REACHED_BY = (*_ADDRESS, "ssh_key", "ssh_jump")


def add_nodes(
    state: State, settings: Settings, nodes: Sequence[Node], order: Order, *, replacing: bool = False
) -> Changes:
    """Add the nodes to the entry pool, due at once. With `replacing`, nodes that are there get the new variables.

    What a node of that name may have left on its machine when it was removed is torn down before the first test. What
    a new address means is in `change_nodes`.

    Names are compared without regard to case; a node that is there keeps the one it has.
    Raise `Refused` when a node is there already and `replacing` is false. A node that is the same stays untouched.
    """
    names = {fold_name(name): name for name in state.names()}
    nodes = [_take_known_name(node, names, state) for node in nodes]
    known = [node.name for node in nodes if state.node(node.name)]
    if known and not replacing:
        raise Refused(f"{format_names(known)} known already", hint="--replace replaces their variables")
    new = [replace(node, added_at=order.now) for node in nodes if not state.node(node.name)]
    left, notes = leftovers.claim_leftovers(state, [node.name for node in new], order.now)
    members = [
        Member(node.name, settings.entry_pool, order.now, order.now, leftovers=left.get(node.name, ())) for node in new
    ]
    happened = [event for node in new for event in _build_events("node-added", node, order, pool=settings.entry_pool)]
    changes = change_nodes(state, [node for node in nodes if state.node(node.name)], order)
    return replace(
        changes,
        nodes=(*new, *changes.nodes),
        members=(*members, *changes.members),
        events=(*happened, *changes.events),
        notes=notes,
    )


def change_nodes(state: State, nodes: Sequence[Node], order: Order) -> Changes:
    """Give the nodes, which are there, their new variables, and the source that lists them now.

    One that is reached in another way, at another address or with another user or key, is due at once, and a test under
    way decides nothing; where the address changes, the vnodes of experiments on it are torn down at the old one.
    """
    changed, moved, due = [], [], []
    happened: list[Event] = []
    for node in nodes:
        before = state.node(node.name)
        is_same_source = node.source == OPERATOR or (before and node.source == before.source)
        if before is None or (is_same_source and dict(before.variables) == dict(node.variables)):
            continue
        changed.append(
            replace(before, variables=node.variables, source=before.source if is_same_source else node.source)
        )
        happened.extend(_build_events("node-changed", node, order))
        if is_reached_otherwise(before, node):
            due.append(node.name)
        if any(before.variables.get(name) != node.variables.get(name) for name in _ADDRESS):
            moved.append(node.name)
    return Changes(
        nodes=tuple(changed),
        members=tuple(make_due(member, order.now) for name in due if (member := state.member(name))),
        claims=tuple(replace(claim, superseded=True) for name in due if (claim := state.claims.get(name))),
        vnodes=detach_vnodes(state, moved, order.now),
        events=tuple(happened),
    )


def is_reached_otherwise(before: Node, after: Node) -> bool:
    """Return whether what it takes to reach a node differs: its address, port, user, key or jump hosts."""
    return any(before.variables.get(name, "") != after.variables.get(name, "") for name in _REACHED_BY)


def make_due(member: Member, now: float) -> Member:
    """Return `member` due at once: what its last test found does not tell what the next one will find."""
    wait_s = member.interval_s if member.suspicion else 0.0
    return replace(member, due_at=min(member.due_at, now), interval_s=wait_s)


def set_variables(
    state: State, names: Sequence[str], settings: Mapping[str, str], unset: Collection[str], order: Order
) -> Changes:
    """Set some variables of nodes that persons added, and remove others; those that are not named stay.

    Raise `Refused` when a node is listed by an inventory, which says its variables, and when nothing changes.
    """
    nodes = []
    for member in find_members(state, names, order):
        node = state.node(member.node)
        if node is None:
            raise AssertionError(f"{member.node!r} is a node")
        if node.source != OPERATOR:
            raise Refused(
                f"{node.name!r} is listed by the inventory {node.source}, which says its variables",
                hint="change them there; nothing was changed",
            )
        kept = {key: value for key, value in node.variables.items() if key not in unset}
        nodes.append(replace(node, variables={**kept, **settings}))
    changes = change_nodes(state, nodes, order)
    if not changes.nodes:
        what = "those variables already" if settings else "no such variable"
        raise Refused(f"{names[0]!r} has {what}" if len(names) == 1 else f"all {len(names)} nodes have {what}")
    return changes


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
    for member in find_members(state, names, order):
        left[member.node] = leftovers.list_left_by(member, state.claims.get(member.node))
        pieces = [piece.vnode for piece in left[member.node]]
        happened.extend(build_events("node-removed", [member.node], order, pool=member.pool, debris=pieces))
    released = tuple(name for name in names if name in state.claims)
    strays = detach_vnodes(state, names, order.now)
    notes = leftovers.file_leftovers(state, left, order.now)
    return Changes(removed=tuple(names), vnodes=strays, released=released, events=tuple(happened), notes=notes)


def _build_events(kind: str, node: Node, order: Order, **data: object) -> tuple[Event, ...]:
    if node.variables:
        data["variables"] = dict(node.variables)
    return build_events(kind, [node.name], order, source=node.source, **data)
