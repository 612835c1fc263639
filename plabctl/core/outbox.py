"""How much may wait to be told. Nodes are tested on while nobody can be told, for days perhaps, and must be.

Pure. What waits is a part of the state, which is read and written whole, and is not written at all beyond a size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from plabctl.core.events import MACHINE, make_token
from plabctl.core.model import Event
from plabctl.core.state import Changes

MAX_BYTES = 32 * 1024**2
"""Records of some 40,000 tests that print little; reading the state takes a quarter of a second more then."""
_ROOM = 3 / 4
"""So much of that is left when there was more: not every step has to look for what can go."""
_EVENT_BYTES = 500
_STAGE_BYTES = 100
_DROPPED = "dropped"
_RECORDS = frozenset({"probe", "vnode-probe", "late"})
"""What is many and moves nobody: what each test found, and all that it printed."""


def trim_outbox(outbox: Sequence[Event], now: float, rng: Random) -> Changes:
    """Drop the oldest records of tests when more of them wait than `MAX_BYTES`, and note how many.

    Moves, orders and whatever else happened are never dropped, and take no record's room: an import of a million nodes
    has as many events.
    """
    records = [event for event in outbox if event.kind in _RECORDS]
    total = sum(map(_estimate_size, records))
    if total <= MAX_BYTES:
        return Changes()
    dropped = list(_list_oldest(records, total - _ROOM * MAX_BYTES))
    noted = [event for event in outbox if event.kind == _DROPPED and "sink" not in event.data]
    count = len(dropped) + sum(_count_records(event) for event in noted)
    since_at = noted[0].data.get("since_at") if noted else dropped[0].at
    why = f"{count} records of tests, as more waited to be told than can wait"
    event = Event(make_token(rng), now, _DROPPED, None, MACHINE, {"count": count, "since_at": since_at, "reason": why})
    return Changes(delivered=frozenset(event.id for event in [*dropped, *noted]), events=(event,))


def _list_oldest(records: Sequence[Event], least_bytes: float) -> Iterator[Event]:
    freed = 0
    for event in records:
        if freed >= least_bytes:
            return
        freed += _estimate_size(event)
        yield event


def _count_records(event: Event) -> int:
    count = event.data.get("count")
    return count if isinstance(count, int) else 0


def _estimate_size(event: Event) -> int:
    """Return about how many bytes the event takes in the state."""
    stages = event.data.get("stages")
    if not isinstance(stages, list):
        return _EVENT_BYTES
    return _EVENT_BYTES + sum(_STAGE_BYTES + len(stage.get("output", "")) for stage in stages)
