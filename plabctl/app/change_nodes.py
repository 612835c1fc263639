"""What a person orders: choose the nodes, commit the change, tell the history, and say what changed.

I/O: the lock of the state, for milliseconds. What an order means is decided in `plabctl.core.node_orders`.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from plabctl.app.context import App
from plabctl.app.record_events import try_record_events
from plabctl.app.undo_orders import list_undo_commands
from plabctl.core import enrolment, node_orders
from plabctl.core.model import Hold, Member, Node
from plabctl.core.selection import Selection, find_names, select_nodes
from plabctl.core.state import Changes, State
from plabctl.errors import UsageFault
from plabctl.nodesets import MAX_NODES
from plabctl.render.change_report import build_undo_command
from plabctl.render.times import format_local
from plabctl.store.tables import pause_collection
from plabctl.views.changes import Change, ChangeResult

if TYPE_CHECKING:
    from plabctl.store.session import Session

MAX_REASON = 500


def choose_nodes(app: App, words: Sequence[str]) -> Selection:
    """Return the nodes that `words` mean now; raise NoSuchNode or NoSuchPool."""
    return select_nodes(words, app.store.snapshot(), app.settings, app.clock.now())


def refuse_busy(app: App, state: State, names: Sequence[str]) -> None:
    """Raise Refused when a test of these nodes would disturb somebody."""
    if app.settings.occupancies:
        from plabctl.core import spared  # few have such a source

        spared.refuse_busy(state, app.settings, names, app.clock.now())


def build_order(app: App, actor: str, reason: str, if_rev: int | None = None) -> node_orders.Order:
    """Return who orders, why and when, having seen what.

    Raise UsageFault for a reason that is no single line of text.
    """
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise UsageFault(f"the reason must be one line of at most {MAX_REASON} printable characters")
    rng = random.Random()
    return node_orders.Order(actor, reason.strip(), app.clock.now(), rng, if_rev)


def move(
    app: App,
    names: Sequence[str],
    pool: str,
    order: node_orders.Order,
    until_at: float | None,
    *,
    is_once: bool = False,
) -> ChangeResult:
    """Put the nodes into `pool`, until `until_at`, or until released; with `is_once` tests go on deciding."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.move(state, app.settings, names, pool, order, until_at, is_once=is_once)
        before = {str(event.node): str(event.data["from"]) for event in changes.events if event.kind == "transition"}
        done = [
            Change(member.node, before[member.node], f"{pool}{_describe_stay(member, order)}")
            if member.node in before
            else Change(
                member.node, _describe_hold(state, member.node, order.now), f"held in {pool}, {_describe_end(until_at)}"
            )
            for member in changes.members
        ]
        undo = list_undo_commands(state, app.settings, changes.members, order.now)
        return changes, ChangeResult(tuple(done), tuple(undo))

    return _commit(app, names, decide)


def retest(app: App, names: Sequence[str], order: node_orders.Order) -> ChangeResult:
    """Make the nodes due now, before all others; raise Refused for busy ones, unless the order takes those."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        if not order.takes_busy:
            refuse_busy(app, state, names)
        changes = node_orders.retest(state, names, order)
        return changes, ChangeResult(tuple(Change(name, "", "due now") for name in names))

    return _commit(app, names, decide)


def retest_accepted(app: App, names: Sequence[str], order: node_orders.Order) -> ChangeResult:
    """Make the nodes due now whose host keys were accepted: those that wait, or that are tested with the old ones."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        waiting = [
            name
            for name in names
            if (member := state.member(name))
            and member.absent_since_at is None
            and (member.due_at > order.now or name in state.claims)
        ]
        return node_orders.retest(state, waiting, order) if waiting else Changes(), ChangeResult(())

    return _commit(app, names, decide)


def hold(app: App, names: Sequence[str], order: node_orders.Order, until_at: float | None) -> ChangeResult:
    """Pin the nodes where they are, until `until_at`, or until released."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.hold(state, app.settings, names, order, until_at)
        done = [
            Change(
                member.node,
                _describe_hold(state, member.node, order.now),
                f"held in {member.pool}, {_describe_end(until_at)}",
            )
            for member in changes.members
        ]
        undo = list_undo_commands(state, app.settings, changes.members, order.now)
        return changes, ChangeResult(tuple(done), tuple(undo))

    return _commit(app, names, decide)


def release(app: App, names: Sequence[str], order: node_orders.Order) -> ChangeResult:
    """Remove the holds, and let stuck nodes begin anew; the nodes are due at once."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.release(state, names, order)
        released = [member.node for member in changes.members]
        done = [Change(name, _describe_hold(state, name, order.now), "released, due now") for name in released]
        undo = list_undo_commands(state, app.settings, changes.members, order.now)
        return changes, ChangeResult(tuple(done), tuple(undo))

    return _commit(app, names, decide)


