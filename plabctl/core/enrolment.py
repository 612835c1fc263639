"""How nodes come and go by order: add them, change their variables, remove them.

Pure. Each function returns the changes, or raises `Refused` and changes nothing. Persons and inventories both order.
Tests: `tests/core/test_node_orders.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        raise Refused(f"{format_names(known)} known already", hint="--replace replaces their variables")
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
            more = {"source": node.source, "pool": settings.entry_pool, **_format_variables(node)}
            happened.extend(build_events("node-added", [node.name], order, **more))
        elif dict(before.variables) != dict(node.variables) or node.source not in {before.source, OPERATOR}:
            source = before.source if node.source == OPERATOR else node.source
            changed.append(replace(before, variables=node.variables, source=source))
            if any(before.variables.get(name) != node.variables.get(name) for name in _ADDRESS):
                moved.append(node.name)
            happened.extend(
                build_events("node-changed", [node.name], order, source=node.source, **_format_variables(node))
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
    for member in find_members(state, names, order):
        left[member.node] = leftovers.list_left_by(member, state.claims.get(member.node))
        pieces = [piece.vnode for piece in left[member.node]]
        happened.extend(build_events("node-removed", [member.node], order, pool=member.pool, debris=pieces))
    released = tuple(name for name in names if name in state.claims)
    strays = detach_vnodes(state, names, order.now)
    notes = leftovers.file_leftovers(state, left, order.now)
    return Changes(removed=tuple(names), vnodes=strays, released=released, events=tuple(happened), notes=notes)


def _format_variables(node: Node) -> dict[str, object]:
    return {"variables": dict(node.variables)} if node.variables else {}
