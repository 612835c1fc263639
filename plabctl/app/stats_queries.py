"""What `stats` asks for: what each node did in a span of time, by a replay of the history.

I/O: reads the history; the state is at hand already.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from plabctl.core.model import Event, Member, Node
from plabctl.core.stats.place import PastTest, read_test
from plabctl.core.stats.replay import RENAMED, Past, PoolRules, Replay
from plabctl.core.stats.tally import Span
from plabctl.errors import StoreError
from plabctl.history.past_rows import PastHistory
from plabctl.views.node import ViewContext

T = TypeVar("T")
_LEAD_S = 3600.0
"""Tests are read from a longest wait before the span on, and this: a test takes a while, and may wait for a slot."""


def read_past(context: ViewContext, span: Span, *, keeps_trails: bool = False, most_s: float | None = None) -> Past:
    """Return what every node did in `span`, as far as the history goes back, with `keeps_trails` all its places.

    Raise StoreError when the history cannot be read, or when that takes longer than `most_s` seconds.
    """
    settings, now = context.settings, context.now
    rules = PoolRules(settings.good_pools, settings.entry_pool)
    with PastHistory(Path(settings.state_dir)) as history:
        waiting = list_undelivered(context, history)
        begins_at = history.find_begin()
        if begins_at is None and waiting:
            begins_at = waiting[0].at
        replay = Replay(rules, span, now if begins_at is None else begins_at, now, keeps_trails=keeps_trails)
        renames = [(str(event.data.get("from")), str(event.node)) for event in waiting if event.kind == RENAMED]
        replay.open(list_known(context), [*history.list_renames(), *renames])
        where = history.find_range(span.since - settings.longest_wait_s - _LEAD_S, span.until)
        rows = history.read_past(where)
        for found in rows if most_s is None else _give_up_after(most_s, rows):
            take(replay, found)
        replay.rename_later(history.list_renames(after=where.last))
        for event in waiting:
            take(replay, read_test(event) or event)
        return Past(replay.finish(), rules, span, begins_at, history.skipped_count)


def _give_up_after(seconds: float, rows: Iterable[T]) -> Iterator[T]:
    end = time.monotonic() + seconds
    for row in rows:
        if time.monotonic() > end:
            raise StoreError(f"its history takes longer than {seconds:.0f} s to read")
        yield row


def take(replay: Replay, found: PastTest | Event) -> None:
    """Let `replay` take what was found."""
    if found.__class__ is PastTest:
        replay.add_test(found)
    elif isinstance(found, Event):
        replay.add_event(found)


def list_known(context: ViewContext) -> Iterator[tuple[Node, Member]]:
    """Yield the nodes there are, each with its place."""
    for member in context.state.members():
        node = context.state.node(member.node)
        if node is not None:
            yield node, member


def list_undelivered(context: ViewContext, history: PastHistory) -> Sequence[Event]:
    """Return what waits in the outbox and is not in the history yet: it is as true as what is."""
    outbox = context.state.outbox
    recorded = history.list_recorded(event.id for event in outbox) if outbox else ()
    return [event for event in outbox if event.id not in recorded]
