"""What of the events is counted for ever, however short the history is kept: tests, how long they took, moves.

Pure. `plabctl.history.counters` keeps the counts, and `plabctl.views.metrics` shows them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from plabctl.core.event_kinds import MOVES

if TYPE_CHECKING:
    from plabctl.core.model import Event

SECONDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0)
"""The upper bounds of the classes by how long a test took; a class more is for those that took longer."""
_TESTS = frozenset({"probe", "vnode-probe", "late"})
_STEPS = frozenset(MOVES)


class Counter(StrEnum):
    """What is counted. What stands in the labels, in this order, is said of each."""

    EVENTS = "events"
    """By kind."""
    TESTS = "tests"
    """By outcome, cause and goal; the cause of a test that passed is empty."""
    TEST_CLASSES = "test-classes"
    """By outcome, and by the number of the class in `SECONDS`."""
    TEST_SECONDS = "test-seconds"
    """By outcome; seconds in place of a number."""
    MOVES = "moves"
    """By kind, the pool that was left, and the pool that was entered."""


Counts = Mapping[tuple[str, tuple[str, ...]], float]
"""By counter and labels."""


def count_events(events: Iterable[Event]) -> Counts:
    """Return what these events add to the counters."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}

    def add(counter: Counter, *labels: object, amount: float = 1.0) -> None:
        key = str(counter), tuple("" if label is None else str(label) for label in labels)
        found[key] = found.get(key, 0.0) + amount

    for event in events:
        data = event.data
        add(Counter.EVENTS, event.kind)
        if event.kind in _TESTS:
            outcome, seconds = data.get("outcome"), data.get("seconds")
            add(Counter.TESTS, outcome, data.get("cause"), data.get("goal") or "test")
            if isinstance(seconds, int | float) and seconds >= 0:
                add(Counter.TEST_CLASSES, outcome, bisect_left(SECONDS, seconds))
                add(Counter.TEST_SECONDS, outcome, amount=float(seconds))
        elif event.kind in _STEPS:
            add(Counter.MOVES, event.kind, data.get("from"), data.get("to"))
    return found
