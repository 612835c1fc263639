"""Make the changes that a reading of an inventory leads to: nodes that are absent, back, or have another name.

Pure. Which they are is decided in `plabctl.core.inventory_changes`; how nodes join and leave, in
`plabctl.core.node_orders`. An absent node keeps its place in its pool with all that is known of it: it is not tested
and not offered, and once it is listed again it is as it was before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plabctl.core import events
from plabctl.core.claim import add_leftovers
from plabctl.core.enrolment import is_reached_otherwise, make_due
from plabctl.core.experiments.model import Experiment
from plabctl.core.model import Event, Node
from plabctl.core.node_orders import Order
from plabctl.core.state import Changes, State
from plabctl.values import replace


def mark_absent(state: State, names: Iterable[str], order: Order, grace_s: float) -> Changes:
    """Return the changes by which the nodes are absent from now on; a test under way decides nothing any more."""
    members = [replace(member, absent_since_at=order.now) for name in names if (member := state.member(name))]
    claims = [claim for member in members if (claim := state.claims.get(member.node))]
    return Changes(
        members=tuple(members),
        claims=tuple(replace(claim, superseded=True) for claim in claims),
        events=tuple(
            _build_event("node-absent", member.node, order, until_at=order.now + grace_s) for member in members
        ),
    )


def mark_back(state: State, names: Iterable[str], order: Order) -> Changes:
    """Return the changes by which absent nodes are there again, as they were before."""
    absent = [member for name in names if (member := state.member(name)) and member.absent_since_at is not None]
    return Changes(
        members=tuple(replace(member, absent_since_at=None) for member in absent),
        events=tuple(
            _build_event("node-back", member.node, order, since_at=member.absent_since_at) for member in absent
        ),
    )


def rename_nodes(state: State, renamed: Mapping[str, Node], order: Order) -> Changes:
    """Return the changes by which nodes go on under another name, with all that is known of them.

    `renamed` has each node as it is from now on, by the name it had. What runs on one now counts no more; what it may
    leave is torn down before the next test.
    """
    members, happened = [], []
    for old, node in renamed.items():
        member = state.member(old)
        if member is None:
            raise AssertionError(f"{old!r} is a node")
        claim = state.claims.get(old)
        left = member.leftovers if claim is None else add_leftovers(member, claim, [claim.vnode])
        renamed_member = replace(member, node=node.name, leftovers=left, absent_since_at=None)
        before = state.node(old)
        if before and is_reached_otherwise(before, node):
            renamed_member = make_due(renamed_member, order.now)
        members.append(renamed_member)
        happened.append(_build_event("node-renamed", node.name, order, **{"from": old}))
    vnodes = [vnode for vnode in state.vnodes() if vnode.node in renamed]
    return Changes(
        nodes=tuple(renamed.values()),
        removed=tuple(renamed),
        members=tuple(members),
        experiments=tuple(_rename_members(state, renamed)),
        vnodes=tuple(replace(vnode, node=renamed[vnode.node].name) for vnode in vnodes),
        gone=tuple(vnode.key for vnode in vnodes),
        released=tuple(claim.key for claim in state.claims.values() if claim.node in renamed),
        events=tuple(happened),
    )


def _rename_members(state: State, renamed: Mapping[str, Node]) -> Iterable[Experiment]:
    for experiment in state.experiments.values():
        if any(name in renamed for name in experiment.nodes):
            nodes = tuple(renamed[name].name if name in renamed else name for name in experiment.nodes)
            yield replace(experiment, nodes=nodes)


def _build_event(kind: str, name: str, order: Order, **data: object) -> Event:
    return events.build_person_event(kind, name, order.actor, order.now, order.rng, source=order.actor, **data)
