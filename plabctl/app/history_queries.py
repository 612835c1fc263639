"""What `show`, `explain` and `history` ask for: nodes with what the history has about them.

I/O: reads the state and the history, without a lock.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from plabctl.core.event_kinds import EVENT_KINDS, MOVES
from plabctl.core.model import Event
from plabctl.errors import NoSuchNode
from plabctl.history.database import History, Records
from plabctl.views.experiments import list_vnode_views
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord

_RECENT = 60
"""How many events of a node are looked through for its last test and its last moves."""

_OF_NODES = tuple(kind for kind in EVENT_KINDS if kind != "vnode-probe")
"""Vnodes are looked at so often that nothing else would be found."""


def read_node(context: ViewContext, name: str) -> NodeRecord:
    """Return all there is to know about the node; raise NoSuchNode when it went away meanwhile."""
    state = context.state
    node, member = state.node(name), state.member(name)
    if node is None or member is None:
        raise NoSuchNode(f"no node is named {name!r}")
    with History(Path(context.settings.state_dir)) as history:
        records = history.read(nodes=[name], kinds=_OF_NODES, limit=_RECENT)
        moves = history.read(nodes=[name], kinds=MOVES, limit=1)
    recent = [record.event for record in records]
    older = [record.event for record in moves if record.event not in recent]
    return NodeRecord(
        node,
        member,
        state.claims.get(name),
        (*older, *recent, *_list_undelivered(context, name, recent)),
        list_vnode_views(state, name),
        len({*records.skipped, *moves.skipped}),
    )


class HistoryPage(NamedTuple):
    """What happened, oldest first; the place in the history up to which that goes; and how many rows were left out."""

    events: list[Event]
    place: int
    skipped_count: int


def read_events(
    context: ViewContext, names: Collection[str] | None, since: float | None, limit: int | None
) -> HistoryPage:
    """Return what happened to the nodes `names` (None: all) from the instant `since` on, at most the latest `limit`."""
    with History(Path(context.settings.state_dir)) as history:
        return _build_page(history.read(nodes=names, since=since, limit=limit))


def follow_events(context: ViewContext, names: Collection[str] | None, after: int) -> Iterator[HistoryPage]:
    """Yield what has been told since the last look, also when that is nothing; the caller sets the pace."""
    with History(Path(context.settings.state_dir)) as history:
        if not after:
            after = history.find_newest()
        while True:
            found = _build_page(history.read(nodes=names, after=after))
            after = max(after, found.place)
            yield found


def _build_page(records: Records) -> HistoryPage:
    return HistoryPage([record.event for record in records], records.place, len(records.skipped))


def _list_undelivered(context: ViewContext, name: str, known: list[Event]) -> list[Event]:
    """Return what happened to the node and waits in the outbox: it is as true as what the history has."""
    ids = {event.id for event in known}
    return [event for event in context.state.outbox if event.node == name and event.id not in ids]
