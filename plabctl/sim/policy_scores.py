"""What policies achieved in a simulation, side by side.

Pure. The rows are made by `plabctl.sim.score`; `plot` draws them.
Tests: `tests/sim/test_simulate_command.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing, Row, get_text, make_plain_cell
from plabctl.sim.plot import Point

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


def build_listing(rows: Iterable[Row], head: Mapping[str, object], footer: str) -> Listing:
    """Return the rows as a listing; `head` says what was simulated."""
    return Listing(
        plural="policies",
        rows=rows,
        fields=FIELDS,
        columns=(
            Column("POLICY", make_plain_cell("policy")),
            Column("DELAYS", _make_number_cell("scale", "x {:.3g}"), rank=7),
            Column("TESTS", _make_number_cell("tests_per_node_day", "{:.1f}")),
            Column("SLOT-S", _make_number_cell("slot_seconds_per_node_day", "{:.0f}")),
            Column("BROKEN %", _make_percent_cell("broken_ratio")),
            Column("IDLE %", _make_percent_cell("idle_ratio")),
            Column("HARM %", _make_percent_cell("harm_ratio")),
            Column("2H-BROKEN %", _make_percent_cell("two_hours_ratio"), rank=4),
            Column("SEEN IN (90 %)", _make_latency_cell("detect"), rank=2),
            Column("BACK IN (90 %)", _make_latency_cell("readmit"), rank=3),
            Column("MOVES", _make_number_cell("moves_per_node_day", "{:.3f}"), rank=5),
            Column("BUSY", _build_busy_cell, rank=6),
            Column("GOOD: DOWN %", _make_percent_cell("broken_of_good_ratio"), rank=10, wide=True),
            Column("BAD: UP %", _make_percent_cell("idle_of_bad_ratio"), rank=10, wide=True),
            Column("WAIT", _build_wait_cell, rank=8, wide=True),
            Column("PROBES", make_plain_cell("probes_count"), rank=9, wide=True),
        ),
        head=head,
        footer=footer,
        key="policy",
    )


def build_points(rows: Iterable[Row]) -> list[Point]:
    """Return harm in percent against slot-seconds per node and day, a point for each policy."""
    return [
        Point(
            get_text(row, "policy"),
            cast("float", row["slot_seconds_per_node_day"]),
            100 * cast("float", row["harm_ratio"]),
        )
        for row in rows
    ]


def _make_number_cell(key: str, form: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(form.format(row[key]) if key in row else "")


def _make_percent_cell(key: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(f"{100 * cast('float', row[key]):.3g}")


def _make_latency_cell(what: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        if f"{what}_mean_s" not in row:
            return Cell("")
        mean_s, p90_s = (cast("float", row[f"{what}_{which}_s"]) for which in ("mean", "p90"))
        return Cell(f"{format_duration(_round_seconds(mean_s))} ({format_duration(_round_seconds(p90_s))})")

    return cell


def _round_seconds(seconds: float) -> float:
    """Return seconds rounded as people care for them."""
    return round(seconds / 60) * 60.0 if seconds >= 600 else seconds  # ten minutes


def _build_busy_cell(row: Row) -> Cell:
    busy = f"{row['busy_count']:.1f}"
    return Cell(f"{busy} of {row['window']}" if "window" in row else busy)


def _build_wait_cell(row: Row) -> Cell:
    return Cell(format_duration(cast("float", row["wait_mean_s"])) if "window" in row else "")
