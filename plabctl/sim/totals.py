"""Totals of a simulated policy: what it cost, and for how long it was wrong.

Pure. Told of every test and every step between pools by `driver`. What happens before the warm-up is over is left out.
Tests: `tests/sim/test_driver.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from plabctl.sim.world import Life, World

ALLOCATION_S = 7200.0
"""For how long a node that is taken from good at random had better stay up."""


class Spans:
    """Stretches of time that do not touch one another, in order."""

    __slots__ = ("ends", "starts")

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        joined: list[list[float]] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], end)
            else:
                joined.append([start, end])
        self.starts = [start for start, _ in joined]
        self.ends = [end for _, end in joined]

    def measure_within(self, start: float, end: float) -> float:
        """Return how many seconds of [start, end) they cover."""
        total = 0.0
        place = bisect_right(self.ends, start)
        while place < len(self.starts) and self.starts[place] < end:
            total += min(self.ends[place], end) - max(self.starts[place], start)
            place += 1
        return total


class Totals:
    """The sums of one run."""

    def __init__(self, world: World, warm_up_s: float) -> None:
        self.warm_up_s = warm_up_s
        self._downs = [Spans(life.list_downs()) for life in world.lives]
        self._risky = [Spans([(start - ALLOCATION_S, end) for start, end in life.list_downs()]) for life in world.lives]
        self._lives = world.lives
        self.node_s = sum(max(0.0, life.gone_at - max(life.born_at, warm_up_s)) for life in world.lives)
        self.probe_count = 0
        self.pass_count = self.fail_count = self.move_count = 0
        self.slot_s = self.test_s = self.check_s = self.wait_s = self.longest_wait_s = 0.0
        self.good_s = self.broken_s = self.risky_s = self.bad_s = self.idle_s = 0.0
        self.check_count = self.disturbing_count = self.false_move_count = 0
        self.offered_s = self.offered_down_s = self.held_up_s = 0.0
        self.detections: list[float] = []
        self.readmissions: list[float] = []

    def add_wait(self, seconds: float) -> None:
        """Count how long a due member waited for its tick and its slot."""
        self.wait_s += seconds
        self.longest_wait_s = max(self.longest_wait_s, seconds)

    def add_spell(self, number: int, began_at: float, ended_at: float, *, is_good: bool) -> None:
        """Count the time that a node spent in good, or in bad."""
        start, end = max(began_at, self.warm_up_s), min(ended_at, self._lives[number].gone_at)
        if start >= end:
            return
        down_s = self._downs[number].measure_within(start, end)
        if is_good:
            self.good_s += end - start
            self.broken_s += down_s
            self.risky_s += self._risky[number].measure_within(start, end)
        else:
            self.bad_s += end - start
            self.idle_s += end - start - down_s

    def add_offered(self, number: int, began_at: float, ended_at: float) -> None:
        """Count the time that a node was free for users."""
        start, end = max(began_at, self.warm_up_s), min(ended_at, self._lives[number].gone_at)
        if start < end:
            self.offered_s += end - start
            self.offered_down_s += self._downs[number].measure_within(start, end)

    def add_held(self, number: int, began_at: float, ended_at: float) -> None:
        """Count the time that a node in good was kept from users until a test of it."""
        start, end = max(began_at, self.warm_up_s), min(ended_at, self._lives[number].gone_at)
        if start < end:
            self.held_up_s += end - start - self._downs[number].measure_within(start, end)

    def add_detection(self, life: Life, began_at: float, tested_at: float, now: float) -> None:
        """Count how long a failure went unseen, when it happened while the node was in good."""
        if now >= self.warm_up_s and not life.is_up(tested_at):
            failed_at = life.find_change(tested_at)
            if failed_at >= began_at and failed_at > life.born_at:
                self.detections.append(now - failed_at)

    def add_readmission(self, life: Life, began_at: float, tested_at: float, now: float) -> None:
        """Count how long a node that came up was kept waiting, when it came up while it was in bad."""
        if now >= self.warm_up_s and life.is_up(tested_at):
            mended_at = life.find_change(tested_at)
            if mended_at >= began_at and mended_at > life.born_at:
                self.readmissions.append(now - mended_at)
