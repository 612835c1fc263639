"""One node with all that is known about it: what `show` says of it, and `explain` gives the reasons of.

Pure. `plabctl.app.history_queries` gathers the record. `plabctl.views.explained_node` has the reasons.
Tests: `tests/render/test_node_page.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plabctl.core.event_kinds import MOVES
from plabctl.core.guard.model import Guard, read_guard
from plabctl.core.model import Claim, Event, Leftover, Member, Node
from plabctl.values import dataclass
from plabctl.views.experiment_rows import VnodeRow, make_vnode_row
from plabctl.views.experiments import VnodeView
from plabctl.views.logins import LoginView, view_login
from plabctl.views.node import NodeView, ViewContext, add_use, view_node


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

    def view_node(self, context: ViewContext) -> NodeView:
        """Return its line of the status."""
        view = view_node(self.node, self.member, self.claim, context.settings, context.now)
        experiments = [each.vnode.experiment for each in self.vnode_views if each.vnode.vnode]
        return add_use(view._replace(experiments=experiments or None), context.busy.get(self.node.name))


@dataclass(frozen=True, slots=True)
class ClaimView:
    """The test that runs on a node."""

    slot: int
    vnode: str
    started_at: float


@dataclass(frozen=True, slots=True)
class NodePage:
    """What `show` says of a node. None is unknown, or does not apply."""

    generated_at: float
    vnodes: tuple[VnodeRow, ...] | None
    """Its places in experiments."""
    variables: Mapping[str, str]
    source: str
    added_at: float
    debris: tuple[Leftover, ...]
    recent: tuple[Event, ...]
    skipped_count: int | None
    claim: ClaimView | None
    not_ready_since_at: float | None
    """Since when it says itself, in a row, that it is not ready."""
    busy_until_at: float | None
    """Until when somebody uses it, if that is known."""
    login: LoginView | None
    """The logins between its tests."""
    asked_early: str | None
    """Why its next test is ahead of its time, in words."""


def build_node_page(record: NodeRecord, context: ViewContext) -> NodePage:
    """Return what `show` says of the node."""
    node, claim = record.node, record.claim
    use = context.busy.get(node.name)
    return NodePage(
        generated_at=context.now,
        vnodes=tuple(map(make_vnode_row, record.vnode_views)) or None,
        variables=dict(node.variables),
        source=node.source,
        added_at=node.added_at,
        debris=record.member.leftovers,
        recent=record.recent,
        skipped_count=record.skipped_count or None,
        claim=ClaimView(claim.slot, claim.vnode, claim.started_at) if claim else None,
        not_ready_since_at=record.member.not_ready_since_at,
        busy_until_at=use.until_at if use else None,
        login=view_login(record.member, context.settings) if record.member.liveness else None,
        asked_early=record.member.asked_early or None,
    )
