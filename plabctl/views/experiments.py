"""Experiments as they are shown: each with all its members, and what runs for them taken into account.

Pure.
Tests: `tests/app/test_swap_experiments.py`.
"""

from __future__ import annotations

from collections import Counter

from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.experiments.swaps import find_experiment
from plabctl.core.names import build_sort_key
from plabctl.core.state import State
from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class VnodeView:
    """A member as it is shown: its vnode, and the state with what runs for it taken into account."""

    vnode: Vnode
    state: VnodeState


@dataclass(frozen=True, slots=True)
class ExperimentOverview:
    """An experiment with all its members, by node."""

    experiment: Experiment
    vnode_views: tuple[VnodeView, ...]
    missing: tuple[str, ...] = ()
    """Nodes that it wants and that are no members, because they were removed."""

    @property
    def counts(self) -> dict[str, int]:
        """How many members are in each state; states that none is in are left out."""
        found = Counter(place.state.value for place in self.vnode_views)
        return {state.value: found[state.value] for state in VnodeState if found[state.value]}

    @property
    def up_count(self) -> int:
        """How many members are up."""
        return self.counts.get(VnodeState.UP, 0)

    @property
    def wanted_count(self) -> int:
        """How many vnodes are wanted now."""
        experiment = self.experiment
        if experiment.leaving_at is not None:
            return 0
        return (
            experiment.count
            or len(experiment.nodes)
            or sum(p.state is not VnodeState.LEAVING for p in self.vnode_views)
        )

    @property
    def not_up(self) -> tuple[VnodeView, ...]:
        """The members that should be up and are not."""
        return tuple(place for place in self.vnode_views if place.state not in {VnodeState.UP, VnodeState.LEAVING})


def list_vnode_views(state: State, node: str) -> tuple[VnodeView, ...]:
    """Return the places of the node in experiments, by experiment."""
    claims = state.claims
    own = sorted((vnode for vnode in state.vnodes() if vnode.node == node), key=lambda vnode: vnode.experiment)
    return tuple(VnodeView(vnode, vnode.find_shown_state(claims.get(vnode.key))) for vnode in own)


def find_overview(state: State, name: str) -> ExperimentOverview | None:
    """Return the experiment of that name; None when there is none."""
    return next((overview for overview in list_overviews(state) if overview.experiment.name == name), None)


def read_overview(state: State, name: str) -> ExperimentOverview:
    """Return the experiment of that name; raise NoSuchExperiment."""
    find_experiment(state, name)
    return next(overview for overview in list_overviews(state) if overview.experiment.name == name)


def list_overviews(state: State) -> list[ExperimentOverview]:
    """Return all experiments, by name."""
    places: dict[str, list[VnodeView]] = {name: [] for name in sorted(state.experiments)}
    claims = state.claims
    for vnode in state.vnodes():
        places[vnode.experiment].append(VnodeView(vnode, vnode.find_shown_state(claims.get(vnode.key))))
    found = []
    for name, own in places.items():
        experiment = state.experiments[name]
        members = {place.vnode.node for place in own}
        missing = tuple(node for node in experiment.nodes if node not in members)
        own.sort(key=lambda place: build_sort_key(place.vnode.node))
        found.append(ExperimentOverview(experiment, tuple(own), missing))
    return found
