"""A state as a status tells it: the nodes, without what a status does not have, such as the history.

Pure. `plabctl.app.status_source` reads the status. What is not in it is unknown here, too: claims, vnodes.
Tests: `tests/cli/test_status_file.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from plabctl.core.due_rows import Due, NodeFields, Row
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.liveness_record import Liveness
from plabctl.core.model import Claim, Event, Member, Node, TickMark
from plabctl.core.names import fold_name
from plabctl.core.notes import Document, Notes
from plabctl.core.shortlist import Shortlist
from plabctl.core.state import GUARD_TOPIC, OCCUPANCY_TOPIC
from plabctl.core.suspicion import Suspicion
from plabctl.core.usable import FELL_SILENT, UNTESTED
from plabctl.views.node import NodeView
from plabctl.views.status import GuardView

TOLD = "told"
"""The name of the occupancy source that stands for those of the monitor."""


class ToldState:
    """A `State` of which the nodes were read from a status that was true at `at`."""

    def __init__(self, views: Iterable[NodeView], at: float, rev: int = 0, guard: GuardView | None = None) -> None:
        self.rev = rev
        self.tick: TickMark | None = None
        self.outbox: Sequence[Event] = ()
        self.experiments: Mapping[str, Experiment] = {}
        self.views: dict[str, NodeView] = {view.name: view for view in views}
        """The nodes as the status shows them, by name."""
        self._at = at
        self.notes: Notes = _build_notes(self.views.values(), at, guard)
        testing = [view for view in self.views.values() if view.is_testing]
        self.claims: dict[str, Claim] = {
            view.name: Claim(view.name, "", slot, "", "", view.pool, "", "", at, at)
            for slot, view in enumerate(testing, 1)
        }

    def vnode(self, key: str) -> Vnode | None:
        """Return nothing: a status has no details of vnodes."""
        return None

    def vnodes(self) -> Iterable[Vnode]:
        """Return a vnode for each that a status names."""
        return [
            Vnode(guest, view.name, VnodeState.UP, self._at, self._at, vnode=view.name)
            for view in self.views.values()
            for guest in view.experiments or ()
        ]

    def node(self, name: str) -> Node | None:
        """Return the node of that name."""
        return _build_node(self.views[name]) if name in self.views else None

    def find_rev(self, name: str) -> int:
        """Return 0: a status does not say when a node was changed."""
        return 0

    def member(self, name: str) -> Member | None:
        """Return that node's place in its health pool."""
        return self._build_member(self.views[name]) if name in self.views else None

    def names(self) -> Iterable[str]:
        """Return the names of all nodes."""
        return self.views.keys()

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""
        return map(_build_node, self.views.values())

    def members(self) -> Iterable[Member]:
        """Return all members of health pools."""
        return map(self._build_member, self.views.values())

    def select(self, fields: NodeFields[Row]) -> Iterable[Row]:
        """Return these fields of all nodes, a row for each."""
        return [fields.read(_build_node(view), self._build_member(view)) for view in self.views.values()]

    def select_one(self, fields: NodeFields[Row], name: str) -> Row | None:
        """Return these fields of the node of that name."""
        view = self.views.get(name)
        return None if view is None else fields.read(_build_node(view), self._build_member(view))

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes are in each pool that has any."""
        return Counter(view.pool for view in self.views.values())

    def recent(self, since_at: float) -> Iterable[tuple[Node, Member]]:
        """Return nothing: who only reads judges nobody."""
        return ()

    def due(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return nothing: who only reads tests nobody."""
        return []

    def due_checks(self, now: float, *, latest_at: float = float("inf")) -> list[Due]:
        """Return nothing, as `due`."""
        return []

    def shortlist(self, now: float, count: int, *, latest_at: float, pools: Collection[str]) -> Shortlist:
        """Return nothing, as `due`."""
        return Shortlist([], 0)

    def _build_member(self, view: NodeView) -> Member:
        is_silent = view.why_not == FELL_SILENT
        suspicion = Suspicion("", view.since_at, 0, view.since_at, by_silence=is_silent) if view.is_suspect else None
        return Member(
            view.name,
            view.pool,
            since_at=view.since_at,
            due_at=view.due_at,
            ok_streak=view.ok_streak,
            fail_streak=view.fail_streak,
            penalty=view.penalty,
            penalty_at=self._at,
            suspicion=suspicion,
            hold=view.hold,
            requested_at=view.requested_at,
            absent_since_at=view.absent_since_at,
            stuck_since_at=view.stuck_since_at,
            release_test_since_at=self._at if view.why_not == UNTESTED else None,
            last=view.last,
            liveness=None if view.answered_at is None else Liveness(answered_at=view.answered_at),
        )


def _build_node(view: NodeView) -> Node:
    site = {} if view.site is None else {"site": view.site}
    return Node(view.name, {**(view.labels or {}), **site})


def _build_notes(views: Iterable[NodeView], at: float, guard: GuardView | None) -> Notes:
    notes: dict[str, Document] = {}
    if guard is not None and guard.scopes:
        told = {each.scope: {"since_at": each.since_at, "why": each.reason} for each in guard.scopes}
        notes[GUARD_TOPIC] = {"scopes": told}
    uses = {
        fold_name(view.name): {"since_at": view.busy_since_at, "by": view.busy_by or ""}
        for view in views
        if view.busy_since_at is not None
    }
    if uses:
        notes[f"{OCCUPANCY_TOPIC}{TOLD}"] = {"read_at": at, "busy": uses}
    return notes
