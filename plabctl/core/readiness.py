"""Nodes that say themselves that they are not ready: it counts for nothing for a while, and then as a failure.

Pure. A node that boots, goes down or is closed by /etc/nologin tells so at the login, and most are back in minutes. The
probe says `unknown` with the cause `not-ready`. When that has lasted for `[ssh] not_ready_for`, counted from the first
of such answers in a row, each one counts as failed. Go on with `plabctl.core.refusals`, where the same is done for an
sshd that turns us away.
"""

from __future__ import annotations

import re

from plabctl.core.model import Cause, Member, Outcome, Report
from plabctl.durations import format_duration
from plabctl.values import replace

_MAX_REASON = 500
_SIGNS = re.compile(
    r"\b(?:booting|starting up|(?:going|shutting|shut) down|down (?:for|until|till)|no logins|not (?:yet )?ready"
    r"|not permitted to log ?in (?:yet|any ?more)|logins? (?:is |are |has been |have been )?(?:\w+ )?disabled"
    r"|reboot(?:s|ed|ing)?|maintenance)\b",
    re.IGNORECASE,
)
"""Of systemd ("System is booting up. Unprivileged users are not permitted to log in yet"), shutdown of System V and BSD
("NO LOGINS: System going down at"), and what administrators write into /etc/nologin. Not of what turns away one user:
an account that has expired, pam_slurm_adopt without a job, a login shell that is /sbin/nologin."""


def is_not_ready(text: str) -> bool:
    """Return whether `text`, which a node says in place of letting us in, means that it is not ready."""
    return _SIGNS.search(" ".join(text.split())) is not None


def weigh_readiness(member: Member, report: Report, limit_s: float, now: float) -> tuple[Member, Report]:
    """Return the member, knowing since when it says that it is not ready, and the report.

    The report is a failure when that has lasted for `limit_s`. An answer of another kind ends it; what says nothing of
    the node, such as a fault of ours, does not.
    """
    if report.cause is not Cause.NOT_READY:
        is_answer = report.outcome is not Outcome.UNKNOWN or report.cause is Cause.NO_OPINION
        if member.not_ready_since_at is not None and is_answer:
            member = replace(member, not_ready_since_at=None)
        return member, report
    since_at = member.not_ready_since_at
    if since_at is None:
        since_at = now
        member = replace(member, not_ready_since_at=now)
    limit = format_duration(limit_s)
    if now - since_at >= limit_s:
        reason = f"for {limit} and more, {report.reason}" if limit_s else report.reason
        return member, replace(report, outcome=Outcome.FAIL, reason=reason[:_MAX_REASON])
    remark = f"; counts as a failure after {limit} of that"
    return member, replace(report, reason=report.reason[: _MAX_REASON - len(remark)].rstrip(" .") + remark)
