"""The few rows of the history from which the curves of a page are drawn, however many tests there were.

I/O. Tests outnumber moves by far, and a month of them takes seconds to read. Where nodes were needs only the steps
between places; how long it took to see a failure, or to return, needs only the last tests before the latest moves. All
are found by indexes. `plabctl.app.read_curves` makes curves of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from plabctl.core.event_kinds import MOVES, PLACE_KINDS
from plabctl.core.events import MACHINE
from plabctl.core.model import Event
from plabctl.core.stats.place import PastTest
from plabctl.history.event_rows import LAST_AT
from plabctl.history.past_rows import PastHistory, SeqRange
from plabctl.history.query import Question
from plabctl.history.tables import IS_STEP, TEST_KINDS

_ROWS_AT_ONCE = 4096
_BEFORE = 16
"""So many steps of a node before the span tell where it was when the span began."""
_MOVES = 1500
"""So many of the latest moves are told with the tests before them."""
_TESTS = 8
_KINDS = json.dumps(PLACE_KINDS)
_MOVE_KINDS = json.dumps(MOVES)
_STEPS = f"""
select seq, node from event where {IS_STEP} and kind in (select value from json_each(?)) and seq > ? and seq <= ?
"""
_STEPS_BEFORE = f"""
select step.seq from json_each(?) as name join event as step on step.seq in (
  select seq from event
  where {IS_STEP} and node = name.value and seq <= ? and +kind in (select value from json_each(?))
  order by seq desc limit {_BEFORE}
)
"""
_LATEST_MOVES = f"""
select seq from event where {IS_STEP} and kind in (select value from json_each(?)) and seq > ? and seq <= ?
order by seq desc limit {_MOVES}
"""
_TESTS_BEFORE = f"""
select test.seq from event as step join event as test on test.seq in (
  select seq from event where node = step.node and seq < step.seq and +kind = 'probe' order by seq desc limit {_TESTS}
) where step.seq in (select value from json_each(?))
"""
_MACHINE_MOVES = """
select seq, at, kind, node, json_extract(data, '$.from'), json_extract(data, '$.to'), json_extract(data, '$.cause'),
  json_extract(data, '$.since_at')
from event
where seq in (select value from json_each(?)) and actor = 'plabctl' and json_valid(data)
  and kind in (select value from json_each(?))
order by seq
"""
_FIRST_SINCE = "select seq from event where at >= ? order by at limit 1"
_SLOT_TIMES = """
select
  at,
  case when json_valid(data) then json_extract(data, '$.seconds') end,
  case when json_valid(data) then json_extract(data, '$.started_at') end
from event where at >= ? and at < ? and kind in (select value from json_each(?))
"""


class SlotTime(NamedTuple):
    """From when to when a test, of the nodes or of an experiment, held a slot of the window."""

    since_at: float
    until_at: float


class StepHistory(PastHistory):
    """The history as the curves of a page are read from it."""

    def find_since(self, since: float) -> SeqRange:
        """Return where the rows from `since` on lie, to the newest: some rows more where a clock was wrong.

        `find_range` is exact, and looks at each row of the span for that.
        """
        newest = self.find_newest()
        first = next((seq for (seq,) in self._query(_FIRST_SINCE, since) if isinstance(seq, int)), newest + 1)
        return SeqRange(min(first - 1, newest), newest)

    def read_steps(self, where: SeqRange) -> Iterator[PastTest | Event]:
        """Yield the steps of nodes in `where`, and what is needed of the past, in the order of their recording.

        Before them come, of the nodes that have any, the last steps before `where`. Among them are the tests before the
        latest moves.
        """
        steps = self._query(_STEPS, _KINDS, where.first, where.last)
        names = json.dumps(sorted({name.decode("utf-8", "replace") for _, name in steps if isinstance(name, bytes)}))
        before = self._query(_STEPS_BEFORE, names, where.first, _KINDS)
        moves = self._query(_LATEST_MOVES, _MOVE_KINDS, where.first, where.last)
        tests = self._query(_TESTS_BEFORE, json.dumps([seq for (seq,) in moves]))
        yield from self.read_places({int(str(row[0])) for rows in (steps, before, tests) for row in rows})

    def read_places(self, places: Iterable[int]) -> Iterator[PastTest | Event]:
        """Yield the rows at these places, in the order of their recording.

        Nearly all are moves that no person made: of these only what a replay asks for is read, in a third of the time.
        """
        ordered = sorted(places)
        for start in range(0, len(ordered), _ROWS_AT_ONCE):
            part = ordered[start : start + _ROWS_AT_ONCE]
            found = dict(self._read_machine_moves(part))
            for row in self._fetch([seq for seq in part if seq not in found]):
                event = self._decode(row)
                if event is not None:
                    found[int(str(row[0]))] = event
            yield from (found[seq] for seq in part if seq in found)

    def _read_machine_moves(self, places: Sequence[int]) -> Iterator[tuple[int, PastTest | Event]]:
        texts = self._texts
        for seq, at, kind, node, origin, target, cause, since_at in self._query(
            _MACHINE_MOVES, json.dumps(places), _MOVE_KINDS
        ):
            name, to = texts[node], texts[target]
            if name and to and isinstance(seq, int) and isinstance(at, float) and 0 <= at < LAST_AT:
                data = {"from": texts[origin], "to": to, "cause": texts[cause], "since_at": since_at}
                yield seq, Event("", at, texts[kind], name, MACHINE, data)

    def list_guard_events(self) -> list[Event]:
        """Return all events of guards that went on or off, oldest first."""
        asked = Question(kinds=("guard-on", "guard-off"))
        return [event for _, event in self.walk(asked) if event is not None]

    def list_slot_times(self, since: float, until: float) -> list[SlotTime]:
        """Return when slots were held by the tests that ended from `since` to `until`."""
        rows = self._query(_SLOT_TIMES, since, until, json.dumps(TEST_KINDS))
        return list(_list_slot_times(rows))


def _list_slot_times(rows: Iterable[tuple[object, ...]]) -> Iterator[SlotTime]:
    for at, seconds, started_at in rows:
        if isinstance(at, float) and isinstance(seconds, float | int) and seconds >= 0:
            # It was recorded when its result was settled, together with others: a little later than it ended.
            begins_at = started_at if isinstance(started_at, float) and started_at <= at - seconds else at - seconds
            yield SlotTime(begins_at, begins_at + seconds)
