"""Experiments as they are shown: each with all its members, and what runs for them taken into account.

Pure.
"""

from __future__ import annotations

from collections import Counter

from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.experiments.orders import the_experiment
from plabctl.core.state import State
from plabctl.values import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A member as it is shown: its vnode, and the state with what runs for it taken into account."""

    vnode: Vnode
    state: VnodeState


@dataclass(frozen=True, slots=True)
class Picture:
    """An experiment with all its members, by node."""

    experiment: Experiment
    places: tuple[Place, ...]
    missing: tuple[str, ...] = ()
    """Nodes that it wants and that are no members, because they were removed."""

    @property
    def counts(self) -> dict[str, int]:
        """How many members are in each state; states that none is in are left out."""
        found = Counter(place.state.value for place in self.places)
        return {state.value: found[state.value] for state in VnodeState if found[state.value]}

    @property
    def wanted_count(self) -> int:
        """How many vnodes are wanted now."""
        experiment = self.experiment
        if experiment.leaving_at is not None:
            return 0
        return experiment.count or len(experiment.nodes) or sum(p.state is not VnodeState.LEAVING for p in self.places)

    @property
    def not_up(self) -> tuple[Place, ...]:
        """The members that should be up and are not."""
        return tuple(place for place in self.places if place.state not in {VnodeState.UP, VnodeState.LEAVING})


def places_on(state: State, node: str) -> tuple[Place, ...]:
    """Return the places of the node in experiments, by experiment."""
    claims = state.claims
    own = sorted((vnode for vnode in state.vnodes() if vnode.node == node), key=lambda vnode: vnode.experiment)
    return tuple(Place(vnode, vnode.shown(claims.get(vnode.key))) for vnode in own)


def find(state: State, name: str) -> Picture | None:
    """Return the experiment of that name; None when there is none."""
    return next((picture for picture in pictures(state) if picture.experiment.name == name), None)


def show(state: State, name: str) -> Picture:
    """Return the experiment of that name; raise NoSuchExperiment."""
    the_experiment(state, name)
    return next(picture for picture in pictures(state) if picture.experiment.name == name)


def pictures(state: State) -> list[Picture]:
    """Return all experiments, by name."""
    places: dict[str, list[Place]] = {name: [] for name in sorted(state.experiments)}
    claims = state.claims
    for vnode in state.vnodes():
        places[vnode.experiment].append(Place(vnode, vnode.shown(claims.get(vnode.key))))
    found = []
    for name, own in places.items():
        experiment = state.experiments[name]
        members = {place.vnode.node for place in own}
        missing = tuple(node for node in experiment.nodes if node not in members)
        found.append(Picture(experiment, tuple(sorted(own, key=lambda place: place.vnode.node)), missing))
    return found
