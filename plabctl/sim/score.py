"""What a policy achieved in a simulated run, as figures per node and day.

Pure. The shares are of node-time: all the time that all nodes were there, after the warm-up.
Tests: `tests/sim/test_published.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from types import MappingProxyType

from plabctl.sim.conditions import DAY_S, Conditions
from plabctl.sim.totals import Totals
from plabctl.sim.world import World
from plabctl.values import dataclass

_IDLE_WEIGHT = 0.5
"""How bad it is to leave a node unused that is up, against using one that is down."""


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one policy, as programs get them; `_s` are seconds. None is unknown, or does not apply."""

    DIGITS = MappingProxyType(
        {
            "scale": 4,
            "slot_seconds_per_node_day": 1,
            **dict.fromkeys(("broken_ratio", "idle_ratio", "harm_ratio"), 7),
            **dict.fromkeys(("broken_of_good_ratio", "idle_of_bad_ratio", "two_hours_ratio"), 7),
            "moves_per_node_day": 4,
            "false_moves_per_node_day": 5,
            **dict.fromkeys(("offered_ratio", "offered_harm_ratio", "disturbing_ratio"), 7),
            "window_ratio": 4,
            **dict.fromkeys(("detect_mean_s", "detect_p90_s", "readmit_mean_s", "readmit_p90_s"), 1),
            **dict.fromkeys(("wait_mean_s", "wait_longest_s"), 1),
        }
    )

    policy: str
    scale: float | None
    """What its delays were multiplied by, or its K; None when they were left alone."""
    nodes_count: int
    node_days: float
    probes_count: int
    tests_per_node_day: float
    failed_tests_per_node_day: float
    slot_seconds_per_node_day: float
    broken_ratio: float
    """In good while down."""
    idle_ratio: float
    """In bad while up."""
    harm_ratio: float
    """Broken and half of idle."""
    broken_of_good_ratio: float
    idle_of_bad_ratio: float
    two_hours_ratio: float
    """The chance that a node taken from good at random is down, or goes down within two hours."""
    moves_per_node_day: float
    detect_mean_s: float | None
    """From a node's going down to its leaving good; None when none did."""
    detect_p90_s: float | None
    readmit_mean_s: float | None
    """From a node's coming up to its return to good; None when none did."""
    readmit_p90_s: float | None
    busy_count: float
    """Slots that were busy on average."""
    window: int | None
    window_ratio: float | None
    """The part of the window that was busy on average."""
    wait_mean_s: float
    wait_longest_s: float
    checks_per_node_day: float | None = None
    """Liveness checks; None when there are none."""
    false_moves_per_node_day: float | None = None
    """Confirmed moves to bad of nodes that were up; None when no way to them is ever cut."""
    offered_ratio: float | None = None
    """In good, free, and not kept for a test; None, like the next two, when nodes are never in use."""
    offered_harm_ratio: float | None = None
    """Offered while down, and half of what was up and in bad or kept for a test, over all that was offered."""
    disturbing_ratio: float | None = None
    """The share of the tests that ran while somebody used the node."""


def compute_score(name: str, scale: float | None, world: World, conditions: Conditions, totals: Totals) -> Score:
    """Return the figures of a run, from its sums."""
    node_days = totals.node_s / DAY_S
    busy_count = totals.slot_s / max(1.0, world.length_s - conditions.warm_up_s)
    broken_ratio, idle_ratio = _divide(totals.broken_s, totals.node_s), _divide(totals.idle_s, totals.node_s)
    test_count = totals.pass_count + totals.fail_count
    offered_harm_s = totals.offered_down_s + _IDLE_WEIGHT * (totals.idle_s + totals.held_up_s)
    is_used = bool(conditions.busy_ratio)
    return Score(
        policy=name,
        scale=scale,
        nodes_count=len(world.lives),
        node_days=node_days,
        probes_count=totals.probe_count,
        tests_per_node_day=_divide(test_count, node_days),
        failed_tests_per_node_day=_divide(totals.fail_count, node_days),
        slot_seconds_per_node_day=_divide(totals.slot_s, node_days),
        broken_ratio=broken_ratio,
        idle_ratio=idle_ratio,
        harm_ratio=broken_ratio + _IDLE_WEIGHT * idle_ratio,
        broken_of_good_ratio=_divide(totals.broken_s, totals.good_s),
        idle_of_bad_ratio=_divide(totals.idle_s, totals.bad_s),
        two_hours_ratio=_divide(totals.risky_s, totals.good_s),
        moves_per_node_day=_divide(totals.move_count, node_days),
        detect_mean_s=_compute_mean(totals.detections),
        detect_p90_s=_compute_p90(totals.detections),
        readmit_mean_s=_compute_mean(totals.readmissions),
        readmit_p90_s=_compute_p90(totals.readmissions),
        busy_count=busy_count,
        window=conditions.window,
        window_ratio=None if conditions.window is None else busy_count / conditions.window,
        wait_mean_s=_divide(totals.wait_s, totals.probe_count),
        wait_longest_s=totals.longest_wait_s,
        checks_per_node_day=_divide(totals.check_count, node_days) if totals.check_count else None,
        false_moves_per_node_day=_divide(totals.false_move_count, node_days) if conditions.cuts_per_day else None,
        offered_ratio=_divide(totals.offered_s, totals.node_s) if is_used else None,
        offered_harm_ratio=_divide(offered_harm_s, totals.offered_s) if is_used else None,
        disturbing_ratio=_divide(totals.disturbing_count, test_count) if is_used else None,
    )


def _divide(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _compute_mean(times: Sequence[float]) -> float | None:
    return sum(times) / len(times) if times else None


def _compute_p90(times: Sequence[float]) -> float | None:
    return sorted(times)[ceil(0.9 * len(times)) - 1] if times else None
