"""What policies achieved in a simulation, side by side.

Pure. The rows are made by `plabctl.sim.score`; `plot` draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from plabctl.durations import format_duration
from plabctl.report.listing import Cell, Column, Listing, Row, plain, text_of
from plabctl.report.plot import Point

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


def listing(rows: Iterable[Row], head: Mapping[str, object], footer: str) -> Listing:
    """Return the rows as a listing; `head` says what was simulated."""
    return Listing(
        plural="policies",
        rows=rows,
        fields=FIELDS,
        columns=(
            Column("POLICY", plain("policy")),
            Column("DELAYS", _number("scale", "x {:.3g}"), rank=7),
            Column("TESTS", _number("tests_per_node_day", "{:.1f}")),
            Column("SLOT-S", _number("slot_seconds_per_node_day", "{:.0f}")),
            Column("BROKEN %", _percent("broken_ratio")),
            Column("IDLE %", _percent("idle_ratio")),
            Column("HARM %", _percent("harm_ratio")),
            Column("2H-BROKEN %", _percent("two_hours_ratio"), rank=4),
            Column("SEEN IN (90 %)", _latency("detect"), rank=2),
            Column("BACK IN (90 %)", _latency("readmit"), rank=3),
            Column("MOVES", _number("moves_per_node_day", "{:.3f}"), rank=5),
            Column("BUSY", _busy, rank=6),
            Column("GOOD: DOWN %", _percent("broken_of_good_ratio"), rank=10, wide=True),
            Column("BAD: UP %", _percent("idle_of_bad_ratio"), rank=10, wide=True),
            Column("WAIT", _wait, rank=8, wide=True),
            Column("PROBES", plain("probes_count"), rank=9, wide=True),
        ),
        head=head,
        footer=footer,
        key="policy",
    )


def points(rows: Iterable[Row]) -> list[Point]:
    """Return harm in percent against slot-seconds per node and day, a point for each policy."""
    return [
        Point(
            text_of(row, "policy"),
            cast("float", row["slot_seconds_per_node_day"]),
            100 * cast("float", row["harm_ratio"]),
        )
        for row in rows
    ]


def _number(key: str, form: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(form.format(row[key]) if key in row else "")


def _percent(key: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(f"{100 * cast('float', row[key]):.3g}")


def _latency(what: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        if f"{what}_mean_s" not in row:
            return Cell("")
        mean_s, p90_s = (cast("float", row[f"{what}_{which}_s"]) for which in ("mean", "p90"))
        return Cell(f"{format_duration(_minutes(mean_s))} ({format_duration(_minutes(p90_s))})")

    return cell


def _minutes(seconds: float) -> float:
    """Return seconds rounded as people care for them."""
    return round(seconds / 60) * 60.0 if seconds >= 600 else seconds  # noqa: PLR2004 - ten minutes


def _busy(row: Row) -> Cell:
    busy = f"{row['busy_count']:.1f}"
    return Cell(f"{busy} of {row['window']}" if "window" in row else busy)


def _wait(row: Row) -> Cell:
    return Cell(format_duration(cast("float", row["wait_mean_s"])) if "window" in row else "")
