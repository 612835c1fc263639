"""Experiments: the list of all, and one with its members.

Pure. `vnode_table` has the members, `swap_messages` what a swap-in or a swap-out did, `progress` how it goes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator

from plabctl.core.experiments.model import Experiment, VnodeState
from plabctl.counts import format_count
from plabctl.render.listing import Cell, Column, Listing
from plabctl.render.styles import mark
from plabctl.render.times import format_age
from plabctl.render.vnode_table import build_vnode_listing
from plabctl.views.experiment_rows import (
    ExperimentHead,
    ExperimentRow,
    ExperimentState,
    GoneExperiment,
    find_experiment_state,
    make_experiment_row,
)
from plabctl.views.experiments import ExperimentOverview, VnodeView, list_overviews, read_overview
from plabctl.views.list_head import build_list_head
from plabctl.views.node import ViewContext

FIELDS = (
    "name",
    "state",
    "wanted_count",
    "up_count",
    "setting_up_count",
    "pending_count",
    "failed_count",
    "leaving_count",
    "recipe",
    "actor",
    "since_at",
    "ready_at",
    "leaving_at",
)
"""The columns of `experiment list -o tsv`: new ones are only ever added at the end."""
_STYLES = {
    ExperimentState.READY: "good",
    ExperimentState.INCOMPLETE: "testing",
    ExperimentState.LEAVING: "faint",
}


def build_listing(context: ViewContext) -> Listing:
    """Return all experiments as a listing."""
    state, now = context.state, context.now
    found = list_overviews(state)
    return Listing(
        plural="experiments",
        rows=found,
        encode=make_experiment_row,
        fields=FIELDS,
        columns=(
            Column("STATE", _build_state_cell),
            Column("EXPERIMENT", lambda overview: Cell(overview.experiment.name)),
            Column("UP", lambda overview: Cell(f"{overview.up_count} of {overview.wanted_count}")),
            Column("OTHERS", lambda overview: Cell(_format_others(overview)), rank=2),
            Column("WANTED ON", lambda overview: Cell(format_wanted(overview.experiment)), rank=3, flexible=True),
            Column("RECIPE", lambda overview: Cell(overview.experiment.recipe), rank=5),
            Column("FOR", lambda overview: Cell(format_age(overview.experiment.since_at, now)), rank=4),
            Column("BY", lambda overview: Cell(overview.experiment.actor), rank=6),
        ),
        head=build_list_head(context),
        footer="" if found else "no experiments: plabctl experiment swapin NAME",
    )


def _build_state_cell(overview: ExperimentOverview) -> Cell:
    state = find_experiment_state(overview)
    return Cell(mark(_STYLES[state], state), _STYLES[state])


def _format_others(overview: ExperimentOverview) -> str:
    return ", ".join(f"{count} {state}" for state, count in overview.counts.items() if state != VnodeState.UP)


def build_experiment_listing(context: ViewContext, name: str) -> Listing:
    """Return one experiment with its members as a listing; raise NoSuchExperiment."""
    overview = read_overview(context.state, name)
    return build_members_listing(overview, overview.vnode_views, context.now)


def build_remaining_listing(name: str, overview: ExperimentOverview | None, now: float, *, is_whole: bool) -> Listing:
    """Return the members that are not as they are wanted, with `is_whole` all; for an experiment that is gone, none."""
    if overview is None:
        return build_vnode_listing((), now, head=ExperimentHead(now, GoneExperiment(name)), footer=f"{name}: gone")
    is_leaving = overview.experiment.leaving_at is not None
    return build_members_listing(overview, overview.vnode_views if is_whole or is_leaving else overview.not_up, now)


def build_members_listing(overview: ExperimentOverview, places: Iterable[VnodeView], now: float) -> Listing:
    """Return one experiment with these of its members as a listing."""
    return build_vnode_listing(
        places,
        now,
        head=ExperimentHead(now, make_experiment_row(overview)),
        footer="\n".join(format_remarks(overview, now)),
    )


def format_remarks(overview: ExperimentOverview, now: float) -> Iterator[str]:
    """Yield what is to be said about the experiment as a whole, line by line."""
    experiment = overview.experiment
    since = f"swapped in {format_age(experiment.since_at, now)} ago by {experiment.actor}"
    parts = [format_progress(overview), f"recipe {experiment.recipe}", since]
    yield f"{experiment.name}: {' · '.join(parts)}"
    if experiment.leaving_at is not None:
        yield f"swapped out {format_age(experiment.leaving_at, now)} ago: torn down as soon as each node answers"
    elif not experiment.nodes:
        yield f"wanted on {format_wanted(experiment)}"
    if overview.missing and experiment.leaving_at is None:
        yield f"removed, so without vnode: {', '.join(overview.missing)}"
    if experiment.hook:
        yield f"told to: {shlex.join(experiment.hook)}"


def format_progress(overview: ExperimentOverview) -> str:
    """Return how far it is, such as `3 of 5 up, 1 setting-up, 1 failed`."""
    others = _format_others(overview)
    if overview.experiment.leaving_at is not None:
        return others or "nothing left"
    most = "at most " if overview.experiment.at_most else ""
    return f"{overview.up_count} of {most}{overview.wanted_count} up{f', {others}' if others else ''}"


def format_wanted(experiment: Experiment) -> str:
    """Return what it wants, in words."""
    if experiment.is_everywhere:
        labels = " and ".join(f"{label}={value}" for label, value in experiment.match.items())
        return f"all nodes{f' with {labels}' if labels else ''}"
    count = experiment.count or len(experiment.nodes)
    some = format_count(count, "node")
    if not experiment.count:
        return some
    spread = f", spread over {experiment.spread}" if experiment.spread else ""
    return f"{'at most ' if experiment.at_most else ''}{some}{spread}"


def skip_unchanged(tell: Callable[[ExperimentRow], None]) -> Callable[[ExperimentOverview], None]:
    """Return a teller that passes over an experiment that looks like the last."""
    last: list[ExperimentRow] = []

    def once(overview: ExperimentOverview) -> None:
        if [row := make_experiment_row(overview)] != last:
            last[:] = [row]
            tell(row)

    return once
