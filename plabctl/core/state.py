"""What a decision may look at, and what it may ask to change.

Pure. The store's session and the in-memory state (for tests and the simulator) both offer `State` and take `Changes`,
so that the policy cannot tell them apart. Decisions: `claim`, `settle`, `orders`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from plabctl.core.glance import Glance, glance_at
from plabctl.core.model import Claim, Event, Member, Node, TickMark
from plabctl.values import dataclass

GUARD_NOTE = "guard"
"""The topic of the note in which `plabctl.core.guard` keeps what is guarded; without it, nothing is."""


class Due(NamedTuple):
    """A member that is due, as much of it as choosing needs; light, because there may be 100,000 of them."""

    node: str
    pool: str
    due_at: float
    requested_at: float | None
    waiting_since: float
    """End of its last probe, or when it entered its pool if there was none since."""
    interval_s: float


class State(Protocol):
    """The state as a decision reads it."""

    @property
    def rev(self) -> int:
        """The number of commits so far."""
        ...

    @property
    def tick(self) -> TickMark | None:
        """The newest tick that claimed."""
        ...

    @property
    def claims(self) -> Mapping[str, Claim]:
        """The claims, by node."""
        ...

    @property
    def outbox(self) -> Sequence[Event]:
        """The events not yet told to all, oldest first."""
        ...

    @property
    def notes(self) -> Mapping[str, Mapping[str, object]]:
        """Small records of the program's own, by topic: inventories read, errors told, and the like."""
        ...

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        ...

    def member(self, name: str) -> Member | None:
        """Return that node's place in its health pool."""
        ...

    def names(self) -> Iterable[str]:
        """Return the names of all nodes."""
        ...

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""
        ...

    def members(self) -> Iterable[Member]:
        """Return all members of health pools."""
        ...

    def glance(self, name: str) -> Glance | None:
        """Return that node at a glance."""
        ...

    def glances(self) -> Iterable[Glance]:
        """Return all nodes at a glance."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""
        ...

    def recent(self, since: float) -> Iterable[Member]:
        """Return the members whose last probe ended at `since` or later."""
        ...

    def due(self, now: float, *, latest: float = float("inf")) -> list[Due]:
        """Return the members whose time has come, claimed or not, in no order.

        A time after `latest` cannot be meant: the clock was set back since, and that member counts as due.
        """
        ...


@dataclass(frozen=True, slots=True)
class Changes:
    """What a decision asks to change. A field that is empty changes nothing."""

    nodes: tuple[Node, ...] = ()
    """Nodes to add or replace; a new node's member must come with it."""
    removed: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    claims: tuple[Claim, ...] = ()
    released: tuple[str, ...] = ()
    """Nodes whose claim ends."""
    events: tuple[Event, ...] = ()
    """Events to put into the outbox."""
    told: frozenset[str] = frozenset()
    """Ids of events to take out of the outbox."""
    tick: TickMark | None = None
    notes: Mapping[str, Mapping[str, object] | None] | None = None
    """Notes to replace; None as a value takes that note away."""

    def __bool__(self) -> bool:
        """Say whether anything would change."""
        return any(getattr(self, name) for name in self.__slots__)


class MemoryState:
    """A `State` of plain dictionaries: for tests and the simulator."""

    def __init__(self, changes: Changes | None = None) -> None:
        self.rev = 0
        self.tick: TickMark | None = None
        self.claims: dict[str, Claim] = {}
        self.outbox: list[Event] = []
        self.notes: dict[str, Mapping[str, object]] = {}
        self._nodes: dict[str, Node] = {}
        self._members: dict[str, Member] = {}
        if changes:
            self.apply(changes)

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        return self._nodes.get(name)

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

    def glance(self, name: str) -> Glance | None:
        """Return that node at a glance."""
        node = self._nodes.get(name)
        return None if node is None else glance_at(node, self._members[name])

    def glances(self) -> Iterable[Glance]:
        """Return all nodes at a glance."""
        return [glance_at(node, self._members[name]) for name, node in self._nodes.items()]

    def recent(self, since: float) -> Iterable[Member]:
        """Return the members whose last probe ended at `since` or later."""
        return [
            member for member in self._members.values() if member.probed_at is not None and member.probed_at >= since
        ]

    def due(self, now: float, *, latest: float = float("inf")) -> list[Due]:
        """Return the members whose time has come, or lies after `latest`; claimed or not, in no order."""
        return [due_of(member) for member in self._members.values() if not now < member.due_at <= latest]

    def apply(self, changes: Changes) -> None:
        """Make `changes`; raise AssertionError when they would break an invariant."""
        for node in changes.nodes:
            self._nodes[node.name] = node
        for member in changes.members:
            self._members[member.node] = member
        for name in changes.removed:
            del self._nodes[name], self._members[name]
        for name in changes.released:
            del self.claims[name]
        for claim in changes.claims:
            self.claims[claim.node] = claim
        self.outbox = [event for event in self.outbox if event.id not in changes.told]
        known = {event.id for event in self.outbox}
        self.outbox.extend(event for event in changes.events if event.id not in known)
        self.tick = changes.tick or self.tick
        for topic, note in (changes.notes or {}).items():
            if note is None:
                self.notes.pop(topic, None)
            else:
                self.notes[topic] = note
        self.rev += 1
        assert self._nodes.keys() == self._members.keys(), "every node is in exactly one health pool"  # noqa: S101


def due_of(member: Member) -> Due:
    """Return the light row of `member`."""
    return Due(
        member.node,
        member.pool,
        member.due_at,
        member.requested_at,
        member.since_at if member.probed_at is None else member.probed_at,
        member.interval_s,
    )
