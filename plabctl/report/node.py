"""One node as programs see it: the object that stands in `nodes` of `status -o json`.

Pure. `status` lists these, `story` tells one of them in words; `docs/status.schema.json` describes them.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.core.flap import passes_to_go, penalty
from plabctl.core.model import Claim, Hold, Member, Node, Verdict
from plabctl.core.settings import PoolKind, Settings
from plabctl.report.instants import iso
from plabctl.report.listing import Row

_NO_LABELS = frozenset({"ssh_host", "ssh_port", "ssh_user", "recipe", "site"})


def node_row(node: Node, member: Member, claim: Claim | None, settings: Settings, now: float) -> Row:
    """Return the node with its place in its pool; what is not known is absent."""
    row: dict[str, object] = {
        "name": node.name,
        "pool": member.pool,
        "since_at": iso(member.since_at),
        "due_at": iso(member.due_at),
        "testing": claim is not None and claim.deadline_at > now,
        "held": member.is_held(now),
        "suspect": member.is_suspect,
        "ok_streak": member.ok_streak,
        "fail_streak": member.fail_streak,
        "penalty": penalty_of(member, settings, now),
    }
    pool = settings.pools.get(member.pool)
    if pool and pool.kind is PoolKind.BAD:
        row["passes_needed"] = passes_needed_of(member, settings, now)
    if member.last:
        row["last"] = verdict_row(member.last)
    if member.hold and row["held"]:
        row["hold"] = hold_row(member.hold)
    if member.requested_at is not None:
        row["requested_at"] = iso(member.requested_at)
    if node.variables:
        row |= _of_variables(node.variables)
    return row


def penalty_of(member: Member, settings: Settings, now: float) -> float:
    """Return the flap penalty at `now`, to three places."""
    return round(penalty(member, settings.flap, now), 3) if member.penalty else 0.0


def passes_needed_of(member: Member, settings: Settings, now: float) -> int:
    """Return how many more passes bring the member back to good: one for a suspect, because that refutes it.

    They are those that it takes from its next test on: meanwhile the penalty decays.
    """
    if member.is_suspect or not member.penalty:
        return 1
    return passes_to_go(member, settings.flap, max(now, member.due_at))


def verdict_row(last: Verdict) -> Row:
    """Return what the latest probe said."""
    row: dict[str, object] = {"outcome": last.outcome.value, "at": iso(last.at), "seconds": round(last.seconds, 3)}
    if last.cause is not None:
        row["cause"] = last.cause.value
    if last.reason:
        row["reason"] = last.reason
    return row


def hold_row(hold: Hold) -> Row:
    """Return a person's pin on a node."""
    row: dict[str, object] = {"actor": hold.actor, "reason": hold.reason, "since_at": iso(hold.since_at)}
    if hold.until_at is not None:
        row["until_at"] = iso(hold.until_at)
    return row


def _of_variables(variables: Mapping[str, str]) -> Row:
    row: dict[str, object] = {}
    if "site" in variables:
        row["site"] = variables["site"]
    labels = labels_of(variables)
    if labels:
        row["labels"] = labels
    return row


def labels_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that mean nothing to plabctl."""
    return {key: value for key, value in variables.items() if key not in _NO_LABELS}
