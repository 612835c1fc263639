"""What policies achieved in a simulation, side by side.

Pure. `plabctl.sim.score` computes the figures; `plabctl.render.drawing_points` draws them.
Tests: `tests/sim/test_simulate_command.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plabctl.durations import format_duration
from plabctl.render.drawing import Drawing
from plabctl.render.drawing_points import Point, draw_points
from plabctl.render.listing import Cell, Column, Listing
from plabctl.sim.policies import CONFIGURED
from plabctl.sim.score import Score

FIELDS = (
    "policy",
    "tests_per_node_day",
    "failed_tests_per_node_day",
    "slot_seconds_per_node_day",
    "broken_ratio",
    "idle_ratio",
    "harm_ratio",
    "two_hours_ratio",
    "detect_mean_s",
    "detect_p90_s",
    "readmit_mean_s",
    "readmit_p90_s",
    "moves_per_node_day",
    "busy_count",
    "window_ratio",
    "wait_mean_s",
    "wait_longest_s",
    "broken_of_good_ratio",
    "idle_of_bad_ratio",
    "scale",
    "probes_count",
    "nodes_count",
    "node_days",
)
"""The columns of TSV and CSV: new ones are only ever added at the end."""
_RARE = (
    "checks_per_node_day",
    "false_moves_per_node_day",
    "offered_ratio",
    "offered_harm_ratio",
    "disturbing_ratio",
)
"""Further columns, each where it applies to a policy."""


def build_listing(scores: Sequence[Score], head: Mapping[str, object], footer: str) -> Listing:
    """Return the figures of the policies as a listing; `head` says what was simulated."""
    rare = frozenset(name for name in _RARE if any(getattr(score, name) is not None for score in scores))
    return Listing(
        plural="policies",
        rows=scores,
        fields=(*FIELDS, *(name for name in _RARE if name in rare)),
        columns=(
            Column("POLICY", lambda score: Cell(score.policy)),
            Column("DELAYS", _build_scale_cell, rank=7),
            Column("TESTS", lambda score: Cell(f"{score.tests_per_node_day:.1f}")),
            *([Column("CHECKS", _build_checks_cell)] if "checks_per_node_day" in rare else []),
            Column("SLOT-S", lambda score: Cell(f"{score.slot_seconds_per_node_day:.0f}")),
            Column("BROKEN %", lambda score: _build_percent_cell(score.broken_ratio)),
            Column("IDLE %", lambda score: _build_percent_cell(score.idle_ratio)),
            Column("HARM %", lambda score: _build_percent_cell(score.harm_ratio)),
            *_build_busy_columns(rare),
            Column("2H-BROKEN %", lambda score: _build_percent_cell(score.two_hours_ratio), rank=4),
            Column(
                "SEEN IN (90 %)", lambda score: _build_latency_cell(score.detect_mean_s, score.detect_p90_s), rank=2
            ),
            Column(
                "BACK IN (90 %)", lambda score: _build_latency_cell(score.readmit_mean_s, score.readmit_p90_s), rank=3
            ),
            Column("MOVES", lambda score: Cell(f"{score.moves_per_node_day:.3f}"), rank=5),
            *([Column("FALSE MOVES", _build_false_moves_cell)] if "false_moves_per_node_day" in rare else []),
            Column("BUSY", _build_busy_cell, rank=6),
            Column("GOOD: DOWN %", lambda score: _build_percent_cell(score.broken_of_good_ratio), rank=10, wide=True),
            Column("BAD: UP %", lambda score: _build_percent_cell(score.idle_of_bad_ratio), rank=10, wide=True),
            Column("WAIT", _build_wait_cell, rank=8, wide=True),
            Column("PROBES", lambda score: Cell(str(score.probes_count)), rank=9, wide=True),
        ),
        head=head,
        footer=footer,
        key="policy",
    )


def draw(scores: Sequence[Score], title: str) -> Drawing:
    """Draw harm in percent against slot-seconds per node and day, a point for each policy.

    Where nodes are in use it is the harm per offered hour. The policy of this installation is marked.
    """
    is_offered = any(score.offered_harm_ratio is not None for score in scores)
    return draw_points(
        [
            Point(score.policy, score.slot_seconds_per_node_day, 100 * _find_harm(score), score.policy == CONFIGURED)
            for score in scores
        ],
        title=f"Harm against cost: {title}",
        x_title="slot-seconds per node and day",
        y_title="harm in % of " + ("the time offered" if is_offered else "node-time (broken and half of idle)"),
    )


def _find_harm(score: Score) -> float:
    return score.harm_ratio if score.offered_harm_ratio is None else score.offered_harm_ratio


def _build_busy_columns(rare: frozenset[str]) -> list[Column]:
    """Return the columns of nodes that are in use, if any are."""
    if "offered_harm_ratio" not in rare:
        return []
    return [
        Column("HARM OFFERED %", lambda score: _build_percent_cell(score.offered_harm_ratio)),
        Column("DISTURBING %", lambda score: _build_percent_cell(score.disturbing_ratio)),
    ]


def _build_checks_cell(score: Score) -> Cell:
    return Cell("" if score.checks_per_node_day is None else f"{score.checks_per_node_day:.0f}")


def _build_false_moves_cell(score: Score) -> Cell:
    return Cell("" if score.false_moves_per_node_day is None else f"{score.false_moves_per_node_day:.4f}")


def _build_scale_cell(score: Score) -> Cell:
    return Cell("" if score.scale is None else f"x {score.scale:.3g}")


def _build_percent_cell(ratio: float) -> Cell:
    return Cell(f"{100 * ratio:.3g}")


def _build_latency_cell(mean_s: float | None, p90_s: float | None) -> Cell:
    if mean_s is None or p90_s is None:
        return Cell("")
    return Cell(f"{format_duration(_round_seconds(mean_s))} ({format_duration(_round_seconds(p90_s))})")


def _round_seconds(seconds: float) -> float:
    """Return seconds rounded as people care for them."""
    return round(seconds / 60) * 60.0 if seconds >= 600 else round(seconds, 1)  # ten minutes


def _build_busy_cell(score: Score) -> Cell:
    busy = f"{score.busy_count:.1f}"
    return Cell(busy if score.window is None else f"{busy} of {score.window}")


def _build_wait_cell(score: Score) -> Cell:
    return Cell("" if score.window is None else format_duration(round(score.wait_mean_s, 1)))
