"""One set-up test as it ended: what `test` says of it.

Pure.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

from plabctl.core.model import Cause, Outcome, Report, StageRun
from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The test of one node. None is unknown, or does not apply."""

    node: str
    outcome: Outcome
    cause: Cause | None
    reason: str | None
    note: str | None
    started_at: float
    seconds: float
    stages: tuple[StageRun, ...]
    left: tuple[str, ...]
    """Vnodes that may still be on the node."""


def view_report(report: Report) -> ProbeResult:
    """Return what there is to say of the test that the report is of."""
    return ProbeResult(
        node=report.node,
        outcome=report.outcome,
        cause=report.cause,
        reason=report.reason or None,
        note=report.note or None,
        started_at=report.started_at,
        seconds=report.seconds,
        stages=report.stages,
        left=report.left,
    )
