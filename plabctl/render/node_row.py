"""One node as programs see it: the object that stands in `node_table` of `status -o json`.

Pure. `status` lists these, `story` tells one of them in words; `docs/status.schema.json` describes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plabctl.core.flap import compute_penalty, count_passes_to_go
from plabctl.core.model import Claim, Hold
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.core.summary import NodeSummary
from plabctl.render.listing import Row
from plabctl.render.times import format_iso

_NO_LABELS = frozenset({"ssh_host", "ssh_port", "ssh_user", "recipe", "site"})


def find_guests(state: State) -> Mapping[str, Sequence[str]]:
    """Return the names of the experiments that have, or may have, a vnode on a node, by node."""
    guests: dict[str, list[str]] = {}
    for vnode in state.vnodes():
        if vnode.vnode:
            guests.setdefault(vnode.node, []).append(vnode.experiment)
    return {node: sorted(names) for node, names in guests.items()}


def build_node_row(
    node: NodeSummary, claim: Claim | None, settings: Settings, now: float, guests: Mapping[str, Sequence[str]]
) -> Row:
    """Return the node with its place in its pool, and its `guests`; what is not known is absent.

    `claim` is that of the test that runs on it now, None when none does.
    """
    is_held = node.is_held(now)
    row: dict[str, object] = {
        "name": node.node,
        "pool": node.pool,
        "since_at": format_iso(node.since_at),
        "due_at": format_iso(node.due_at),
        "testing": claim is not None,
        "held": is_held,
        "suspect": node.is_suspect,
        "ok_streak": node.ok_streak,
        "fail_streak": node.fail_streak,
        "penalty": compute_shown_penalty(node, settings, now) if node.penalty else 0.0,
    }
    pool = settings.pools.get(node.pool)
    if pool and not pool.is_good:
        row["passes_needed"] = count_shown_passes(node, settings, now)
    if node.outcome:
        row["last"] = _build_last_row(node)
    if node.hold and is_held:
        row["hold"] = build_hold_row(node.hold)
    if node.requested_at is not None:
        row["requested_at"] = format_iso(node.requested_at)
    if own := guests.get(node.node):
        row["experiments"] = own
    if node.variables:
        row |= _build_variables_row(node.variables)
    return row


def compute_shown_penalty(node: NodeSummary, settings: Settings, now: float) -> float:
    """Return the flap penalty at `now`, to three places."""
    return round(compute_penalty(node, settings.flap, now), 3)


def count_shown_passes(node: NodeSummary, settings: Settings, now: float) -> int:
    """Return how many more passes bring the node back to good: one for a suspect, because that refutes it.

    They are those that it takes from its next test on: meanwhile the penalty decays.
    """
    if node.is_suspect or not node.penalty:
        return 1
    return count_passes_to_go(node, settings.flap, max(now, node.due_at))


def _build_last_row(node: NodeSummary) -> Row:
    row: dict[str, object] = {
        "outcome": node.outcome,
        "at": format_iso(node.tested_at),
        "seconds": round(node.seconds, 3),
    }
    if node.cause is not None:
        row["cause"] = node.cause
    if node.reason:
        row["reason"] = node.reason
    return row


def build_hold_row(hold: Hold) -> Row:
    """Return a person's pin on a node."""
    row: dict[str, object] = {"actor": hold.actor, "reason": hold.reason, "since_at": format_iso(hold.since_at)}
    if hold.until_at is not None:
        row["until_at"] = format_iso(hold.until_at)
    return row


def _build_variables_row(variables: Mapping[str, str]) -> Row:
    row: dict[str, object] = {}
    if "site" in variables:
        row["site"] = variables["site"]
    labels = find_labels(variables)
    if labels:
        row["labels"] = labels
    return row


def find_labels(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that mean nothing to plabctl."""
    return {key: value for key, value in variables.items() if key not in _NO_LABELS}
