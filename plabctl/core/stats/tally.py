"""The sums of a span of time for one node or many: seconds by what the node was, outages, tests.

Pure. `plabctl.core.stats.replay` fills them; `plabctl.views.stats` makes shares and means of them.
Tests: `tests/core/stats/test_replay.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from plabctl.core.stats.outages import Bounds, Outage


class Span(NamedTuple):
    """A span of time, without the instant at which it ends."""

    since: float
    until: float

    def has(self, at: float) -> bool:
        """Return whether `at` is in it."""
        return self.since <= at < self.until

    def measure(self, start: float, end: float) -> float:
        """Return how many of the seconds from `start` to `end` are in it."""
        return max(0.0, min(end, self.until) - max(start, self.since))


@dataclass(slots=True)
class Tally:
    """What a node, or several, did in a span of time."""

    known_s: float = 0.0
    """For how long it was a node, and the history says where."""
    usable_s: float = 0.0
    good_s: float = 0.0
    held_s: float = 0.0
    absent_s: float = 0.0
    pass_count: int = 0
    fail_count: int = 0
    unknown_count: int = 0
    slot_s: float = 0.0
    """Seconds that its tests took, those that came too late to count as well."""
    refuted_count: int = 0
    """Suspicions that the retest refuted."""
    causes: Counter[str] = field(default_factory=Counter)
    """Of the tests that failed."""
    outages_s: list[float] = field(default_factory=list)
    """The seconds of each outage, as far as they are in the span."""
    flap_count: int = 0
    detections: list[Bounds] = field(default_factory=list)
    recoveries: list[Bounds] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what another did to this."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def add_outage(self, outage: Outage, span: Span) -> None:
        """Add what lies in `span` of an outage; one that lasts is seen until the end of it."""
        if outage.confirmed_at >= span.until:
            return
        ended_at = span.until if outage.ended_at is None else outage.ended_at
        if seconds := span.measure(outage.began_at, ended_at):
            self.outages_s.append(seconds)
        if outage.is_flap and span.has(outage.confirmed_at):
            self.flap_count += 1
            if outage.detection:
                self.detections.append(outage.detection)
        if outage.recovery and span.has(ended_at):
            self.recoveries.append(outage.recovery)
