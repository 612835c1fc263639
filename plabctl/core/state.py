"""What a decision may look at, and what it may ask to change.

Pure. The store's session and the in-memory state (for tests and the simulator) both offer `State` and take `Changes`,
so that the policy cannot tell them apart. Decisions: `claim`, `settle`, `orders`.
Tests: `tests/store/test_state_protocol.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from plabctl.core.due_rows import Due, NodeFields, Row, build_due_row, build_vnode_due_row
from plabctl.core.model import Claim, Event, Member, Node, TickMark
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.experiments.model import Experiment, Vnode  # most states have none
    from plabctl.core.notes import Document, Notes

GUARD_TOPIC = "guard"
"""The topic of the guard's note, for whoever asks first whether there is one; see `plabctl.core.guard.model`."""


class State(Protocol):
    """The state as a decision reads it."""

    @property
    def rev(self) -> int:
        """The number of commits so far."""

    @property
    def tick(self) -> TickMark | None:
        """The newest tick that claimed."""

    @property
    def claims(self) -> Mapping[str, Claim]:
        """The claims, by key: the node's name for a health test, `EXPERIMENT/NODE` for a vnode."""

    @property
    def outbox(self) -> Sequence[Event]:
        """The events not yet told to all, oldest first."""

    @property
    def notes(self) -> Notes:
        """The notes as they are stored; `NoteKind` makes records of them."""

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        """The experiments, by name."""

    def vnode(self, key: str) -> Vnode | None:
        """Return the member of an experiment that is filed under `EXPERIMENT/NODE`."""

    def vnodes(self) -> Iterable[Vnode]:
        """Return all members of experiments."""

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""

    def rev_of(self, name: str) -> int:
        """Return the rev at which that node was last changed; 0 when that is not known."""

    def member(self, name: str) -> Member | None:
        """Return that node's place in its health pool."""

    def names(self) -> Iterable[str]:
        """Return the names of all nodes."""

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""

    def members(self) -> Iterable[Member]:
        """Return all members of health pools."""

    def select(self, fields: NodeFields[Row]) -> Iterable[Row]:
        """Return these fields of all nodes, a row for each."""

    def select_one(self, fields: NodeFields[Row], name: str) -> Row | None:
        """Return these fields of the node of that name."""

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""

    def recent(self, since: float) -> Iterable[Member]:
        """Return the members whose last probe ended at `since` or later."""

    def due(self, now: float, *, latest: float = float("inf")) -> list[Due]:
        """Return the members of pools and experiments whose time has come, claimed or not, in no order; none absent.

        A time after `latest` is invalid: the clock was set back since, and that member counts as due.
        """


@dataclass(frozen=True, slots=True)
class Changes:
    """What a decision asks to change. A field that is empty changes nothing."""

    nodes: tuple[Node, ...] = ()
    """Nodes to add or replace; a new node's member must come with it."""
    removed: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    """Experiments to add or replace."""
    forgotten: tuple[str, ...] = ()
    """Names of experiments that end; their members must be gone with them."""
    vnodes: tuple[Vnode, ...] = ()
    """Members of experiments to add or replace."""
    gone: tuple[str, ...] = ()
    """Keys of members of experiments that are no more."""
    claims: tuple[Claim, ...] = ()
    released: tuple[str, ...] = ()
    """Keys of claims that end."""
    events: tuple[Event, ...] = ()
    """Events to put into the outbox."""
    delivered: frozenset[str] = frozenset()
    """Ids of events to take out of the outbox."""
    tick: TickMark | None = None
    notes: Mapping[str, Document | None] | None = None
    """Notes to replace, as `NoteKind.write` returns them; None as a value takes that note away."""

    def __bool__(self) -> bool:
        """Return whether anything would change."""
        return any(getattr(self, name) for name in self.__slots__)


class MemoryState:
    """A `State` of plain dictionaries: for tests and the simulator."""

    def __init__(self, changes: Changes | None = None) -> None:
        self.rev = 0
        self.tick: TickMark | None = None
        self.claims: dict[str, Claim] = {}
        self.outbox: list[Event] = []
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

    def rev_of(self, name: str) -> int:
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

    def recent(self, since: float) -> Iterable[Member]:
        """Return the members whose last probe ended at `since` or later."""
        return [
            member for member in self._members.values() if member.probed_at is not None and member.probed_at >= since
        ]

    def due(self, now: float, *, latest: float = float("inf")) -> list[Due]:
        """Return the members whose time has come, or lies after `latest`; claimed or not, in no order."""
        present = [member for member in self._members.values() if member.absent_since is None]
        rows = [build_due_row(member) for member in present if not now < member.due_at <= latest]
        return rows + [
            build_vnode_due_row(vnode) for vnode in self._vnodes.values() if not now < vnode.due_at <= latest
        ]

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
        self.outbox = [event for event in self.outbox if event.id not in changes.delivered]
        known = {event.id for event in self.outbox}
        self.outbox.extend(event for event in changes.events if event.id not in known)
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
