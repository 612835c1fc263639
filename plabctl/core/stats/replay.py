"""Replay the history: fold the events, in the order in which they were recorded, into what each node did in a span.

Pure. The events come one by one and are not kept, so that a million of them take no more room than a few. What is known
of the nodes before the first event comes from the state. Read `place` first, then `outages`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from plabctl.core.event_kinds import MOVES
from plabctl.core.model import Event, Member, Node, Outcome
from plabctl.core.stats.outages import OutageLog
from plabctl.core.stats.place import UNKNOWN, PastTest, Place, apply_event, apply_test, find_place_at
from plabctl.core.stats.tally import Span, Tally
from plabctl.core.usable import explain_unusable

ADDED, CHANGED, RENAMED = "node-added", "node-changed", "node-renamed"
_PASS, _FAIL = Outcome.PASS.value, Outcome.FAIL.value  # to compare words takes a tenth of the time
Variables = Mapping[str, str]


Trail = list[tuple[float, Place | None]]
"""The places of a node, each with the instant from which on it was there; None while it was no node."""


class PoolRules(NamedTuple):
    """What a replay needs of the configuration: the pools whose nodes are offered, and where new nodes enter."""

    good: Collection[str]
    entry: str


class PastNode:
    """A node as the replay follows it: its place, and what it did so far."""

    __slots__ = ("_at", "log", "place", "tally", "trail", "variables")

    def __init__(self, place: Place | None, at: float, span: Span, variables: Variables | None = None) -> None:
        self.place = place
        """None while it is no node."""
        self.tally = Tally()
        self.log = OutageLog(span.since)
        self.trail: Trail | None = None
        """All its places, where they are asked for."""
        self.variables = variables or {}
        self._at = at

    def go_to(self, place: Place | None, at: float, rules: PoolRules, span: Span) -> None:
        """Count the time up to `at`, in which nothing happened to the node, and put it into `place` then."""
        before, start = self.place, self._at
        self.place, self._at = place, max(at, start)
        if self.trail is not None:
            self.trail.append((self._at, place))
        if before is None or not before.pool:
            return
        ends_at = before.hold.until_at if before.hold else None
        if ends_at is not None and start < ends_at < at:
            self._count(before, start, span.measure(start, ends_at), rules)
            start = ends_at
        self._count(before, start, span.measure(start, at), rules)

    def explain_unusable(self, at: float, rules: PoolRules) -> str | None:
        """Return why the node is not usable at `at`, where it is now; None when it is usable."""
        if self.place is None or not self.place.pool:
            return "not known"
        return explain_unusable(self.place, at, is_in_good=self.place.pool in rules.good)

    def absorb(self, other: PastNode) -> None:
        """Take what an earlier node did that had the name which this one has now."""
        self.tally.add(other.tally)
        self.log.closed = [*other.log.list_all(), *self.log.closed]

    def _count(self, place: Place, at: float, seconds: float, rules: PoolRules) -> None:
        """Count `seconds` from `at` on in `place`; no hold ends meanwhile."""
        if not seconds:
            return
        tally, is_in_good = self.tally, place.pool in rules.good
        tally.known_s += seconds
        tally.good_s += seconds * is_in_good
        tally.held_s += seconds * (place.hold is not None and place.hold.holds(at))
        tally.absent_s += seconds * (place.absent_since_at is not None)
        tally.usable_s += seconds * (explain_unusable(place, at, is_in_good=is_in_good) is None)


class Replay:
    """Reads the history once, oldest first, and knows afterwards what each node did in `span`.

    `begins_at` is when the history begins; `now` is when it is read, and no event is believed to be later. With
    `keeps_trails`, nodes have a trail as well.
    """

    def __init__(
        self, rules: PoolRules, span: Span, begins_at: float, now: float, *, keeps_trails: bool = False
    ) -> None:
        self.nodes: dict[str, PastNode] = {}
        """By the names that they have after all renames so far."""
        self.rules = rules
        self.span = span
        self._now = now
        self._at = begins_at
        self._keeps_trails = keeps_trails

    def open(self, known: Iterable[tuple[Node, Member]], renames: Iterable[tuple[str, str]] = ()) -> None:
        """Take what the state says of the nodes as they were when the history began.

        `renames` are all the old and new names in the history, oldest first: at its beginning nodes have their old
        ones.
        """
        old_names: dict[str, str] = {}
        for old, new in renames:
            old_names[new] = old_names.pop(old, old)
        for node, member in known:
            if node.added_at < self._at:
                place = find_place_at(member, self._at)
                past = self._begin(old_names.get(node.name, node.name), place, node.variables)
                is_new = member.since_at <= node.added_at
                if past.place and past.place.pool and past.place.pool not in self.rules.good and not is_new:
                    past.log.find_in_bad(self._at)

    def add_test(self, test: PastTest) -> None:
        """Take a test."""
        at, span = self._tell_time(test.at), self.span
        if at >= span.until:
            return
        node = self.nodes.get(test.node) or self._find(test.node)
        if at >= span.since:
            _count_test(node.tally, test)
        if test.is_late or node.place is None:
            return
        if test.is_counted:
            node.log.add_test(test.outcome, at)
        place = apply_test(node.place, test)
        if place is not node.place:
            is_found = bool(place.pool and not node.place.pool)
            node.go_to(place, at, self.rules, self.span)
            if is_found and place.pool not in self.rules.good:
                node.log.find_in_bad(at)

    def add_event(self, event: Event) -> None:
        """Take an event of another kind."""
        at = self._tell_time(event.at)
        if event.node is None:
            return
        if event.kind == RENAMED:
            self._rename(str(event.data.get("from", "")), event.node)
        if at >= self.span.until:
            return
        is_new = event.kind == ADDED and event.node not in self.nodes
        node = self._find(event.node, is_new=is_new)
        if event.kind in {ADDED, CHANGED}:
            node.variables = _read_variables(event)
        place = apply_event(node.place, event, self.rules.entry)
        if place is not node.place:
            node.go_to(place, at, self.rules, self.span)
        if place is None:
            node.log.end(at)
        elif event.kind in MOVES:
            node.log.add_move(event, at, is_good=place.pool in self.rules.good)
            node.tally.refuted_count += event.kind == "refuted" and at >= self.span.since

    def rename_later(self, renames: Iterable[tuple[str, str]]) -> None:
        """Take the old and new names of nodes that were renamed after the span, oldest first."""
        for old, new in renames:
            self._rename(old, new)

    def finish(self) -> Mapping[str, PastNode]:
        """Return what each node did by the end of the span, by the names that nodes have now."""
        for node in self.nodes.values():
            node.go_to(node.place, self.span.until, self.rules, self.span)
            for outage in node.log.list_all():
                node.tally.add_outage(outage, self.span)
        return self.nodes

    def _tell_time(self, at: float) -> float:
        """Return when an event happened: never before the ones that were recorded before it.

        A clock that was set back, or was ahead when the event was recorded, would count time twice.
        """
        if self._at < at <= self._now:
            self._at = at
        return self._at

    def _find(self, name: str, *, is_new: bool = False) -> PastNode:
        node = self.nodes.get(name)
        if node is None:
            node = self._begin(name, None if is_new else UNKNOWN)
        return node

    def _begin(self, name: str, place: Place | None, variables: Variables | None = None) -> PastNode:
        node = self.nodes[name] = PastNode(place, self._at, self.span, variables)
        if self._keeps_trails:
            node.trail = [(self._at, place)]
        return node

    def _rename(self, old: str, new: str) -> None:
        node = self.nodes.pop(old, None)
        if node is None:
            return
        if earlier := self.nodes.get(new):
            node.absorb(earlier)
        self.nodes[new] = node


class Past(NamedTuple):
    """What each node did in a span, by the names that nodes have now."""

    nodes: Mapping[str, PastNode]
    rules: PoolRules
    span: Span
    begins_at: float | None
    """When the history begins; None when there is none yet."""
    skipped_count: int
    """Rows of the history that plabctl did not write."""


def _count_test(tally: Tally, test: PastTest) -> None:
    tally.slot_s += test.seconds
    if test.is_late:
        return
    if test.outcome == _PASS:
        tally.pass_count += 1
    elif test.outcome == _FAIL:
        tally.fail_count += 1
        tally.causes[test.cause or "unknown"] += 1
    else:
        tally.unknown_count += 1


def _read_variables(event: Event) -> Variables:
    found = event.data.get("variables")
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}
