"""How several monitors are, as if they were one: for `check`, the one alarm over all.

I/O, through `plabctl.app.monitors`. `plabctl.render.nagios` judges what comes out.
Tests: `tests/cli/test_check_from.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from plabctl.app.monitors import Monitors
from plabctl.app.status_source import ToldStatus, build_settings
from plabctl.app.told_state import ToldState
from plabctl.core.find_problems import describe_late_tick
from plabctl.core.problems import Problem, ProblemKind
from plabctl.core.surroundings import Surroundings
from plabctl.render.nagios import Affected
from plabctl.views.node import ViewContext
from plabctl.views.status import Totals


class SeveralHealth(NamedTuple):
    """What is judged. `unread` says of each monitor that cannot be read why."""

    context: ViewContext
    totals: Totals
    affected: Affected
    unread: Sequence[str]


def read_health(words: Sequence[str], max_age_s: float | None) -> SeveralHealth:
    """Return how the monitors that `words` name are; raise StoreError when none can be read."""
    with closing(Monitors(words, max_age_s)) as monitors:
        survey = monitors.survey(_list_affected, lambda _: False)
        now = monitors.now
    head = survey.head
    problems: list[Problem] = []
    unread: list[str] = []
    for problem in head.problems or ():
        if problem.kind is ProblemKind.MONITOR and problem.is_critical:
            unread.append(problem.words)  # also one that a source could not read, which has several itself
        else:
            problems.append(problem)
    for each in survey.monitors:
        if each.head is not None and each.head.last_tick_at is None:
            problems.insert(0, Problem(ProblemKind.NO_TICK, *describe_late_tick(None, now), monitor=each.name))
    state = ToldState((), now, head.rev, head.guard)
    settings, around = build_settings(head, has_answers=False), Surroundings(head.last_success_at)
    last_tick_at = now if head.last_tick_at is None else head.last_tick_at
    context = ViewContext(settings, state, now, last_tick_at, None, around, problems, {})
    affected = Affected(
        [name for bad, _ in survey.kept for name in bad], [name for _, unusable in survey.kept for name in unusable]
    )
    return SeveralHealth(context, survey.totals, affected, unread)


def _list_affected(_: ViewContext, told: ToldStatus) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of the nodes that are bad, and of those that are not usable."""
    good = set(told.head.good_pools)
    return [name for pool, names in told.names.items() if pool not in good for name in names], told.unusable
