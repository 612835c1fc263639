"""One node with all that is known about it: what `show` tells and `explain` gives the reasons of.

Pure. `plabctl.app.history_queries` gathers it.
Tests: `tests/render/test_node_page.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plabctl.core.guard.model import Guard, read_guard
from plabctl.core.model import Claim, Event, Member, Node
from plabctl.render.event_table import MOVES
from plabctl.render.listing import Cell
from plabctl.views.experiments import VnodeView
from plabctl.views.node import ViewContext

Line = tuple[str, Cell]
"""A label, empty when the line goes on with what stands above, and what is said."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node; `recent` are its latest events, oldest first."""

    node: Node
    member: Member
    claim: Claim | None
    recent: tuple[Event, ...] = ()
    vnode_views: tuple[VnodeView, ...] = ()
    """Where it is a member of experiments, by experiment."""
    skipped_count: int = 0
    """How many rows of its history were left out, because plabctl did not write them."""

    @property
    def last_probe(self) -> Event | None:
        """The event of its last test, if the history still has it."""
        return next(self.list_latest("probe"), None)

    @property
    def last_move(self) -> Event | None:
        """The event that brought it to where it is, if the history still has it."""
        return next(self.list_latest(*MOVES), None)

    def list_latest(self, *kinds: str) -> Iterator[Event]:
        """Yield its events of these kinds, the latest first."""
        return (event for event in reversed(self.recent) if event.kind in kinds)

    def is_testing(self, now: float) -> bool:
        """Return whether a test of it is running."""
        return self.claim is not None and self.claim.is_running(now)

    def is_guarded(self, context: ViewContext) -> bool:
        """Return whether the guard holds its moves to bad now."""
        label = context.settings.guard.site_label
        return Guard(read_guard(context.state).scopes, label).holds(self.member.home_pool, self.node)
