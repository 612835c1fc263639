"""How nodes come and go by order: add them, change their variables, remove them.

Pure. Each function returns the changes, or raises `Refused` and changes nothing. Persons and inventories both order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from plabctl.core import leftovers
from plabctl.core.events import make_token
from plabctl.core.experiments.membership import detach_vnodes
from plabctl.core.model import Event, Member, Node
from plabctl.core.names import OPERATOR, fold_name
from plabctl.core.node_orders import Order, build_events, find_members, format_names
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.errors import Refused
from plabctl.values import replace

_ADDRESS = ("ssh_host", "ssh_port", "ssh_user")
_PART = 10_000
"""So many nodes are added at once; what is made of them on the way takes some 10 MB."""
_REPLACE_HINT = "--replace replaces their variables"
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
    new, known = _find_known(state, nodes, replacing=replacing)
    added, changes = _add_new(state, settings, new, order), change_nodes(state, known, order)
    return replace(
        changes,
        nodes=(*added.nodes, *changes.nodes),
        members=(*added.members, *changes.members),
        events=(*added.events, *changes.events),
        notes=added.notes,
    )


def add_nodes_in_parts(
    state: State, settings: Settings, nodes: Sequence[Node], order: Order, *, replacing: bool = False
) -> Iterator[Changes]:
    """Yield what `add_nodes` returns in parts, each to be applied before the next is asked for.

    So of a million nodes not all values are in memory beside the documents that are made of them. Raise `Refused`
    before the first part.
    """
    new, known = _find_known(state, nodes, replacing=replacing)
    for start in range(0, len(new), _PART):
        yield _add_new(state, settings, new[start : start + _PART], order)
    if known:
        yield change_nodes(state, known, order)


def _find_known(state: State, nodes: Sequence[Node], *, replacing: bool) -> tuple[Sequence[Node], Sequence[Node]]:
    """Return the nodes that are new, and those that are there, under the names that they have there."""
    names = {fold_name(name): name for name in state.names()}
    new, known = [], []
    for node in nodes:
        name = names.get(fold_name(node.name))
        if name is None:
            new.append(node)
        else:
            known.append(node if name == node.name or state.node(node.name) else replace(node, name=name))
    if known and not replacing:
        raise Refused(f"{format_names([node.name for node in known])} known already", hint=_REPLACE_HINT)
    return new, known


def _add_new(state: State, settings: Settings, nodes: Sequence[Node], order: Order) -> Changes:
    pool, now = settings.entry_pool, order.now
    left, notes = leftovers.claim_leftovers(state, [node.name for node in nodes], now)
    return Changes(
        nodes=tuple(Node(node.name, node.variables, node.source, now) for node in nodes),
        members=tuple(Member(node.name, pool, now, now, leftovers=left.get(node.name, ())) for node in nodes),
        events=tuple(_build_added_events(nodes, order, pool)),
        notes=notes,
    )


def _build_added_events(nodes: Sequence[Node], order: Order, pool: str) -> Iterator[Event]:
    """Yield the events of new nodes: alike but for the node, so that the state can keep very many of them as one."""
    token, alike = make_token(order.rng), dict[str, Mapping[str, object]]()
    for node in nodes:
        data = alike.get(node.source)
        if data is None:
            given = {"reason": order.reason, "source": node.source, "pool": pool}
            data = alike[node.source] = {key: value for key, value in given.items() if value}
        own = {**data, "variables": dict(node.variables)} if node.variables else data
        yield Event(f"{token}-{node.name}", order.now, "node-added", node.name, order.actor, own)


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
        variables = dict(node.variables) or None
        happened.extend(build_events("node-changed", [node.name], order, source=node.source, variables=variables))
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
