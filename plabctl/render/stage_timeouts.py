"""How long each stage of a node's next test may take, and why, in words.

Pure. The facts come from `plabctl.core.timeouts`.
Tests: `tests/render/test_explanation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core.settings import DeadlineSettings
from plabctl.core.timeouts import SHARE, LearnedTimeouts, StageTimeout, TimeoutBasis, TimeoutPlan, TimeoutRule
from plabctl.durations import format_duration
from plabctl.render.times import format_took
from plabctl.views.explained_node import ProbeLimits, StageLimit
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord


def plan_timeouts(subject: NodeRecord, context: ViewContext) -> TimeoutPlan | None:
    """Return the deadlines of the node's next test; None when its recipe is not configured."""
    recipe = context.settings.find_recipe(subject.node.variables, subject.member.pool)
    if recipe is None:
        return None
    return LearnedTimeouts(context.state.notes, context.settings).plan_probe(subject.member, recipe, context.now)


def format_rule(plan: TimeoutPlan, own: DeadlineSettings) -> str:
    """Return how patient the next test is, and why."""
    match plan.rule:
        case TimeoutRule.OFF:
            return "the recipe's own time-outs, because of [deadlines] enabled = false"
        case TimeoutRule.REQUESTED:
            return "the recipe's own time-outs, because a person asked for this test"
        case TimeoutRule.UNPROVEN:
            return "the recipe's own time-outs, because it has to pass and its last test did not fail"
        case TimeoutRule.IN_TURN:
            turn = _format_ordinal(own.full_every)
            return f"the recipe's own time-outs, because every {turn} failing test in a row has them"
        case TimeoutRule.DECIDES:
            return "the recipe's own time-outs, because this test confirms or refutes a failure"
        case TimeoutRule.USUAL:
            return "learned from passed tests, where there were enough" if plan.lowered else "those of the recipe"


def format_timeouts(plan: TimeoutPlan, own: DeadlineSettings) -> Iterator[str]:
    """Yield a line for each stage: its deadline and what that comes from."""
    width = max((len(limit.stage) for limit in plan.limits), default=0)
    for limit in plan.limits:
        yield f"{limit.stage:<{width}}  {format_duration(limit.seconds):>6}  {_format_basis(limit, own)}"


def build_limits(plan: TimeoutPlan, own: DeadlineSettings) -> ProbeLimits:
    """Return how long the test may take, stage by stage, and why."""
    return ProbeLimits(plan.rule, format_rule(plan, own), tuple(_view_limit(limit, own) for limit in plan.limits))


def _view_limit(limit: StageTimeout, own: DeadlineSettings) -> StageLimit:
    return StageLimit(
        stage=limit.stage,
        seconds=limit.seconds,
        allowed_seconds=limit.allowed_s,
        basis=limit.basis,
        passes_count=limit.passes,
        text=_format_basis(limit, own),
        p95_seconds=limit.p95_s,
        own_seconds=limit.own_s,
    )


def _format_basis(limit: StageTimeout, own: DeadlineSettings) -> str:
    seen = (
        f"{SHARE:.0%} of {limit.passes} passes: {format_took(limit.p95_s)} at most" if limit.p95_s is not None else ""
    )
    match limit.basis:
        case TimeoutBasis.FEW:
            return f"the recipe's; {limit.passes} of {own.min_passes} passes to learn from"
        case TimeoutBasis.DEBRIS:
            return "the recipe's, as an earlier vnode is torn down first"
        case TimeoutBasis.RECIPE:
            return "the recipe's" + (f"; {seen}" if seen else "")
        case TimeoutBasis.FLOOR:
            return f"the floor; {seen}"
        case TimeoutBasis.PEERS:
            return f"{own.factor:g} * p95; {seen}"
        case TimeoutBasis.OWN:
            slow = format_took(limit.own_s or 0.0)
            return f"{own.factor:g} * its own slow pass of {slow}; {seen}"


def _format_ordinal(count: int) -> str:
    return {1: "", 2: "second", 3: "third"}.get(count, f"{count}th").strip()
