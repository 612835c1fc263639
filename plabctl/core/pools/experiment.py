"""The pool of an experiment: what a report makes of the vnode on one node.

Pure. What follows from it for the experiment as a whole is decided in `plabctl.core.experiments.membership`.
"""

from __future__ import annotations

from plabctl.core.backoffs.base import Backoff, compute_interval
from plabctl.core.experiments.model import Vnode, VnodeState, describe_early_deaths
from plabctl.core.model import Cause, Claim, Goal, Outcome, Report, Verdict
from plabctl.core.settings import ExperimentSettings
from plabctl.values import replace

_MAX_REASON = 500
_LOOKS = frozenset({"check", "up"})


def judge_vnode(
    before: Vnode, claim: Claim, report: Report, own: ExperimentSettings, now: float, roll: float
) -> tuple[Vnode | None, str]:
    """Return the member after `report`, None when it is gone, and the kind of event to emit, if any.

    `roll` in [0, 1) draws the jitter.
    """
    vnode = _update_leftovers(before, claim, report)
    if vnode.is_leaving and not vnode.vnode:
        return None, "vnode-gone"
    if report.cause is Cause.INTERRUPTED or (vnode.is_leaving and claim.goal is not Goal.TEARDOWN):
        return replace(vnode, due_at=now, interval_s=0.0), ""
    verdict = Verdict(report.outcome, report.cause, report.reason, now, report.seconds)
    tries = vnode.tries + (claim.goal is Goal.SETUP)
    seen = replace(vnode, last=verdict, probed_at=now, tries=tries)
    if report.outcome is Outcome.UNKNOWN:
        return _schedule_retry(seen, own.check if claim.goal is Goal.CHECK else own.retry, 0, now, roll), ""
    if report.outcome is Outcome.PASS and not vnode.is_leaving:
        return _mark_up(seen, own, now, roll)
    return _mark_failed(seen, claim, report, own, now, roll)


def explain_death(before: Vnode, report: Report) -> Report:
    """Return the report of a probe of `before`, with what to do where it ends each time soon after its set-up."""
    remark = describe_early_deaths(_count_early_deaths(before)) if _is_dead(report) else ""
    if not remark:
        return report
    return replace(report, reason=f"{report.reason[: _MAX_REASON - len(remark) - 2]}; {remark}")


def _count_early_deaths(vnode: Vnode) -> int:
    """Return how often in a row the first look found it dead, now that this one does; others than the first begin anew.

    Its set-up is the first of its passes in a row.
    """
    return vnode.early_deaths + 1 if vnode.ok_streak == 1 else 0


def _update_leftovers(vnode: Vnode, claim: Claim, report: Report) -> Vnode:
    """Return the member, updated by the report: whether its vnode is set up, and whether anything may be left of it."""
    has_passed = report.outcome is Outcome.PASS
    if claim.goal is Goal.CHECK:
        return vnode
    if claim.goal is Goal.SETUP and has_passed:
        return replace(vnode, vnode=claim.vnode, is_set_up=True)
    is_left = claim.vnode in report.left or (claim.goal is Goal.TEARDOWN and not has_passed)
    return replace(vnode, vnode=claim.vnode if is_left else "")


def _mark_up(vnode: Vnode, own: ExperimentSettings, now: float, roll: float) -> tuple[Vnode, str]:
    if vnode.state is VnodeState.UP:
        up, kind = vnode, ""
    else:
        kind = "vnode-up" if vnode.up_at is None else "vnode-recovered"
        up = replace(vnode, state=VnodeState.UP, since_at=now, up_at=now)
    up = replace(up, ok_streak=up.ok_streak + 1, fail_streak=0)
    if up.early_deaths and up.ok_streak > 1:
        up = replace(up, early_deaths=0)
    return _schedule_retry(up, own.check, up.ok_streak, now, roll), kind


def _mark_failed(
    vnode: Vnode, claim: Claim, report: Report, own: ExperimentSettings, now: float, roll: float
) -> tuple[Vnode, str]:
    """Return a member that failed: found dead it is set up again at once, else all is tried again by back-off.

    A vnode on a node that merely does not answer is not dead: it is looked at again, and goes on when the node returns.
    """
    failed, kind = vnode, ""
    if vnode.state not in {VnodeState.FAILED, VnodeState.LEAVING}:
        failed, kind = replace(vnode, state=VnodeState.FAILED, since_at=now), "vnode-failed"
    failed = replace(failed, ok_streak=0, fail_streak=vnode.fail_streak + 1)
    if claim.goal is Goal.CHECK and _is_dead(report):
        deaths = _count_early_deaths(vnode)
        return replace(failed, is_set_up=False, due_at=now, interval_s=0.0, early_deaths=deaths), kind
    return _schedule_retry(failed, own.retry, failed.fail_streak, now, roll), kind


def _is_dead(report: Report) -> bool:
    """Return whether a check that failed saw the vnode dead, or hanging; else the node could not be asked."""
    if report.cause is Cause.DEADLINE:
        return any(run.stage in _LOOKS for run in report.stages)
    return report.cause in {Cause.CHECK, Cause.UP_TIMEOUT}


def _schedule_retry(vnode: Vnode, backoff: Backoff, streak: int, now: float, roll: float) -> Vnode:
    seconds = compute_interval(backoff, streak, roll)
    return replace(vnode, due_at=round(now + seconds, 3), interval_s=seconds)
