"""The tests that a tick would start now.

Pure.
Tests: `tests/cli/test_reading_commands.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one.
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from plabctl.core.claim import choose_rows, list_candidates
from plabctl.core.due_rows import Due
from plabctl.core.fairness import compute_shares
from plabctl.core.model import Goal, Member
from plabctl.core.settings import LivenessSettings
from plabctl.values import dataclass
from plabctl.views.node import ViewContext
from plabctl.views.status import count_totals


class PlannedSlot(StrEnum):
    """Whether a test would find a slot."""

    FREE = "free"
    WAITS = "waits"


class PlannedTest(NamedTuple):
    """One test that is due, or that was asked for by name."""

    name: str
    """That of its node."""
    pool: str
    recipe: str
    due_at: float
    is_requested: bool
    """Whether a person asked for it."""
    slot: PlannedSlot
    experiment: str | None
    """Whose vnode it is for; None for a health test."""
    goal: Goal | None
    """None for a health test."""
    asked_early: str | None = None
    """Why it is ahead of its time, in words, where another node has called it."""


@dataclass(frozen=True, slots=True)
class TickPlan:
    """The tests in the order in which they would start: first those that find a slot free, then those that wait."""

    tests: tuple[PlannedTest, ...]
    in_use_count: int
    """How many slots are taken."""

    @property
    def waiting_count(self) -> int:
        """How many tests would wait for a slot."""
        return sum(test.slot is PlannedSlot.WAITS for test in self.tests)


def plan_tick(context: ViewContext, only: Collection[str] | None = None) -> TickPlan:
    """Return what a tick would do now, with `only` for these nodes, whether they are due or not."""
    state, settings, now = context.state, context.settings, context.now
    in_use = count_totals(context).in_use
    free = max(0, settings.window - in_use)
    found = list_candidates(state, settings, now, only=only)
    due = choose_rows(found, state.claims.values(), len(found), now, compute_shares(state, settings, now)).rows
    tests = tuple(
        _plan_test(context, row, PlannedSlot.FREE if place < free else PlannedSlot.WAITS)
        for place, row in enumerate(due)
    )
    return TickPlan(tests, in_use)


def _plan_test(context: ViewContext, due: Due, slot: PlannedSlot) -> PlannedTest:
    state, is_requested = context.state, due.requested_at is not None
    vnode = state.vnode(due.key) if due.experiment else None
    if vnode:
        recipe_name = state.experiments[due.experiment].recipe
        return PlannedTest(due.node, due.pool, recipe_name, due.due_at, is_requested, slot, due.experiment, vnode.goal)
    if due.is_check:
        name = (context.settings.pools[due.pool].liveness or LivenessSettings()).recipe
        early = _find_call(state.member(due.node), due)
        return PlannedTest(due.node, due.pool, name, due.due_at, is_requested, slot, None, Goal.LIVENESS, early)
    node = state.node(due.node)
    recipe = context.settings.find_recipe(node.variables if node else {}, due.pool)
    name = recipe.name if recipe else ""
    early = _find_call(state.member(due.node), due)
    return PlannedTest(due.node, due.pool, name, due.due_at, is_requested, slot, None, None, early)


def _find_call(member: Member | None, due: Due) -> str | None:
    """Return why the test, or the liveness check, was called ahead of its time."""
    if member is None:
        return None
    if due.is_check:
        return (member.liveness and member.liveness.called) or None
    return member.asked_early or None
