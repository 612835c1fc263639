"""What a person orders: choose the nodes, commit the change, tell the history, and say what changed.

I/O: the lock of the state, for milliseconds. What an order means is decided in `plabctl.core.node_orders`.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from plabctl.app.context import App
from plabctl.app.deliver import try_record_events
from plabctl.core import node_orders
from plabctl.core.model import Hold, Node
from plabctl.core.selection import Selection, find_names, select_nodes
from plabctl.core.state import Changes, State
from plabctl.durations import format_duration
from plabctl.errors import UsageFault
from plabctl.render.change_report import Change, ChangeResult, build_undo_command
from plabctl.render.times import format_local

MAX_REASON = 500


def choose_nodes(app: App, words: Sequence[str]) -> Selection:
    """Return the nodes that `words` mean now; raise NoSuchNode or NoSuchPool."""
    return select_nodes(words, app.store.snapshot(), app.settings.pools)


def build_order(app: App, actor: str, reason: str, if_rev: int | None = None) -> node_orders.Order:
    """Return who orders, why and when, having seen what.

    Raise UsageFault for a reason that is no single line of text.
    """
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise UsageFault(f"the reason must be one line of at most {MAX_REASON} printable characters")
    rng = random.Random()
    return node_orders.Order(actor, reason.strip(), app.clock.now(), rng, if_rev)


def move(app: App, names: Sequence[str], pool: str, order: node_orders.Order, for_s: float | None) -> ChangeResult:
    """Put the nodes into `pool`; with `for_s` the machine leaves them there for that many seconds."""
    until_at = None if for_s is None else order.now + for_s

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.move(state, app.settings, names, pool, order, until_at)
        before = {str(event.node): str(event.data["from"]) for event in changes.events if event.kind == "transition"}
        ends = f", until {format_local(until_at)}" if until_at is not None else ""
        done = [
            Change(name, before[name], f"{pool}{ends or _describe_kept_hold(state, name, order.now)}")
            if name in before
            else Change(name, _describe_hold(state, name, order.now), f"held in {pool}{ends}")
            for name in (member.node for member in changes.members)
        ]
        undo = [] if until_at is None else _list_undo_holds(state, [change.node for change in done], order.now)
        for origin in sorted(set(before.values())):
            back = [name for name in before if before[name] == origin]
            undo.append(build_undo_command(["move"], back, [origin, "--reason", "undo"]))
        return changes, ChangeResult(tuple(done), tuple(undo))

    return _commit(app, names, decide)


def retest(app: App, names: Sequence[str], order: node_orders.Order) -> ChangeResult:
    """Make the nodes due now, before all others."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.retest(state, names, order)
        return changes, ChangeResult(tuple(Change(member.node, "", "due now") for member in changes.members))

    return _commit(app, names, decide)


def hold(app: App, names: Sequence[str], order: node_orders.Order, for_s: float | None) -> ChangeResult:
    """Pin the nodes where they are."""
    until_at = None if for_s is None else order.now + for_s

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.hold(state, names, order, until_at)
        ends = "until released" if until_at is None else f"until {format_local(until_at)}"
        done = [
            Change(member.node, _describe_hold(state, member.node, order.now), f"held in {member.pool}, {ends}")
            for member in changes.members
        ]
        return changes, ChangeResult(tuple(done), tuple(_list_undo_holds(state, names, order.now)))

    return _commit(app, names, decide)


def release(app: App, names: Sequence[str], order: node_orders.Order) -> ChangeResult:
    """Remove the holds; the nodes are due at once."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.release(state, names, order)
        released = [member.node for member in changes.members]
        done = [Change(name, _describe_hold(state, name, order.now), "released, due now") for name in released]
        return changes, ChangeResult(tuple(done), tuple(_list_undo_holds(state, released, order.now)))

    return _commit(app, names, decide)


def add_nodes(app: App, nodes: Sequence[Node], order: node_orders.Order, *, replacing: bool) -> ChangeResult:
    """Add the nodes to the entry pool; with `replacing`, give those that are there the new variables."""

    def decide(state: State, _: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.add_nodes(state, app.settings, nodes, order, replacing=replacing)
        new = {member.node for member in changes.members}
        entry = app.settings.entry_pool
        done = [
            Change(node.name, "", f"added to {entry}, due now" if node.name in new else "variables changed")
            for node in changes.nodes
        ]
        added = [node.name for node in changes.nodes if node.name in new]
        return changes, ChangeResult(tuple(done), (build_undo_command(["node", "rm"], added),) if added else ())

    return _commit(app, (), decide)


def remove_nodes(app: App, names: Sequence[str], order: node_orders.Order) -> ChangeResult:
    """Forget the nodes; their history stays."""

    def decide(state: State, names: Sequence[str]) -> tuple[Changes, ChangeResult]:
        changes = node_orders.remove_nodes(state, names, order)
        undo = []
        for name in names:
            node = state.node(name)
            settings = [f"--set={key}={value}" for key, value in (node.variables if node else {}).items()]
            undo.append(build_undo_command(["node", "add"], [name], settings))
        done = tuple(Change(name, _find_pool(state, name), "removed") for name in changes.removed)
        return changes, ChangeResult(done, tuple(undo))

    return _commit(app, names, decide)


def _commit(
    app: App, names: Sequence[str], decide: Callable[[State, Sequence[str]], tuple[Changes, ChangeResult]]
) -> ChangeResult:
    # The nodes may have been chosen from a snapshot; a tick may have moved or removed some since. `decide` looks again
    # under the lock, so that what is said here is what was changed.
    with app.store.session() as state:
        changes, done = decide(state, find_names(names, state))
        state.apply(changes)
        outbox = tuple(state.outbox)
    return replace(done, warning=try_record_events(app, outbox))


def _find_pool(state: State, name: str) -> str:
    member = state.member(name)
    return member.pool if member else ""


def _find_hold(state: State, name: str, now: float) -> Hold | None:
    """Return the hold that is in force on the node."""
    member = state.member(name)
    return member.hold if member and member.is_held(now) else None


def _list_undo_holds(state: State, names: Sequence[str], now: float) -> list[str]:
    """Return the commands that give back to the nodes the holds they have now, or none."""
    pins: dict[Hold | None, list[str]] = {}
    for name in names:
        pins.setdefault(_find_hold(state, name, now), []).append(name)
    commands = []
    for pin, held in pins.items():
        if pin is None:
            commands.append(build_undo_command(["release"], held))
            continue
        ends = [] if pin.until_at is None else ["--for", format_duration(max(1.0, pin.until_at - now))]
        commands.append(build_undo_command(["hold"], held, ["--reason", pin.reason, *ends]))
    return commands


def _describe_kept_hold(state: State, name: str, now: float) -> str:
    """Return that a node stays held when it is moved; nothing when it was not."""
    held = _describe_hold(state, name, now)
    return f", still {held}" if held else ""


def _describe_hold(state: State, name: str, now: float) -> str:
    pin = _find_hold(state, name, now)
    return f"held by {pin.actor}" if pin else ""
