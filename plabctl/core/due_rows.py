"""Light rows of the state: as much of a member as choosing needs, because there may be 100,000 of them.

Pure. The store makes them straight from its documents, without decoding the rest.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one, in every short command.
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from plabctl.core.model import Member, Node

if TYPE_CHECKING:
    from plabctl.core.experiments.model import Vnode  # most states have none


class Due(NamedTuple):
    """A member that is due, of a health pool or of an experiment."""

    node: str
    pool: str
    due_at: float
    requested_at: float | None
    waiting_since: float
    """End of its last probe, or when it entered its pool if there was none since."""
    interval_s: float
    experiment: str = ""
    """Whose vnode it is; empty for a member of a health pool."""

    @property
    def key(self) -> str:
        """What it is filed under: the node's name, or `EXPERIMENT/NODE`."""
        return f"{self.experiment}/{self.node}" if self.experiment else self.node


class Placement(NamedTuple):
    """Where a node stands, as far as experiments ask."""

    node: str
    pool: str
    since_at: float
    is_free: bool
    """No person holds it, no failure of it waits to be confirmed, and it is not absent."""
    variables: Mapping[str, str]
    is_absent: bool = False


def build_due_row(member: Member) -> Due:
    """Return the light row of `member`."""
    return Due(
        member.node,
        member.pool,
        member.due_at,
        member.requested_at,
        member.since_at if member.probed_at is None else member.probed_at,
        member.interval_s,
    )


def build_vnode_due_row(vnode: "Vnode") -> Due:
    """Return the light row of a member of an experiment; its pool is the experiment."""
    return Due(
        vnode.node,
        vnode.experiment,
        vnode.due_at,
        None,
        vnode.since_at if vnode.probed_at is None else vnode.probed_at,
        vnode.interval_s,
        vnode.experiment,
    )


def build_placement(node: Node, member: Member, now: float) -> Placement:
    """Return where the node stands at `now`."""
    is_absent = member.absent_since is not None
    is_free = member.suspicion is None and not member.is_held(now) and not is_absent
    return Placement(node.name, member.pool, member.since_at, is_free, node.variables, is_absent)
