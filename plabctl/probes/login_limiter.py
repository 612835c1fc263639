"""Limits how many logins run at once.

A key exchange takes a few milliseconds of processor time here, so a thousand at once would all be slow, and a server
that many nodes share would start to drop connections. The limiter admits them in turn, and never waits for a node that
does not answer.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plabctl.clock import Clock
from plabctl.probes.cancellation import Cancellation
from plabctl.probes.watchdog import Watchdog

WIDTH = 64
HOLD_S = 1.0
"""A login that takes longer gives its place away: it waits for its node, not for us."""


class _Ticket:
    """One login: it waits, then holds a place, then has released it. Its state changes under the limiter's lock."""

    __slots__ = ("called", "has_place")

    def __init__(self) -> None:
        self.called = threading.Event()
        self.has_place = False


class LoginLimiter:
    """Lets `width` logins through at a time, in the order in which they came."""

    def __init__(self, clock: Clock, watchdog: Watchdog, width: int = WIDTH, hold_s: float = HOLD_S) -> None:
        self._clock = clock
        self._watchdog = watchdog
        self._hold_s = hold_s
        self._lock = threading.Lock()
        self._free = width
        self._waiting: deque[_Ticket] = deque()

    @contextmanager
    def admit(self, max_wait_s: float, cancellation: Cancellation) -> Iterator[None]:
        """Hold a place while the body runs; after waiting for `max_wait_s` it goes on without one."""
        ticket = _Ticket()
        alarm = None
        try:
            if not self._take(ticket):
                with cancellation.on_cancel(ticket.called.set):
                    ticket.called.wait(max_wait_s)
                cancellation.check()
            alarm = self._watchdog.arm(self._clock.monotonic() + self._hold_s, lambda: self._give_back(ticket))
            yield
        finally:
            if alarm is not None:
                alarm.disarm()
            self._give_back(ticket)

    def _take(self, ticket: _Ticket) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                ticket.has_place = True
            else:
                self._waiting.append(ticket)
            return ticket.has_place

    def _give_back(self, ticket: _Ticket) -> None:
        with self._lock:
            if not ticket.has_place:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                return
            ticket.has_place = False
            if self._waiting:
                following = self._waiting.popleft()
                following.has_place = True
                following.called.set()
            else:
                self._free += 1


class LoginCounter:
    """Counts the logins under way to each server. Any thread may join."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()

    @contextmanager
    def join(self, server: tuple[str, int]) -> Iterator[Callable[[], int]]:
        """Count as one more while the body runs; yield a function that returns how many there are now."""
        with self._lock:
            self._counts[server] += 1
        try:
            yield lambda: self._counts[server]
        finally:
            with self._lock:
                self._counts[server] -= 1
                if not self._counts[server]:
                    del self._counts[server]
