"""What `show`, `explain` and `history` ask for: nodes with what the history has about them.

I/O: reads the state and the history, without a lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from plabctl.core.eventkinds import EVENT_KINDS
from plabctl.core.experiments.picture import places_on
from plabctl.core.model import Event
from plabctl.errors import NoSuchNode
from plabctl.history.history import History
from plabctl.report.happened import MOVES
from plabctl.report.status import Situation
from plabctl.report.subject import Subject

_RECENT = 60
"""How many events of a node are looked through for its last test and its last moves."""

_OF_NODES = tuple(kind for kind in EVENT_KINDS if kind != "vnode-probe")
"""Vnodes are looked at so often that nothing else would be found."""


def subject(situation: Situation, name: str) -> Subject:
    """Return all there is to know about the node; raise NoSuchNode when it went away meanwhile."""
    state = situation.state
    node, member = state.node(name), state.member(name)
    if node is None or member is None:
        raise NoSuchNode(f"no node is named {name!r}")
    with History(Path(situation.settings.state_dir)) as history:
        records = history.read(nodes=[name], kinds=_OF_NODES, limit=_RECENT)
        moves = history.read(nodes=[name], kinds=MOVES, limit=1)
    recent = [record.event for record in records]
    older = [record.event for record in moves if record.event not in recent]
    return Subject(
        node,
        member,
        state.claims.get(name),
        (*older, *recent, *_untold(situation, name, recent)),
        places_on(state, name),
    )


def events(
    situation: Situation, names: Collection[str] | None, since: float | None, limit: int | None
) -> tuple[list[Event], int]:
    """Return what happened, oldest first, and the place in the history up to which that goes."""
    with History(Path(situation.settings.state_dir)) as history:
        records = history.read(nodes=names, since=since, limit=limit)
    return [record.event for record in records], records[-1].seq if records else 0


def follow(situation: Situation, names: Collection[str] | None, after: int) -> Iterator[list[Event]]:
    """Yield what has been told since the last look, also when that is nothing; the caller sets the pace."""
    with History(Path(situation.settings.state_dir)) as history:
        if not after:
            newest = history.read(limit=1)
            after = newest[-1].seq if newest else 0
        while True:
            records = history.read(nodes=names, after=after)
            after = records[-1].seq if records else after
            yield [record.event for record in records]


def _untold(situation: Situation, name: str, known: list[Event]) -> list[Event]:
    """Return what happened to the node and waits in the outbox: it is as true as what the history has."""
    ids = {event.id for event in known}
    return [event for event in situation.state.outbox if event.node == name and event.id not in ids]
