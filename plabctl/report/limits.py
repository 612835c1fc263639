"""How long each stage of a node's next test may take, and why, in words.

Pure. What they put into words is `plabctl.core.deadlines`'.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core.deadlines import SHARE, Basis, Lessons, Limit, Patience, Plan
from plabctl.core.settings import DeadlineSettings
from plabctl.durations import format_duration
from plabctl.report.instants import took
from plabctl.report.listing import Row
from plabctl.report.status import Situation
from plabctl.report.subject import Subject


def plan_of(subject: Subject, situation: Situation) -> Plan | None:
    """Return the deadlines of the node's next test; None when its recipe is not configured."""
    recipe = situation.settings.recipe_of(subject.node.variables, subject.member.pool)
    if recipe is None:
        return None
    return Lessons(situation.state.notes, situation.settings).plan(subject.member, recipe, situation.now)


def patience_words(plan: Plan, own: DeadlineSettings) -> str:
    """Return how patient the next test is, and why."""
    match plan.patience:
        case Patience.OFF:
            return "the recipe's own time-outs, as [deadlines] enabled = false says"
        case Patience.REQUESTED:
            return "the recipe's own time-outs, as a person asked for this test"
        case Patience.UNPROVEN:
            return "the recipe's own time-outs, as it must prove itself and its last test did not fail"
        case Patience.IN_TURN:
            return f"the recipe's own time-outs, as every {_ordinal(own.full_every)} failing test in a row has them"
        case Patience.DECIDES:
            return "the recipe's own time-outs, as this test confirms or refutes a failure"
        case Patience.USUAL:
            return "learned from tests that passed, where there were enough" if plan.lowered else "as the recipe says"


def limit_lines(plan: Plan, own: DeadlineSettings) -> Iterator[str]:
    """Yield a line for each stage: its deadline and what that comes from."""
    width = max((len(limit.stage) for limit in plan.limits), default=0)
    for limit in plan.limits:
        yield f"{limit.stage:<{width}}  {format_duration(limit.seconds):>6}  {_basis(limit, own)}"


def limits_row(plan: Plan, own: DeadlineSettings) -> Row:
    """Return the deadlines for programs."""
    return {
        "patience": plan.patience.value,
        "text": patience_words(plan, own),
        "stages": [_limit_row(limit, own) for limit in plan.limits],
    }


def _limit_row(limit: Limit, own: DeadlineSettings) -> Row:
    row: dict[str, object] = {
        "stage": limit.stage,
        "seconds": limit.seconds,
        "allowed_seconds": limit.allowed_s,
        "basis": limit.basis.value,
        "passes_count": limit.passes,
        "text": _basis(limit, own),
    }
    if limit.p95_s is not None:
        row["p95_seconds"] = limit.p95_s
    if limit.own_s is not None:
        row["own_seconds"] = limit.own_s
    return row


def _basis(limit: Limit, own: DeadlineSettings) -> str:
    seen = f"{SHARE:.0%} of {limit.passes} passes: {took(limit.p95_s)} at most" if limit.p95_s is not None else ""
    match limit.basis:
        case Basis.FEW:
            return f"the recipe's; {limit.passes} of {own.min_passes} passes to learn from"
        case Basis.DEBRIS:
            return "the recipe's, as an earlier vnode is torn down first"
        case Basis.RECIPE:
            return "the recipe's" + (f"; {seen}" if seen else "")
        case Basis.FLOOR:
            return f"the floor; {seen}"
        case Basis.PEERS:
            return f"{own.factor:g} * p95; {seen}"
        case Basis.OWN:
            slow = took(limit.own_s or 0.0)
            return f"{own.factor:g} * its own slow pass of {slow}; {seen}"


def _ordinal(count: int) -> str:
    return {1: "", 2: "second", 3: "third"}.get(count, f"{count}th").strip()
