"""A node at a glance: as much of it, and of its place in its pool, as a list of all nodes needs.

Pure. A list of 100,000 nodes has no time to make a `Node` and a `Member` of each; one node alone is better looked at
as those. `State.glances` yields these.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one, in every short command.
from collections.abc import Mapping
from typing import NamedTuple

from plabctl.core.model import Hold, Member, Node


class NodeSummary(NamedTuple):
    """One node with its place; the fields are those of `Node`, `Member` and `Verdict`, with the words as plain text.

    `outcome` and what follows it are those of the last probe: None, empty or 0 when there was none.
    """

    node: str
    variables: Mapping[str, str]
    pool: str
    since_at: float
    due_at: float
    ok_streak: int
    fail_streak: int
    penalty: float
    penalty_at: float
    is_suspect: bool
    hold: Hold | None
    requested_at: float | None
    outcome: str | None
    cause: str | None
    reason: str
    tested_at: float
    seconds: float

    def is_held(self, now: float) -> bool:
        """Return whether a person's pin keeps the machine from moving this node."""
        return self.hold is not None and self.hold.holds(now)


def summarize_node(node: Node, member: Member) -> NodeSummary:
    """Return the node at a glance."""
    last = member.last
    return NodeSummary(
        node.name,
        node.variables,
        member.pool,
        member.since_at,
        member.due_at,
        member.ok_streak,
        member.fail_streak,
        member.penalty,
        member.penalty_at,
        member.is_suspect,
        member.hold,
        member.requested_at,
        last.outcome.value if last else None,
        last.cause.value if last and last.cause else None,
        last.reason if last else "",
        last.at if last else 0.0,
        last.seconds if last else 0.0,
    )
