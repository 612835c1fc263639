"""Detects pauses of this process: what was late while it did not run says nothing about a node.

I/O: reads clocks. A deadline also passes while the process is stopped by a signal, gets no processor time, or sleeps
with its machine, and afterwards one sees only that it has passed. So the watchdog's thread beats twice a second; a beat
that is more than a second late marks a gap. While a machine sleeps the monotonic clock stands still and the nodes go
on: the gap is as long as CLOCK_BOOTTIME has run ahead. `plabctl.probes.probe_run` asks for the gaps.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from plabctl.clock import Clock

BEAT_S = 0.5
LEAST_S = 1.0
"""A beat that is less late than this is a busy machine, and no deadline is that tight."""
AFTERMATH_S = 2.0
"""How long after a gap what fails is still put down to it."""
SHARE = 0.1
"""What fails later than that is put down to gaps that took as much of its time; else a machine that hiccups once in a
while could never find out about a node that takes minutes to fail."""
_NEVER = float("inf")


class _Gap(NamedTuple):
    ended_at: float
    seconds: float


def read_asleep_s() -> float:
    """Return how many seconds this machine has slept since it was booted, as far as the system tells."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return 0.0 if boottime is None else time.clock_gettime(boottime) - time.clock_gettime(time.CLOCK_MONOTONIC)


class StallDetector:
    """Remembers when this process did not run. Its methods may be called from any thread."""

    def __init__(self, clock: Clock, asleep: Callable[[], float] = read_asleep_s) -> None:
        self._clock = clock
        self._asleep = asleep
        self._lock = threading.Lock()
        self._expected_at = _NEVER
        self._asleep_s = asleep()
        self._gaps: deque[_Gap] = deque(maxlen=256)

    def wake(self) -> None:
        """Expect a beat from now on, if none is expected yet."""
        with self._lock:
            if self._expected_at == _NEVER:
                self._expected_at = self._clock.monotonic() + BEAT_S
                self._asleep_s = self._asleep()

    def beat(self) -> None:
        """Record that the process runs, and that the next beat is due in half a second."""
        with self._lock:
            gap = self._find_gap()
            if gap:
                self._gaps.append(gap)
            self._expected_at = self._clock.monotonic() + BEAT_S
            self._asleep_s = self._asleep()

    def pause(self) -> None:
        """Record that no beat is expected, because nothing is running."""
        with self._lock:
            self._expected_at = _NEVER

    def compute_lost_since(self, start: float) -> float:
        """Return for how many seconds since `start` (monotonic) this process did not run, if that matters now; else 0.

        It matters when it was only just now, or when it was a tenth of all the time since then.
        """
        with self._lock:
            gap = self._find_gap()
            gaps = [*self._gaps, gap] if gap else list(self._gaps)
        gaps = [gap for gap in gaps if gap.ended_at > start]
        lost_s = sum(gap.seconds for gap in gaps)
        now = self._clock.monotonic()
        is_recent = bool(gaps) and now - gaps[-1].ended_at <= AFTERMATH_S
        return lost_s if is_recent or lost_s >= max(SHARE * (now - start), LEAST_S) else 0.0

    def _find_gap(self) -> _Gap | None:
        """Return the gap since the last beat. After a pause any thread may ask before the next beat comes."""
        if self._expected_at == _NEVER:
            return None
        now = self._clock.monotonic()
        late_s, slept_s = now - self._expected_at, self._asleep() - self._asleep_s
        seconds = sum(each for each in (late_s, slept_s) if each >= LEAST_S)
        return _Gap(now, seconds) if seconds else None
