"""Which nodes were seen lately, kept in the order of time: the guard asks that at every step in which a test failed.

Pure. It is built once from the tables, and told from then on which documents were changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from math import inf

from plabctl.core.model import Member, Node
from plabctl.store import codec
from plabctl.store.shapes import Doc
from plabctl.store.tables import NODES, Tables


class RecentIndex:
    """The nodes by the end of their last probe, or the last answer to a login. `tables` are those that it speaks of."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._since_at = inf
        """Those before are not known."""
        self._changed: set[str] = set()
        self._seen_at: dict[str, float] = {}
        self._entries: list[tuple[float, str]] = []
        """In the order of time; one that `_seen_at` does not confirm is stale."""
        self._decoded: dict[str, tuple[Node, Member]] = {}
        """What was made of the documents of these nodes: of thousands that were seen lately few change in a step."""

    def note(self, table: str, ids: Iterable[str]) -> None:
        """Remember that these documents are added, changed or gone."""
        if table == NODES and self._since_at < inf:
            self._changed.update(ids)

    def list_recent(self, since_at: float) -> list[tuple[Node, Member]]:
        """Return what `State.recent` does, by time; raise KeyError, TypeError or ValueError for what cannot be read."""
        if since_at < self._since_at:
            self._build(since_at)
        for name in self._changed:
            self._take(name, self.tables[NODES].get(name))
        self._changed.clear()
        self._since_at = since_at
        first = bisect_left(self._entries, (since_at, ""))
        for at, name in self._entries[:first]:
            if self._seen_at.get(name) == at:
                del self._seen_at[name]
                self._decoded.pop(name, None)
        del self._entries[:first]
        decoded = self._decoded
        for at, name in self._entries:
            if name not in decoded and self._seen_at.get(name) == at:
                doc = self.tables[NODES][name]
                decoded[name] = codec.decode_node(name, doc), codec.decode_member(name, doc)
        return [decoded[name] for at, name in self._entries if self._seen_at.get(name) == at]

    def _build(self, since_at: float) -> None:
        self._changed.clear()
        self._decoded.clear()
        found = {name: find_seen_at(doc) for name, doc in self.tables[NODES].items()}
        self._seen_at = {name: at for name, at in found.items() if at >= since_at}
        self._entries = sorted((at, name) for name, at in self._seen_at.items())

    def _take(self, name: str, doc: Doc | None) -> None:
        self._seen_at.pop(name, None)
        self._decoded.pop(name, None)
        if doc is None:
            return
        at = find_seen_at(doc)
        if at >= self._since_at:
            self._seen_at[name] = at
            entry = at, name
            place = bisect_left(self._entries, entry)
            if self._entries[place : place + 1] != [entry]:  # nor is there a stale one, from before it was another
                self._entries.insert(place, entry)


def find_seen_at(doc: Doc) -> float:
    """Return when a node was seen last, by a probe or by a login that it answered; minus infinity if never."""
    member = doc["member"]
    at: float = member.get("probed_at", -inf)
    if "liveness" in member:
        answered_at: float = member["liveness"].get("answered_at", -inf)
        return max(at, answered_at)
    return at
