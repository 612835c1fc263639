"""Light rows of the state: a few fields of every node, because there may be 100,000 of them.

Pure. Making a `Node` and a `Member` of each takes too long, so a module that lists nodes declares a NamedTuple of the
fields that it needs, and passes its `NodeFields` to `State.select`. The fields have the names and types of those of
`Node` and `Member`, except for `node`, which is the node's name. The store reads such rows straight from its documents
(`plabctl.store.codec.make_row_reader`). `Due` is a class of its own, because the store selects those rows itself.
Tests: `tests/store/test_state_protocol.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one, in every short command.
from collections.abc import Mapping, Sequence

from plabctl.core.model import Hold, Member, Node, build_key
from plabctl.core.suspicion import Suspicion
from plabctl.typed import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from plabctl.core.experiments.model import Vnode  # most states have none

Row = TypeVar("Row", bound=tuple[object, ...])

OF_NODE = {"node": "name", "variables": "variables", "source": "source", "added_at": "added_at"}
"""The fields of a row that are the node's, with their names there; all others are its member's."""


class NodeFields(Generic[Row]):
    """Which fields of a node the rows of the class `row` hold; raise TypeError for one that no node has.

    They are those of a NamedTuple; for plain tuples `names` says which.
    """

    def __init__(self, row: type[Row], names: Sequence[str] | None = None) -> None:
        self.row = row
        self.names: Sequence[str] = row._fields if names is None else names  # type: ignore[attr-defined]  # a NamedTuple
        unknown = set(self.names) - OF_NODE.keys() - set(Member.__slots__)
        if unknown:
            raise TypeError(f"{row.__name__} has fields that no node has: {sorted(unknown)}")

    def read(self, node: Node, member: Member) -> Row:
        """Return the row of this node."""
        return tuple.__new__(
            self.row,
            [getattr(node, OF_NODE[name]) if name in OF_NODE else getattr(member, name) for name in self.names],
        )


class Placement(NamedTuple):
    """Where a node stands, as far as experiments ask."""

    node: str
    pool: str
    since_at: float
    fail_streak: int
    suspicion: Suspicion | None
    hold: Hold | None
    absent_since_at: float | None
    stuck_since_at: float | None
    release_test_since_at: float | None
    variables: Mapping[str, str]


PLACEMENT = NodeFields(Placement)


class Due(NamedTuple):
    """A member that is due, of a health pool or of an experiment."""

    node: str
    pool: str
    due_at: float
    requested_at: float | None
    waiting_since_at: float
    """End of its last probe, or when it entered its pool if there was none since."""
    interval_s: float
    experiment: str = ""
    """Whose vnode it is; empty for a member of a health pool."""
    is_check: bool = False
    """Whether it is its liveness check that is due, not a test."""

    @property
    def key(self) -> str:
        """Its key in the state."""
        return build_key(self.node, self.experiment)


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
