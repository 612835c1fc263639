"""What is new in a stream of events, a line each: moves, and verdicts that differ from the node's last.

Pure. `happened` has the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plabctl.core.model import Cause, Event
from plabctl.render import experiment_events
from plabctl.render.event_table import build_event_row, describe_event
from plabctl.render.listing import Cell
from plabctl.render.times import format_local

MOVES = frozenset({"transition", "suspect", "refuted", "guarded"})
_PASSED_OVER = frozenset({"node-added", "vnode-probe"})
_STYLES = {"suspect": "suspect", "repair": "title", "late": "faint", "void": "faint"} | experiment_events.STYLES


class EventFeed:
    """Remembers each node's last verdict, so that the same one again is no news; lines up the nodes `names`."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._width = max(map(len, names), default=0)
        self._verdicts: dict[str | None, tuple[object, object]] = {}

    def format_events(self, events: Iterable[Event]) -> Iterator[tuple[Cell, ...]]:
        """Yield time, node and what happened, for each of `events` that is news."""
        events = list(events)
        moved = {_find_test_id(event) for event in events if event.kind in MOVES}
        for event in events:
            if event.kind in _PASSED_OVER or (event.kind == "probe" and not self._is_new(event, moved)):
                continue
            time = format_local(event.at).rpartition(" ")[2]
            yield (
                Cell(time, "faint"),
                Cell((event.node or "").ljust(self._width)),
                Cell(describe_event(build_event_row(event)), _choose_style(event)),
            )

    def _is_new(self, event: Event, moved: set[str]) -> bool:
        """Return whether this verdict is worth a line: it differs from the last, and no move tells it already."""
        verdict = event.data.get("outcome"), event.data.get("cause")
        if verdict[1] == Cause.INTERRUPTED:
            return False  # our own doing, and no verdict
        is_other = self._verdicts.get(event.node) != verdict
        self._verdicts[event.node] = verdict
        return is_other and _find_test_id(event) not in moved


def _find_test_id(event: Event) -> str:
    """Return what the events of one test have in common."""
    return event.id.partition("-")[0]


def _choose_style(event: Event) -> str:
    if event.kind == "probe":
        return {"pass": "good", "fail": "bad"}.get(str(event.data.get("outcome")), "suspect")
    if event.kind in {"transition", "refuted"}:
        return "good" if event.data.get("cause") == "passed" else "bad"
    return _STYLES.get(event.kind, "")
