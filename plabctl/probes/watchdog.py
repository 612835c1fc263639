"""Deadlines that are enforced from outside the thread that may be stuck.

One thread, started on first need, runs each action at its instant. Actions must not block: they shut a socket down or
signal a process group, and the stuck thread then finds its connection closed. Go on with `plabctl.probes.cancellation`.
Tests: `tests/probes/test_prober.py`.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from plabctl.clock import Clock
from plabctl.probes.stall_detector import BEAT_S, StallDetector

_SWEEP_AT = 64
"""How many alarms are kept at least before those that were disarmed are dropped."""


class Alarm:
    """One deadline: `fired` says whether it passed before it was disarmed."""

    __slots__ = ("_action", "_lock", "fired")

    def __init__(self, action: Callable[[], object]) -> None:
        self._action: Callable[[], object] | None = action
        self._lock = threading.Lock()
        self.fired = False

    @property
    def is_armed(self) -> bool:
        """Return whether it may still go off."""
        return self._action is not None

    def fire(self) -> None:
        """Run the action unless it was disarmed; called by the watchdog's thread."""
        with self._lock:  # so that an action never runs after `disarm` has returned
            action, self._action = self._action, None
            if action is not None:
                self.fired = True
                with suppress(OSError):  # the socket or process group is gone already, which is what we want
                    action()

    def disarm(self) -> None:
        """Make sure that the action will not run from now on."""
        with self._lock:
            self._action = None


class Watchdog:
    """Runs actions at their deadlines. While any is armed, `stall_detector` knows whether this process runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.stall_detector = StallDetector(clock)
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Alarm]] = []
        self._sweep_at = _SWEEP_AT
        self._numbers = count()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread if it does not run yet; RuntimeError if the machine has no thread left."""
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="plabctl-watchdog", daemon=True)
                thread.start()
                self._thread = thread

    def arm(self, at: float, action: Callable[[], object]) -> Alarm:
        """Have `action` run at `at` (on the monotonic clock) unless the alarm is disarmed before."""
        self.start()
        alarm = Alarm(action)
        with self._changed:
            self.stall_detector.wake()
            if len(self._heap) >= self._sweep_at:
                self._heap = [entry for entry in self._heap if entry[2].is_armed]
                heapq.heapify(self._heap)
                self._sweep_at = max(_SWEEP_AT, 2 * len(self._heap))  # so that each alarm is looked at about once
            is_next = not self._heap or at < self._heap[0][0]
            heapq.heappush(self._heap, (at, next(self._numbers), alarm))
            if is_next:
                self._changed.notify()
        return alarm

    def _run(self) -> None:
        while True:
            self._await_due().fire()

    def _await_due(self) -> Alarm:
        with self._changed:
            while True:
                while self._heap and not self._heap[0][2].is_armed:
                    heapq.heappop(self._heap)
                if not self._heap:
                    self.stall_detector.pause()
                    self._changed.wait()
                    continue
                self.stall_detector.beat()
                left = self._heap[0][0] - self._clock.monotonic()
                if left <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(min(left, BEAT_S))
