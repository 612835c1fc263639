"""Tears down, at the beginning of a probe, what earlier probes may have left on the node.

It delegates: `plabctl.probes.stage_runner` runs the stages. However many leftovers there are, those of one recipe are
torn down by one stage, and all of them together have the time of one teardown.
"""

from __future__ import annotations

from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal
from plabctl.core.recipe import Become, Recipe
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.stage_runner import StageRunner


def compute_budget_s(job: Assignment) -> float:
    """Return the seconds that all leftovers of a probe have together."""
    if own := job.recipe.teardown:
        return own.timeout_s
    return max((recipe.teardown.timeout_s for _, recipe in job.leftovers if recipe.teardown), default=0)


def remove_leftovers(job: Assignment, steps: StageRunner, end: float) -> None:
    """Tear down the leftovers of `job` by `end`; raise ProbeError when the probe cannot go on.

    What does not go stays in the report, and the probe goes on, unless it is to set up the very vnode of which
    something is still there.
    """
    for recipe, vnodes in _group(job).items():
        if recipe.teardown is None:
            for vnode in vnodes:
                steps.left.pop(vnode, None)
            continue
        failed = steps.tear_down(recipe, recipe.teardown, "debris", vnodes, end)
        for vnode, why in failed.items():
            steps.add_note(f"debris '{vnode}': {why}")
        if steps.unstarted and recipe.transport is job.recipe.transport:
            if steps.unstarted.cause is not Cause.SUDO or job.recipe.become is Become.SUDO:
                raise steps.unstarted
            steps.unstarted = None  # the recipe of this probe needs no sudo
        if not steps.is_alive(recipe.transport):
            raise ProbeError(Cause.DEADLINE, "the node stopped answering while an earlier vnode was torn down")
        if job.vnode in failed:
            raise ProbeError(Cause.TEARDOWN, f"leftovers of an earlier try cannot be removed: {failed[job.vnode]}")


def _group(job: Assignment) -> dict[Recipe, list[str]]:
    """Return the vnodes to tear down by recipe, the oldest first."""
    groups: dict[Recipe, list[str]] = {}
    for leftover, recipe in job.leftovers:
        if leftover.vnode == job.vnode and job.goal is Goal.TEARDOWN:
            continue  # that is what comes next anyway
        groups.setdefault(recipe, []).append(leftover.vnode)
    return groups
