"""Goals of ticks that a command waits for: named nodes tested, an experiment up, an experiment gone.

Pure. A tick with a goal takes only what the goal asks for, and ends when it is reached.
Tests: `tests/app/test_tick.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Protocol

from plabctl.core import node_orders
from plabctl.core.claim import list_candidates
from plabctl.core.due_rows import Due
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Goal, Member, Verdict
from plabctl.core.node_orders import Order
from plabctl.core.selection import find_names
from plabctl.core.settings import Settings
from plabctl.core.state import Changes, State

OnProgress = Callable[[int, int], None]
"""Is told again and again how many tests have ended, of how many."""


def ignore_progress(done: int, total: int) -> None:
    """Do nothing: nobody watches."""


class TickGoal(Protocol):
    """What a tick is asked for.

    It ends when the machine has been up for `end_uptime_s`, done or not; what it runs then is interrupted. The clock
    may be set meanwhile, and the uptime may not.
    """

    end_uptime_s: float | None

    def begin(self, state: State) -> Changes:
        """Return what is ordered by it, to be committed with its first claims."""
        ...

    def find_due(self, state: State, settings: Settings, now: float) -> list[Due]:
        """Return the members that may be taken now."""
        ...

    def is_done(self, state: State) -> bool:
        """Return whether there is nothing more to wait for."""
        ...


class RetestGoal:
    """A retest of the named nodes, whatever their time; done when each has its verdict.

    Without `order` the retest must have been ordered before.
    """

    def __init__(self, names: Collection[str], order: Order | None = None) -> None:
        self.end_uptime_s: float | None = None
        self.names = tuple(names)
        """The nodes, as they are called here once the retest has begun."""
        self._unanswered = set(names)
        self._order = order
        self._before: dict[str, Verdict | None] = {}
        self._spared: set[str] = set()
        """Those that became busy before their test was begun: nobody waits until they are released."""

    def begin(self, state: State) -> Changes:
        """Return the order of the retest; raise NoSuchNode."""
        self.names = find_names(self.names, state)
        self._unanswered = set(self.names)
        self._before = {name: member.last for name in self.names if (member := state.member(name))}
        names = self._list_to_order(state)
        return node_orders.retest(state, names, self._order) if self._order and names else Changes()

    def is_answered(self, member: Member) -> bool:
        """Return whether a test of the node has ended since this began."""
        return member.node in self._before and member.last != self._before[member.node]

    def _list_to_order(self, state: State) -> list[str]:
        del state
        return sorted(self.names)

    def find_due(self, state: State, settings: Settings, now: float) -> list[Due]:
        """Return those that are not being tested by anybody."""
        wanted = self._find_unanswered(state)
        found = list_candidates(state, settings, now, only=wanted)
        if settings.occupancies:
            self._spared = wanted - state.claims.keys() - {row.node for row in found}
        return found

    def is_done(self, state: State) -> bool:
        """Return whether each retest has a verdict, from us or from another tick, or waits for a node's release."""
        return not self._find_unanswered(state) - self._spared

    def _find_unanswered(self, state: State) -> set[str]:
        members = {name: state.member(name) for name in self._unanswered}
        self._unanswered = {name for name, member in members.items() if member and member.requested_at is not None}
        return self._unanswered


class GateGoal(RetestGoal):
    """A test of the named nodes; a test that is running already will do, whatever it finds.

    Done when each node is let through or has a new verdict, and in any case at `end_uptime_s`.
    """

    def __init__(
        self, names: Collection[str], order: Order, end_uptime_s: float | None, is_open: Callable[[Member], bool]
    ) -> None:
        super().__init__(names, order)
        self.end_uptime_s = end_uptime_s
        self._is_open = is_open

    def _list_to_order(self, state: State) -> list[str]:
        tested = {name for name, claim in state.claims.items() if claim.goal is Goal.TEST}
        return [name for name in super()._list_to_order(state) if name not in tested]

    def _find_unanswered(self, state: State) -> set[str]:
        members = {name: member for name in self._unanswered if (member := state.member(name))}
        self._unanswered = {
            name for name, member in members.items() if not self._is_open(member) and not self.is_answered(member)
        }
        return self._unanswered


class _SwapGoal(ABC):
    """An experiment that is swapped in or out, until that is done or `end_uptime_s` is reached."""

    def __init__(self, name: str, end_uptime_s: float | None, tell: Callable[[State], None]) -> None:
        self._name = name
        self.end_uptime_s = end_uptime_s
        self._on_progress = tell

    def begin(self, state: State) -> Changes:
        """Return nothing to change."""
        return Changes()

    def find_due(self, state: State, settings: Settings, now: float) -> list[Due]:
        """Return what is due of the experiment."""
        return [row for row in list_candidates(state, settings, now) if row.experiment == self._name]

    def is_done(self, state: State) -> bool:
        """Return whether it is done; or, without an end, whether each vnode was tried."""
        self._on_progress(state)
        experiment = state.experiments.get(self._name)
        if experiment is None or self._is_reached(experiment):
            return True
        own = (vnode for vnode in state.vnodes() if vnode.experiment == self._name)
        return self.end_uptime_s is None and all(map(self._is_tried, own))

    @abstractmethod
    def _is_reached(self, experiment: Experiment) -> bool:
        """Return whether the experiment is as it was requested, or cannot become so."""

    @abstractmethod
    def _is_tried(self, vnode: Vnode) -> bool:
        """Return whether the vnode has had its first try."""


class WaitForUp(_SwapGoal):
    """An experiment until all its vnodes are up; or, without an end, until none is still on its first way there."""

    def _is_reached(self, experiment: Experiment) -> bool:
        return experiment.leaving_at is not None or experiment.ready_at is not None

    def _is_tried(self, vnode: Vnode) -> bool:
        return vnode.state in {VnodeState.UP, VnodeState.LEAVING} or vnode.last is not None


class WaitForGone(_SwapGoal):
    """An experiment that is swapped out until it is gone; or, without an end, until each vnode was tried once."""

    def _is_reached(self, experiment: Experiment) -> bool:
        return False

    def _is_tried(self, vnode: Vnode) -> bool:
        return vnode.fail_streak > 0
