"""One test as it goes and as it ended: what `plabctl test` shows.

Pure.
Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from plabctl.core.model import Outcome, Report, StageRun
from plabctl.core.recipe import Recipe
from plabctl.render.data_formats import format_document
from plabctl.render.listing import Cell, Line
from plabctl.render.node_page import OUTPUT_LINES, format_stage_lines
from plabctl.render.times import format_took
from plabctl.views.probe_result import view_report

_STYLES = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.UNKNOWN: "suspect"}
_WORDS = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.UNKNOWN: "no verdict"}


def format_beginning(node: str, recipe: Recipe, jump_hosts: Sequence[str] = ()) -> list[Line]:
    """Return what is said before the test."""
    way = f" by way of {', '.join(jump_hosts)}" if jump_hosts else ""
    what = f"testing {node} with recipe {recipe.name} over {recipe.transport}{way}; nothing is recorded"
    return [("", Cell(what, "title"))]


def format_stage(run: StageRun, *, whole: bool) -> list[Line]:
    """Return what is said of one stage when it ends; `whole`: with all of its output."""
    return format_stage_lines(asdict(run), None if whole else OUTPUT_LINES)


def format_verdict(report: Report) -> list[Line]:
    """Return what is said at the end."""
    cause = f" ({report.cause})" if report.cause else ""
    reason = f": {report.reason}" if report.reason else ""
    lines: list[Line] = [
        ("", Cell(f"{_WORDS[report.outcome]}{cause} in {format_took(report.seconds)}{reason}", _STYLES[report.outcome]))
    ]
    if report.note:
        lines.append(("", Cell(report.note, "suspect")))
    lines.extend(("", Cell(f"vnode {vnode} may still be on the node", "suspect")) for vnode in report.left)
    return lines


def format_json(report: Report) -> str:
    """Return the test for programs."""
    return format_document(view_report(report))


def choose_exit_code(report: Report) -> int:
    """Return 0 for a pass, else 1."""
    return int(report.outcome is not Outcome.PASS)
