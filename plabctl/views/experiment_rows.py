"""Experiments and their members as lists have them, and programs: one flat row each.

Pure. `plabctl.views.experiments` has what they are made of.
Tests: `tests/render/test_experiment_tables.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one.
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from plabctl.core.experiments.model import Experiment, VnodeState
from plabctl.core.model import Verdict
from plabctl.values import dataclass
from plabctl.views.experiments import ExperimentOverview, VnodeView


class VnodeRow(NamedTuple):
    """A member of an experiment. None is unknown, or does not apply."""

    experiment: str
    node: str
    state: VnodeState
    vnode: str | None
    """Its name on the node; None as long as there is nothing on the node."""
    since_at: float
    due_at: float
    tries: int
    ok_streak: int
    fail_streak: int
    last: Verdict | None
    up_at: float | None
    node_removed_at: float | None
    early_deaths: int | None
    """How often in a row it was found dead by the first look after it had been set up; None for never."""


def make_vnode_row(place: VnodeView) -> VnodeRow:
    """Return the row of one member."""
    vnode = place.vnode
    return VnodeRow(
        experiment=vnode.experiment,
        node=vnode.node,
        state=place.state,
        vnode=vnode.vnode or None,
        since_at=vnode.since_at,
        due_at=vnode.due_at,
        tries=vnode.tries,
        ok_streak=vnode.ok_streak,
        fail_streak=vnode.fail_streak,
        last=vnode.last,
        up_at=vnode.up_at,
        node_removed_at=vnode.gone_at,
        early_deaths=vnode.early_deaths or None,
    )


class ExperimentState(StrEnum):
    """How far an experiment is."""

    READY = "ready"
    """All that is wanted is up."""
    INCOMPLETE = "incomplete"
    LEAVING = "leaving"
    """It was swapped out."""
    GONE = "gone"
    """Nothing is left of it."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What an experiment wants: vnodes on these nodes, on so many, or on all that match. The others are None."""

    nodes: tuple[str, ...] | None = None
    count: int | None = None
    at_most: bool | None = None
    spread: str | None = None
    all_nodes: bool | None = None
    match: Mapping[str, str] | None = None


class ExperimentRow(NamedTuple):
    """An experiment without its members. None is unknown, or does not apply."""

    name: str
    state: ExperimentState
    wanted_count: int
    up_count: int
    setting_up_count: int
    pending_count: int
    failed_count: int
    leaving_count: int
    recipe: str
    actor: str
    since_at: float
    wants: Wants
    hook: tuple[str, ...] | None
    """The command that is told what happens to it."""
    missing: tuple[str, ...] | None
    """Nodes that it wants and that were removed."""
    ready_at: float | None
    leaving_at: float | None


class GoneExperiment(NamedTuple):
    """An experiment of which nothing is left."""

    name: str
    state: ExperimentState = ExperimentState.GONE


class ExperimentHead(NamedTuple):
    """What stands beside the members of an experiment."""

    generated_at: float
    experiment: ExperimentRow | GoneExperiment


def make_experiment_row(overview: ExperimentOverview) -> ExperimentRow:
    """Return the row of one experiment."""
    experiment, counts = overview.experiment, overview.counts
    return ExperimentRow(
        name=experiment.name,
        state=find_experiment_state(overview),
        wanted_count=overview.wanted_count,
        up_count=counts.get(VnodeState.UP, 0),
        setting_up_count=counts.get(VnodeState.SETTING_UP, 0),
        pending_count=counts.get(VnodeState.PENDING, 0),
        failed_count=counts.get(VnodeState.FAILED, 0),
        leaving_count=counts.get(VnodeState.LEAVING, 0),
        recipe=experiment.recipe,
        actor=experiment.actor,
        since_at=experiment.since_at,
        wants=_find_wants(experiment),
        hook=experiment.hook or None,
        missing=overview.missing or None,
        ready_at=experiment.ready_at,
        leaving_at=experiment.leaving_at,
    )


def find_experiment_state(overview: ExperimentOverview) -> ExperimentState:
    """Return how far the experiment is."""
    if overview.experiment.leaving_at is not None:
        return ExperimentState.LEAVING
    is_ready = overview.experiment.ready_at is not None and not overview.not_up
    return ExperimentState.READY if is_ready else ExperimentState.INCOMPLETE


def _find_wants(experiment: Experiment) -> Wants:
    if experiment.is_everywhere:
        return Wants(all_nodes=True, match=experiment.match)
    if not experiment.count:
        return Wants(nodes=experiment.nodes)
    return Wants(count=experiment.count, at_most=experiment.at_most, spread=experiment.spread or None)
