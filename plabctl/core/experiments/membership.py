"""Membership of experiments: which nodes join, leave or are replaced, and which experiments are ready or gone.

Pure. `reconcile` looks at the nodes as they are and is called whenever something may have changed: when reports were
settled, nodes came or went, somebody gave an order, or a grace is over. It is idempotent.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from plabctl.core import events
from plabctl.core.due_rows import PLACEMENT, Placement
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.experiments.node_choice import choose_best
from plabctl.core.model import Event
from plabctl.core.names import split_label
from plabctl.core.notes import NoteKind
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State
from plabctl.core.usable import is_usable
from plabctl.typed import TYPE_CHECKING
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.core.occupancy import Busy

GRACE_NOTE = NoteKind(
    "experiments",
    decode=lambda reader: reader.read_number("due_at", None),
    encode=lambda ends_at: {"due_at": ends_at},
)
"""When the first grace of a node ends: what is due in a note wakes a tick."""


def reconcile(state: State, settings: Settings, now: float, rng: Random) -> Changes:
    """Return the changes that bring the members of all experiments up to date."""
    if not state.experiments:
        return Changes()
    members: dict[str, dict[str, Vnode]] = {name: {} for name in state.experiments}
    for vnode in state.vnodes():
        members[vnode.experiment][vnode.node] = vnode
    membership = _Membership(state, settings, now, rng)
    for name, experiment in state.experiments.items():
        membership.review(experiment, members[name])
    ends_at = min(membership.graces, default=None)
    return Changes(
        experiments=tuple(membership.experiments),
        forgotten=tuple(membership.forgotten),
        vnodes=tuple(membership.changed.values()),
        gone=tuple(membership.gone),
        events=tuple(membership.events),
        notes=None if GRACE_NOTE.read(state.notes) == ends_at else GRACE_NOTE.write(ends_at),
    )


def mark_leaving(vnode: Vnode, now: float) -> Vnode:
    """Return the member as leaving: its vnode is to be torn down at once."""
    if vnode.is_leaving:
        return vnode
    return replace(
        vnode, state=VnodeState.LEAVING, since_at=now, due_at=now, interval_s=0.0, is_set_up=False, fail_streak=0
    )


def detach_vnodes(state: State, names: Iterable[str], now: float) -> tuple[Vnode, ...]:
    """Return the members on nodes that are about to be removed: they leave, and remember where their node was."""
    if not state.experiments:
        return ()
    removed = set(names)
    found = []
    for vnode in state.vnodes():
        node = state.node(vnode.node) if vnode.node in removed else None
        if node and vnode.gone_at is None:
            found.append(replace(mark_leaving(vnode, now), gone_at=now, address=node.variables))
    return tuple(found)


class _Membership:
    """Collects the changes, one experiment after the other."""

    def __init__(self, state: State, settings: Settings, now: float, rng: Random) -> None:
        self._state = state
        self._settings = settings
        self._good_pools = settings.good_pools
        self._busy: Busy = {}
        """Who uses which node: none of these is taken where nobody named it."""
        if settings.occupancies:
            from plabctl.core.occupancy import find_busy  # few have such a source

            self._busy = find_busy(state.notes, settings.occupancies, now)
        self._now = now
        self._rng = rng
        self._members: dict[str, Vnode] = {}
        """Those of the experiment under review, by node."""
        self.experiments: list[Experiment] = []
        self.forgotten: list[str] = []
        self.changed: dict[str, Vnode] = {}
        self.gone: list[str] = []
        self.events: list[Event] = []
        self.graces: list[float] = []

    def review(self, experiment: Experiment, members: dict[str, Vnode]) -> None:
        """Collect the changes to `experiment`; `members` has its members by node."""
        self._members = members
        self._release_leaving(experiment)
        if experiment.leaving_at is not None:
            if not self._members:
                self.forgotten.append(experiment.name)
                self._add_event("experiment-gone", experiment, hook=list(experiment.hook))
            return
        if experiment.count:
            self._keep_count(experiment)
        elif experiment.is_everywhere:
            self._keep_everywhere(experiment)
        else:
            self._join(experiment, [name for name in experiment.nodes if self._find_placement(name)])
        self._wake()
        self._check_ready(experiment)

    def _release_leaving(self, experiment: Experiment) -> None:
        """Let go of leaving members of which nothing is on a node, or whose node is gone for too long."""
        for vnode in list(self._members.values()):
            if not vnode.is_leaving or vnode.key in self._state.claims:
                continue
            gone_at = vnode.gone_at
            is_given_up = gone_at is not None and self._now - gone_at > self._settings.experiment.give_up_s
            if not vnode.vnode or is_given_up:
                self.gone.append(vnode.key)
                del self._members[vnode.node]
                reason = "given up: its node was removed long ago" if vnode.vnode else ""
                self._add_event("vnode-gone", experiment, vnode.node, vnode=vnode.vnode, reason=reason)

    def _join(self, experiment: Experiment, names: Iterable[str]) -> None:
        """Make these nodes members. A leaving one comes back, unless it is being worked on or its node is new."""
        for name in names:
            before = self._members.get(name)
            if before is None:
                self._set(Vnode(experiment.name, name, VnodeState.PENDING, self._now, self._now))
                continue
            is_busy = before.gone_at is not None or before.key in self._state.claims
            if before.is_leaving and not is_busy:
                now = self._now
                self._set(replace(before, state=VnodeState.PENDING, since_at=now, due_at=now, interval_s=0.0))

    def _keep_everywhere(self, experiment: Experiment) -> None:
        for vnode in self._list_active():
            placement = self._find_placement(vnode.node)
            if placement is None or not _is_match(experiment, placement) or self._is_lost(placement):
                self._set(mark_leaving(vnode, self._now))
        self._join(experiment, [each.node for each in self._list_usable() if _is_match(experiment, each)])

    def _keep_count(self, experiment: Experiment) -> None:
        """Fill up to the count, and replace members whose node stays in bad as far as there are free nodes."""
        active = self._list_active()
        lost = [vnode for vnode in active if (found := self._find_placement(vnode.node)) and self._is_lost(found)]
        missing = max(0, experiment.count - len(active))
        if not lost and not missing:
            return
        free = [each.node for each in self._list_usable() if each.node not in self._members]
        kept = [vnode.node for vnode in active if vnode not in lost]
        chosen = choose_best(self._state, self._settings, experiment, free, kept, missing + len(lost), self._now)
        self._join(experiment, chosen)
        for vnode, name in zip(lost, chosen[missing:], strict=False):
            self._set(mark_leaving(vnode, self._now))
            self._add_event("vnode-replaced", experiment, vnode.node, vnode=vnode.vnode, by=name)

    def _wake(self) -> None:
        """Retry at once what failed on a node that has come back since."""
        for vnode in list(self._members.values()):
            if vnode.state not in {VnodeState.FAILED, VnodeState.LEAVING} or vnode.due_at <= self._now:
                continue
            placement = self._find_placement(vnode.node)
            if placement and self._is_usable(placement) and placement.since_at > (vnode.probed_at or 0.0):
                self._set(replace(vnode, due_at=self._now, interval_s=0.0))

    def _check_ready(self, experiment: Experiment) -> None:
        active = self._list_active()
        wanted = experiment.count or len(experiment.nodes)
        is_complete = bool(active) and (experiment.is_everywhere or experiment.at_most or len(active) == wanted)
        is_ready = is_complete and all(vnode.state is VnodeState.UP for vnode in active)
        if is_ready and experiment.ready_at is None:
            self.experiments.append(replace(experiment, ready_at=self._now))
            self._add_event("experiment-ready", experiment, vnodes=len(active))
        elif not is_ready and experiment.ready_at is not None and not experiment.is_everywhere:
            # On all nodes there is always one that has just joined: it was ready, and that is that.
            self.experiments.append(replace(experiment, ready_at=None))

    def _list_active(self) -> list[Vnode]:
        return [vnode for vnode in self._members.values() if not vnode.is_leaving]

    def _set(self, vnode: Vnode) -> None:
        self._members[vnode.node] = self.changed[vnode.key] = vnode

    def _find_placement(self, name: str) -> Placement | None:
        return self._state.select_one(PLACEMENT, name)

    def _list_usable(self) -> list[Placement]:
        """Return the usable nodes that nobody uses."""
        busy = self._busy
        return [each for each in self._state.select(PLACEMENT) if self._is_usable(each) and each.node not in busy]

    def _is_usable(self, placement: Placement) -> bool:
        return is_usable(placement, self._now, self._good_pools)

    def _is_lost(self, placement: Placement) -> bool:
        """Return whether the node is in bad for longer than the grace; if it may soon be, remember when.

        A node that is absent is not lost yet: its inventory may list it again, and its vnode may be in use.
        """
        is_bad = placement.pool in self._settings.pools and placement.pool not in self._good_pools
        if not is_bad or placement.absent_since_at is not None:
            return False
        ends_at = placement.since_at + self._settings.experiment.grace_s
        if ends_at > self._now:
            self.graces.append(round(ends_at, 3))
            return False
        return True

    def _add_event(self, kind: str, experiment: Experiment, node: str | None = None, **data: object) -> None:
        self.events.append(events.build_experiment_event(kind, experiment.name, node, self._now, self._rng, data))


def _is_match(experiment: Experiment, placement: Placement) -> bool:
    return all(value in split_label(placement.variables.get(label)) for label, value in experiment.match.items())
