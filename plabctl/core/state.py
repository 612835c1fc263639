"""The interface between policy and store: what a decision reads, and the changes that it returns.

Pure. The session of the store and the in-memory state of the tests both offer `State` and take `Changes`, so that the
policy cannot tell them apart. Decisions are in `claim`, `settle` and `node_orders`.
Tests: `tests/store/test_state_protocol.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from plabctl.core.model import Claim, Event, Member, Node, TickMark
from plabctl.typed import TYPE_CHECKING, Protocol
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.due_rows import Due, NodeFields, Row
    from plabctl.core.experiments.model import Experiment, Vnode  # most states have none
    from plabctl.core.notes import Document, Notes
    from plabctl.core.shortlist import Shortlist

GUARD_TOPIC = "guard"
"""The topic of the guard's note: a caller can see that there is none without loading `plabctl.core.guard.model`."""
LOST_SOURCES_TOPIC = "lost-sources"
"""The topic of the note that there are nodes of sources that are not configured: see `plabctl.core.lost_sources`."""

FALSE_ALARMS_TOPIC = "false-alarms"
"""The topic of the note that there are nodes that pass tests and answer no login: see `plabctl.core.false_alarms`."""
VANTAGES_TOPIC = "vantages"
"""The topic of the note that tests are made from several vantages: see `plabctl.core.vantage`."""
OCCUPANCY_TOPIC = "occupancy "
"""How the topics of the notes of occupancy sources begin: see `plabctl.core.occupancy`."""


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

    def find_rev(self, name: str) -> int:
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

    def recent(self, since_at: float) -> Iterable[tuple[Node, Member]]:
        """Return the nodes whose last probe ended, or whose login last answered, at `since_at` or later."""

    def due(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return the members of pools and experiments whose time has come, claimed or not, in no order; none absent.

        A time after `latest_at` is invalid: the clock was set back since, and that member counts as due.
        """

    def due_checks(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return the liveness checks that are due, as `due` does for tests."""

    def shortlist(self, now: float, count: int, *, latest_at: float, pools: Collection[str]) -> Shortlist:
        """Return the first of those that may be probed now, and how many there are in all.

        They are those of `plabctl.core.claim.list_unclaimed`, as `plabctl.core.shortlist.shorten` shortens them.
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
