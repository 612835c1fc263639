"""A state of plain dictionaries, which decisions cannot tell from that of the store. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from plabctl.core.claim import list_unclaimed
from plabctl.core.due_rows import Due, NodeFields, Row, build_due_row, build_vnode_due_row
from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.core.model import Claim, Event, Member, Node, TickMark
from plabctl.core.notes import Document
from plabctl.core.shortlist import Shortlist, shorten
from plabctl.core.state import Changes


def build_check_row(member: Member) -> Due | None:
    """Return the light row of the member's next check; None when none is planned."""
    own = member.liveness
    if own is None or own.due_at is None:
        return None
    spacing_s = 0.0 if own.called else own.spacing_s
    return Due(member.node, member.pool, own.due_at, None, own.due_at - spacing_s, spacing_s, is_check=True)


class MemoryState:
    """A `State` in memory; `apply` changes it."""

    def __init__(self, changes: Changes | None = None) -> None:
        self.rev = 0
        self.tick: TickMark | None = None
        self.claims: dict[str, Claim] = {}
        self.outbox: list[Event] = []
        self._untold: set[str] = set()
        self.notes: dict[str, Document] = {}
        self._nodes: dict[str, Node] = {}
        self._members: dict[str, Member] = {}
        self._revs: dict[str, int] = {}
        self.experiments: dict[str, Experiment] = {}
        self._vnodes: dict[str, Vnode] = {}
        if changes:
            self.apply(changes)

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        return self._nodes.get(name)

    def find_rev(self, name: str) -> int:
        """Return the rev at which that node was last changed."""
        return self._revs.get(name, 0)

    def member(self, name: str) -> Member | None:
        """Return that node's place in its health pool."""
        return self._members.get(name)

    def names(self) -> Iterable[str]:
        """Return the names of all nodes."""
        return self._nodes.keys()

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""
        return self._nodes.values()

    def members(self) -> Iterable[Member]:
        """Return all members of health pools."""
        return self._members.values()

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""
        return Counter(member.pool for member in self._members.values())

    def select(self, fields: NodeFields[Row]) -> Iterable[Row]:
        """Return these fields of all nodes, a row for each."""
        return [fields.read(node, self._members[name]) for name, node in self._nodes.items()]

    def select_one(self, fields: NodeFields[Row], name: str) -> Row | None:
        """Return these fields of the node of that name."""
        node = self._nodes.get(name)
        return None if node is None else fields.read(node, self._members[name])

    def recent(self, since_at: float) -> Iterable[tuple[Node, Member]]:
        """Return the nodes whose last probe ended, or whose login last answered, at `since_at` or later."""
        found = []
        for member in self._members.values():
            answered_at = member.liveness.answered_at if member.liveness else None
            if any(at is not None and at >= since_at for at in (member.probed_at, answered_at)):
                found.append((self._nodes[member.node], member))
        return found

    def due(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return the members whose time has come, or lies after `latest_at`; claimed or not, in no order."""
        present = [member for member in self._members.values() if member.absent_since_at is None]
        rows = [build_due_row(member) for member in present if not now < member.due_at <= latest_at]
        return rows + [
            build_vnode_due_row(vnode) for vnode in self._vnodes.values() if not now < vnode.due_at <= latest_at
        ]

    def due_checks(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return the liveness checks whose time has come, or lies after `latest_at`; claimed or not, in no order."""
        present = [member for member in self._members.values() if member.absent_since_at is None]
        rows = [row for member in present if (row := build_check_row(member))]
        return [row for row in rows if not now < row.due_at <= latest_at]

    def shortlist(self, now: float, count: int, *, latest_at: float, pools: Collection[str]) -> Shortlist:
        """Return the first of those that may be probed now, and how many there are in all."""
        return shorten(list_unclaimed(self, now, latest_at=latest_at, pools=pools), count, now)

    def vnode(self, key: str) -> Vnode | None:
        """Return the member of an experiment that is filed under that key."""
        return self._vnodes.get(key)

    def vnodes(self) -> Iterable[Vnode]:
        """Return all members of experiments."""
        return self._vnodes.values()

    def apply(self, changes: Changes) -> None:
        """Make `changes`; raise AssertionError when they would break an invariant."""
        self._nodes.update({node.name: node for node in changes.nodes})
        self._members.update({member.node: member for member in changes.members})
        changed = [*(node.name for node in changes.nodes), *(member.node for member in changes.members)]
        self._revs.update(dict.fromkeys(changed, self.rev + 1))
        for name in changes.removed:
            del self._nodes[name], self._members[name]
        self.experiments.update({experiment.name: experiment for experiment in changes.experiments})
        self._vnodes.update({vnode.key: vnode for vnode in changes.vnodes})
        for key in changes.gone:
            del self._vnodes[key]
        for name in changes.forgotten:
            del self.experiments[name]
        for key in changes.released:
            del self.claims[key]
        for claim in changes.claims:
            self.claims[claim.key] = claim
        if changes.delivered:
            self.outbox = [event for event in self.outbox if event.id not in changes.delivered]
            self._untold -= changes.delivered
        new = [event for event in changes.events if event.id not in self._untold]
        self.outbox += new
        self._untold.update(event.id for event in new)  # beside the outbox, which grows long where nothing is delivered
        self.tick = changes.tick or self.tick
        for topic, note in (changes.notes or {}).items():
            if note is None:
                self.notes.pop(topic, None)
            else:
                self.notes[topic] = note
        self.rev += 1
        assert self._nodes.keys() == self._members.keys(), "every node is in exactly one health pool"
        homes = {vnode.experiment for vnode in self._vnodes.values()}
        assert homes <= self.experiments.keys(), "every vnode belongs to an experiment"
