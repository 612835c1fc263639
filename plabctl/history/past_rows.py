"""The rows of the history that tell where nodes were, one after the other, for a replay.

I/O. A month of a thousand nodes is a million rows, most of them tests, of which six values matter and pages of output
do not: SQLite takes those six out, and no event is made of them. Rows are read in parts, each by a query of its own, so
that nothing keeps SQLite from folding its log, and memory does not depend on how many there are.
`plabctl.core.stats.replay` reads what comes from here.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from plabctl.core.event_kinds import PLACE_KINDS
from plabctl.core.model import Event
from plabctl.core.probe import Outcome
from plabctl.core.stats.place import PastTest
from plabctl.history.database import History
from plabctl.history.event_rows import decode_row, read_text
from plabctl.history.fetch_rows import try_query
from plabctl.history.query import MAX_SEQ
from plabctl.history.tables import IS_STEP

_ROWS_AT_ONCE = 4096
_OUTCOMES = frozenset(Outcome)
_KINDS = json.dumps(PLACE_KINDS)
_WITH_TESTS = json.dumps([*PLACE_KINDS, "probe", "late"])
_ROWS = """
select seq, at, kind, node, id, actor, data,
  json_extract(test, '$.outcome'), json_extract(test, '$.pool'), json_extract(test, '$.cause'),
  json_extract(test, '$.seconds'), json_extract(test, '$.counted'), json_extract(test, '$.experiment')
from (
  select seq, at, kind, node,
    case when kind in ('probe', 'late') then null else id end as id,
    case when kind in ('probe', 'late') then null else actor end as actor,
    case when kind in ('probe', 'late') then null else data end as data,
    case when kind in ('probe', 'late') and json_valid(data) then data end as test
  from event where {which}
)
order by seq
"""
_NEXT_ROWS = _ROWS.format(which="seq > ? and seq <= ? and kind in (select value from json_each(?))") + " limit ?"
_ROWS_OF_SEQS = _ROWS.format(which="seq in (select value from json_each(?))")
_SEQS = """
select seq from event where seq > ? and seq <= ? and kind in (select value from json_each(?)) order by seq limit ?
"""
_SEQS_OF_STEPS = f"select seq from event where {IS_STEP} and kind in (select value from json_each(?)) and seq <= ?"
_RENAMES = f"""
select case when json_valid(data) then json_extract(data, '$.from') end, node
from event where {IS_STEP} and kind = 'node-renamed' and seq > ? and seq < ?
order by seq
"""
_BEGIN = "select at from event order by seq limit 1"
_SPAN = "select min(+seq), max(+seq) from event where at >= ? and at < ?"
_LAST_BEFORE = "select coalesce(max(+seq), 0) from event where at < ?"
_KNOWN = "select id from event where id in (select value from json_each(?))"

_Row = tuple[object, ...]


class SeqRange(NamedTuple):
    """Where rows lie in the history: after the place `first`, up to the place `last`."""

    first: int
    last: int


class _Texts(dict[object, str]):
    """Texts that come again and again, by what SQLite gives for them; empty for one that is none of ours."""

    def __missing__(self, value: object) -> str:
        try:
            text = read_text(value)
        except ValueError:
            text = ""
        self[value] = text
        return text


class PastHistory(History):
    """The history as a replay reads it."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir)
        self.skipped_count = 0
        """How many rows were left out so far, because plabctl did not write them."""
        self._texts = _Texts()

    def find_begin(self) -> float | None:
        """Return the instant at which the history begins; None when there is nothing in it."""
        return next((float(str(at)) for (at,) in self._query(_BEGIN)), None)

    def find_range(self, since: float, until: float) -> SeqRange:
        """Return where the rows from `since` to `until` lie; clocks may be set, so others may lie among them."""
        for first, last in self._query(_SPAN, since, until):
            if isinstance(first, int) and isinstance(last, int):
                return SeqRange(first - 1, min(last, MAX_SEQ - 1))
        last = next((place for (place,) in self._query(_LAST_BEFORE, since) if isinstance(place, int)), 0)
        return SeqRange(last, last)

    def list_renames(self, after: int = 0) -> list[tuple[str, str]]:
        """Return the old and new names of nodes that were renamed after that place, oldest first."""
        pairs = [(self._texts[old], self._texts[new]) for old, new in self._query(_RENAMES, after, MAX_SEQ)]
        return [(old, new) for old, new in pairs if old and new]

    def list_recorded(self, ids: Iterable[str]) -> set[str]:
        """Return those of `ids` under which an event is in the history."""
        return {self._texts[id_] for (id_,) in self._query(_KNOWN, json.dumps(list(ids)))}

    def read_past(self, where: SeqRange) -> Iterator[PastTest | Event]:
        """Yield, in the order in which they were recorded, the rows of `where`, and before them those of all the past.

        Of the latter only what tells where nodes were, no tests.
        """
        before = array("q", sorted(int(str(seq)) for (seq,) in self._query(_SEQS_OF_STEPS, _KINDS, where.first)))
        for start in range(0, len(before), _ROWS_AT_ONCE):
            yield from self._decode_all(self._fetch(before[start : start + _ROWS_AT_ONCE]))
        after = where.first
        while rows := self._fetch_next(SeqRange(after, where.last)):
            yield from self._decode_all(rows)
            after = int(str(rows[-1][0]))

    def _query(self, query: str, *values: object) -> list[_Row]:
        return self._try_query(query, *values) or []

    def _try_query(self, query: str, *values: object) -> list[_Row] | None:
        """Return the rows; None when one of them is too big to be an event."""
        if not os.path.lexists(self._path):
            return []
        with self._connect(for_writing=False) as connection:
            return try_query(connection, query, *values)

    def _fetch_next(self, where: SeqRange) -> list[_Row]:
        values = (*where, _WITH_TESTS, _ROWS_AT_ONCE)
        rows = self._try_query(_NEXT_ROWS, *values)
        return self._fetch([int(str(seq)) for (seq,) in self._query(_SEQS, *values)]) if rows is None else rows

    def _fetch(self, seqs: Sequence[int]) -> list[_Row]:
        """Return the rows at these places, without anything in it one that is too big to be an event."""
        rows = self._try_query(_ROWS_OF_SEQS, json.dumps(list(seqs)))
        if rows is not None:
            return rows
        return [(seqs[0], *[None] * 12)] if len(seqs) == 1 else [row for seq in seqs for row in self._fetch([seq])]

    def _decode_all(self, rows: Iterable[_Row]) -> Iterator[PastTest | Event]:
        for row in rows:
            found = self._decode(row)
            if found is not None:
                yield found

    def _decode(self, row: Sequence[object]) -> PastTest | Event | None:
        _, at, kind, node, id_, actor, data, outcome, pool, cause, seconds, counted, experiment = row
        if id_ is not None:
            event = decode_row((id_, at, kind, node, actor, data, None))
            self.skipped_count += event is None
            return event
        if experiment is not None:
            return None
        texts = self._texts
        name, result = texts[node], texts[outcome]
        if not name or result not in _OUTCOMES or not isinstance(at, float) or not isinstance(seconds, float | int):
            self.skipped_count += 1
            return None
        return PastTest(name, at, texts[pool], result, texts[cause], seconds, kind == b"late", counted != 0)
