"""What `show`, `explain` and `history` ask for: nodes with what the history has about them.

I/O: reads the state and the history, without a lock.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from plabctl.core.event_kinds import EVENT_KINDS, MOVES
from plabctl.core.model import Event, Outcome
from plabctl.errors import NoSuchNode, StoreError
from plabctl.history.database import History
from plabctl.history.query import MAX_SEQ
from plabctl.history.query import Question as Question
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


class EventWalk:
    """The events that are asked for, oldest first, read from the history while they are walked over, once.

    What happened to a node under the names that it had before belongs to it. In the end `place` is that of the newest
    row that was looked at, 0 when there was none, and `skipped_count` how many rows were left out.
    """

    def __init__(self, context: ViewContext, asked: Question) -> None:
        self.place = 0
        self.skipped_count = 0
        self._folder = Path(context.settings.state_dir)
        self._asked = asked

    def __iter__(self) -> Iterator[Event]:
        """Yield the events."""
        asked = self._asked
        with History(self._folder) as history:
            # Who follows has seen what happened under other names.
            former = {} if asked.nodes is None or asked.after else _find_former_names(history, asked.nodes)
            nodes = asked.nodes if asked.nodes is None else [*asked.nodes, *former]
            for seq, event in history.walk(asked._replace(nodes=nodes)):
                self.place = seq if seq < MAX_SEQ else self.place
                if event is None:
                    self.skipped_count += 1
                elif not (spans := former.get(event.node or "")) or any(begin < seq < end for begin, end in spans):
                    yield event


def _find_former_names(history: History, names: Collection[str]) -> dict[str, list[tuple[int, int]]]:
    """Return the other names that nodes had, each with the places in the history between which it was theirs."""
    kinds = ("node-renamed",)
    if not history.read(nodes=names, kinds=kinds):
        return {}
    former: dict[str, list[tuple[int, str]]] = {}
    given_up: dict[str, list[int]] = {}
    for seq, event in history.read(kinds=kinds):
        old = str(event.data.get("from"))
        former.setdefault(event.node or "", []).append((seq, old))
        given_up.setdefault(old, []).append(seq)
    spans: dict[str, list[tuple[int, int]]] = {}
    looks = [(name, 0, MAX_SEQ) for name in names]
    while looks:
        name, begin, end = looks.pop()
        for seq, old in former.get(name, ()):
            if begin < seq < end and old not in names:
                start = max((each for each in given_up[old] if each < seq), default=0)
                spans.setdefault(old, []).append((start, seq))
                looks.append((old, start, seq))
    return spans


def list_last_tests(context: ViewContext, names: Iterable[str], count: int) -> dict[str, tuple[Outcome, ...]]:
    """Return how the last `count` tests of each node ended, oldest first; nothing while the history cannot be read."""
    try:
        with History(Path(context.settings.state_dir)) as history:
            return history.list_outcomes(names, count)
    except StoreError:
        return {}


def find_newest_place(context: ViewContext) -> int:
    """Return the place of the newest row of the history, from which to follow; 0 when nothing was recorded yet."""
    with History(Path(context.settings.state_dir)) as history:
        return history.find_newest()


def follow_events(context: ViewContext, asked: Question, after: int) -> Iterator[tuple[list[Event], int]]:
    """Yield what has been told since the last look, also when that is nothing, and how many rows were left out.

    The caller sets the pace.
    """
    while True:
        found = EventWalk(context, asked._replace(after=after, limit=None))
        events = list(found)
        after = max(after, found.place)
        yield events, found.skipped_count


def _list_undelivered(context: ViewContext, name: str, known: list[Event]) -> list[Event]:
    """Return what happened to the node and waits in the outbox: it is as true as what the history has."""
    ids = {event.id for event in known}
    return [event for event in context.state.outbox if event.node == name and event.id not in ids]
