"""What a policy achieved in a simulated run, as figures per node and day.

Pure. The shares are of node-time: all the time that all nodes were there, after the warm-up.
Tests: `tests/sim/test_published.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from plabctl.sim.conditions import DAY_S, Conditions
from plabctl.sim.totals import Totals
from plabctl.sim.world import World
from plabctl.values import dataclass

_IDLE_WEIGHT = 0.5
"""How bad it is to leave a node unused that is up, against using one that is down."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The mean and the 90th percentile of some times, in seconds."""

    mean_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one policy."""

    policy: str
    scale: float | None
    """What its delays were multiplied by, or its K; None when they were left alone."""
    node_count: int
    node_days: float
    probe_count: int
    tests_per_node_day: float
    failed_tests_per_node_day: float
    slot_seconds_per_node_day: float
    broken_ratio: float
    """In good while down."""
    idle_ratio: float
    """In bad while up."""
    broken_of_good_ratio: float
    idle_of_bad_ratio: float
    two_hours_ratio: float
    """The chance that a node taken from good at random is down, or goes down within two hours."""
    moves_per_node_day: float
    detection: Latency | None
    """From a node's going down to its leaving good; None when none did."""
    readmission: Latency | None
    busy_count: float
    """Slots that were busy on average."""
    window: int | None
    wait_mean_s: float
    wait_longest_s: float

    @property
    def harm_ratio(self) -> float:
        """Broken and half of idle."""
        return self.broken_ratio + _IDLE_WEIGHT * self.idle_ratio

    def build_row(self) -> dict[str, object]:
        """Return the figures by name, ready for JSON; what is not known is absent."""
        cells: dict[str, object] = {
            "policy": self.policy,
            "scale": None if self.scale is None else round(self.scale, 4),
            "tests_per_node_day": round(self.tests_per_node_day, 3),
            "failed_tests_per_node_day": round(self.failed_tests_per_node_day, 3),
            "slot_seconds_per_node_day": round(self.slot_seconds_per_node_day, 1),
            "broken_ratio": round(self.broken_ratio, 7),
            "idle_ratio": round(self.idle_ratio, 7),
            "harm_ratio": round(self.harm_ratio, 7),
            "broken_of_good_ratio": round(self.broken_of_good_ratio, 7),
            "idle_of_bad_ratio": round(self.idle_of_bad_ratio, 7),
            "two_hours_ratio": round(self.two_hours_ratio, 7),
            "moves_per_node_day": round(self.moves_per_node_day, 4),
            "busy_count": round(self.busy_count, 3),
            "window": self.window,
            "window_ratio": None if self.window is None else round(self.busy_count / self.window, 4),
            "wait_mean_s": round(self.wait_mean_s, 1),
            "wait_longest_s": round(self.wait_longest_s, 1),
            "probes_count": self.probe_count,
            "nodes_count": self.node_count,
            "node_days": round(self.node_days, 3),
        }
        for name, latency in (("detect", self.detection), ("readmit", self.readmission)):
            if latency:
                cells[f"{name}_mean_s"] = round(latency.mean_s, 1)
                cells[f"{name}_p90_s"] = round(latency.p90_s, 1)
        return {name: value for name, value in cells.items() if value is not None}


def compute_score(name: str, scale: float | None, world: World, conditions: Conditions, totals: Totals) -> Score:
    """Return the figures of a run, from its sums."""
    node_days = totals.node_s / DAY_S
    measured_s = max(1.0, world.length_s - conditions.warm_up_s)
    return Score(
        policy=name,
        scale=scale,
        node_count=len(world.lives),
        node_days=node_days,
        probe_count=totals.probe_count,
        tests_per_node_day=_divide(totals.pass_count + totals.fail_count, node_days),
        failed_tests_per_node_day=_divide(totals.fail_count, node_days),
        slot_seconds_per_node_day=_divide(totals.slot_s, node_days),
        broken_ratio=_divide(totals.broken_s, totals.node_s),
        idle_ratio=_divide(totals.idle_s, totals.node_s),
        broken_of_good_ratio=_divide(totals.broken_s, totals.good_s),
        idle_of_bad_ratio=_divide(totals.idle_s, totals.bad_s),
        two_hours_ratio=_divide(totals.risky_s, totals.good_s),
        moves_per_node_day=_divide(totals.move_count, node_days),
        detection=_compute_latency(totals.detections),
        readmission=_compute_latency(totals.readmissions),
        busy_count=totals.slot_s / measured_s,
        window=conditions.window,
        wait_mean_s=_divide(totals.wait_s, totals.probe_count),
        wait_longest_s=totals.longest_wait_s,
    )


def _divide(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _compute_latency(times: Sequence[float]) -> Latency | None:
    if not times:
        return None
    ordered = sorted(times)
    return Latency(sum(ordered) / len(ordered), ordered[ceil(0.9 * len(ordered)) - 1])
