"""Refused logins: they count for nothing at first, and as failures once they last.

Pure. An sshd with too many logins under way (MaxStartups), or one that penalizes our address (PerSourcePenalties),
drops connections before they begin. The load may be the cause, perhaps our own, so the probe says `unknown` with the
cause `protocol`. But when every probe for an hour ended so, nobody can use the node: from then on each one counts as
failed.
"""

from __future__ import annotations

from plabctl.core.model import Cause, Member, Outcome, Report
from plabctl.values import replace

LONGEST_S = 3600.0


def is_refused(report: Report) -> bool:
    """Return whether the node's sshd turned the probe away without a verdict on it."""
    return report.outcome is Outcome.UNKNOWN and report.cause is Cause.PROTOCOL


def weigh_refusal(member: Member, report: Report, now: float) -> tuple[Member, Report]:
    """Return the member, knowing since when it turns us away, and the report; as a failure when that was for an hour.

    Only a real verdict on the node ends that time.
    """
    if not is_refused(report):
        is_over = member.refused_since_at is not None and report.outcome is not Outcome.UNKNOWN
        return replace(member, refused_since_at=None) if is_over else member, report
    since = member.refused_since_at
    if since is None:
        return replace(member, refused_since_at=now), report
    if now - since < LONGEST_S:
        return member, report
    return member, replace(report, outcome=Outcome.FAIL, reason=f"for an hour and more, {report.reason}")
