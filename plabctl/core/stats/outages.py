"""The outages of one node: when it left good for a failure or an order, when it returned, and how long nobody knew.

Pure. No outage is a suspicion that its retest refuted, a move that the guard took back, or the time before a new node
was good for the first time. How long it took to see a failure, or that the node works again, lies between two
bounds: a node breaks, and is repaired, at some time between two tests.
Tests: `tests/core/stats/test_replay.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from plabctl.core.events import MACHINE
from plabctl.core.model import Event, Outcome

_PASS, _FAIL = Outcome.PASS.value, Outcome.FAIL.value
_KEPT_S = 86400.0
"""Outages that ended earlier than so long before the span are forgotten: a guard looks back for minutes."""


class Bounds(NamedTuple):
    """A duration of which only the least and the most are known, in seconds."""

    least_s: float
    most_s: float


@dataclass(slots=True)
class Outage:
    """A stretch of time out of good, from the failure or the order by which the node left it, to its return."""

    began_at: float
    confirmed_at: float
    """When the failure was confirmed: it counts from then on."""
    is_flap: bool
    """Whether a failure began it, and no person."""
    cause: str
    detection: Bounds | None = None
    """From when the node broke to when it left good; None where no test tells when it broke."""
    ended_at: float | None = None
    """When the node returned, or was removed; None while it lasts."""
    recovery: Bounds | None = None
    """From when the node worked again to when it returned; None where no test tells."""


class OutageLog:
    """Follows one node through its tests and moves; `since` is when the span begins that is asked for."""

    __slots__ = (
        "_first_fail_at",
        "_first_pass_at",
        "_good_at",
        "_last_fail_at",
        "_last_pass_at",
        "_left_at",
        "_since",
        "closed",
        "open",
    )

    def __init__(self, since: float) -> None:
        self.closed: list[Outage] = []
        self.open: Outage | None = None
        self._since = since
        self._left_at: float | None = None
        """When it became a suspect, which it is still."""
        self._good_at: float | None = None
        """When it last came to good."""
        self._last_pass_at: float | None = None
        self._last_fail_at: float | None = None
        self._first_pass_at: float | None = None
        """Of the passes in a row that are the latest tests; None when the latest test failed."""
        self._first_fail_at: float | None = None

    def list_all(self) -> list[Outage]:
        """Return the outages, the one that lasts at the end."""
        return [*self.closed, self.open] if self.open else self.closed

    def add_test(self, outcome: str, at: float) -> None:
        """Take a test that counted."""
        if outcome == _PASS:
            self._last_pass_at, self._first_fail_at = at, None
            if self._first_pass_at is None:
                self._first_pass_at = at
        elif outcome == _FAIL:
            self._last_fail_at, self._first_pass_at = at, None
            if self._first_fail_at is None:
                self._first_fail_at = at

    def find_in_bad(self, at: float) -> None:
        """Note that the node is not in good, nobody knows since when."""
        self.open = Outage(at, at, is_flap=False, cause="")

    def add_move(self, event: Event, at: float, *, is_good: bool) -> None:
        """Take a step between pools, to a good one or not."""
        if event.kind == "suspect":
            self._left_at = at
        elif is_good:
            if event.data.get("cause") == "guard":
                self._take_back(event)
            self._close(at, is_machine=event.actor == MACHINE)
            self._good_at = at
        elif self.open is None:
            self._begin(event, at)
        if event.actor != MACHINE:
            self._first_fail_at = self._first_pass_at = None

    def end(self, at: float) -> None:
        """Take it that the node was removed."""
        self._close(at, is_machine=False)

    def _begin(self, event: Event, at: float) -> None:
        is_flap = event.actor == MACHINE
        began_at = self._left_at if is_flap and self._left_at is not None else at
        self.open = Outage(began_at, at, is_flap, str(event.data.get("cause", "")))
        self._left_at = None
        if is_flap and self._last_pass_at is not None and self._first_fail_at is not None:
            latest = self._last_pass_at if self._good_at is None else max(self._last_pass_at, self._good_at)
            self.open.detection = _bound(began_at, self._first_fail_at, latest)

    def _close(self, at: float, *, is_machine: bool) -> None:
        outage, self.open, self._left_at = self.open, None, None
        if outage is None:
            return
        outage.ended_at = at
        if is_machine and outage.is_flap and self._first_pass_at is not None and self._last_fail_at is not None:
            outage.recovery = _bound(at, self._first_pass_at, self._last_fail_at)
        if at >= self._since - _KEPT_S:
            self.closed.append(outage)

    def _take_back(self, event: Event) -> None:
        """Forget what began in the stay in good to which the guard has put the node back."""
        since_at = event.data.get("since_at")
        if isinstance(since_at, int | float):
            self.closed = [outage for outage in self.closed if outage.began_at < since_at]
            if self.open and self.open.began_at >= since_at:
                self.open = None


def _bound(at: float, first: float, last: float) -> Bounds:
    """Return how long before `at` it was: not before `last`, and not after `first`."""
    return Bounds(max(0.0, at - first), max(0.0, at - last))