def add_nodes(app: App, nodes: Sequence[Node], order: node_orders.Order, *, replacing: bool) -> ChangeResult:
    """Add the nodes to the entry pool; with `replacing`, give those that are there the new variables."""
    in_words = f"added to {app.settings.entry_pool}, due now"

    def decide(state: Session, _: object) -> tuple[Changes, ChangeResult]:
        done: list[Change] = []
        for changes in enrolment.add_nodes_in_parts(state, app.settings, nodes, order, replacing=replacing):
            changed = _describe_changed(changes)
            new = {name for name in changed if state.node(name) is None}
            done += (Change(name, "", in_words if name in new else words) for name, words in changed.items())
            state.apply(changes)
        added = [each.node for each in done if each.after == in_words]
        can_undo = 0 < len(added) <= MAX_NODES  # a set of more is not read
        return Changes(), ChangeResult(tuple(done), (build_undo_command(["node", "rm"], added),) if can_undo else ())

    return _commit(app, (), decide)


def set_variables(
    app: App, names: Sequence[str], settings: Mapping[str, str], unset: Collection[str], order: node_orders.Order
) -> ChangeResult:
    """Set some variables of the nodes and remove others; those that are not named stay."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = enrolment.set_variables(state, names, settings, unset, order)
        done: list[Change] = []
        undo: dict[tuple[str, ...], list[str]] = {}
        changed = _describe_changed(changes)
        for node in changes.nodes:
            before = state.node(node.name)
            old = before.variables if before else {}
            done.append(Change(node.name, "", changed[node.name]))
            back = [f"{key}={value}" for key, value in old.items() if node.variables.get(key) != value]
            gone = [f"--unset={key}" for key in node.variables if key not in old]
            undo.setdefault((*back, *gone), []).append(node.name)
        return changes, ChangeResult(tuple(done), _build_undo_commands("set", undo))

    return _commit(app, names, decide)


def _describe_changed(changes: Changes) -> dict[str, str]:
    """Return in words what is new of each node that was there."""
    due = {member.node for member in changes.members}
    return {node.name: f"variables changed{', due now' if node.name in due else ''}" for node in changes.nodes}


def remove_nodes(app: App, names: Sequence[str], order: node_orders.Order) -> ChangeResult:
    """Forget the nodes; their history stays."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = enrolment.remove_nodes(state, names, order)
        undo: dict[tuple[str, ...], list[str]] = {}
        for name in names:
            node = state.node(name)
            settings = (f"--set={key}={value}" for key, value in (node.variables if node else {}).items())
            undo.setdefault(tuple(settings), []).append(name)
        pools = {name: member.pool for name in changes.removed if (member := state.member(name))}
        done = tuple(Change(name, pools.get(name, ""), "removed") for name in changes.removed)
        return changes, ChangeResult(done, _build_undo_commands("add", undo))

    return _commit(app, names, decide)


def _build_undo_commands(verb: str, names: Mapping[tuple[str, ...], Sequence[str]]) -> tuple[str, ...]:
    """Return a command `plabctl node VERB` for each of the ways in which nodes are to be as they were."""
    return tuple(build_undo_command(["node", verb], own, settings) for settings, own in names.items())


def _commit(
    app: App, names: Sequence[str], decide: Callable[[Session, Sequence[str]], tuple[Changes, ChangeResult]]
) -> ChangeResult:
    with pause_collection():
        # A tick may have moved or removed some since: `decide` looks again, and says what is changed under the lock.
        with app.store.session() as state:
            changes, done = decide(state, find_names(names, state))
            state.apply(changes)
            outbox = tuple(state.outbox)
        return replace(done, warning=try_record_events(app, outbox))


def _find_hold(state: State, name: str, now: float) -> Hold | None:
    """Return the hold that is in force on the node."""
    member = state.member(name)
    return member.hold if member and member.is_held(now) else None


def _describe_stay(member: Member, order: node_orders.Order) -> str:
    """Return what keeps the node where it was moved, or that tests decide."""
    pin = member.hold
    if pin is None or not member.is_held(order.now):
        return "; tests go on deciding"
    return f", {_describe_end(pin.until_at)}" if pin.is_move else f", still held by {pin.actor}"


def _describe_end(until_at: float | None) -> str:
    return "until released" if until_at is None else f"until {format_local(until_at)}"


def _describe_hold(state: State, name: str, now: float) -> str:
    if pin := _find_hold(state, name, now):
        return f"held by {pin.actor}"
    member = state.member(name)
    return "needs a person" if member and member.stuck_since_at is not None else ""
