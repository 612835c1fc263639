"""What is said when an experiment is swapped in or out: what that did, and how to undo it.

Pure. `experiment_tables` shows the state of one.
Tests: `tests/cli/test_experiment.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from plabctl.core.experiments.model import Experiment, Vnode
from plabctl.counts import format_count
from plabctl.render.experiment_tables import format_progress, format_wanted
from plabctl.views.experiments import ExperimentOverview

_NODES_SHOWN = 20


def describe_swap_in(wanted: Experiment, overview: ExperimentOverview | None) -> str:
    """Return what is said when an experiment was swapped in."""
    if overview is None:
        return f"{wanted.name}: swapped in"
    joined = f"{format_count(len(overview.vnode_views), 'vnode')} to set up by recipe {overview.experiment.recipe}"
    return f"{wanted.name}: {joined}, wanted on {format_wanted(wanted)}"


def describe_swap_out(name: str, overview: ExperimentOverview | None) -> str:
    """Return what is said when an experiment was swapped out; `overview` is what is left of it."""
    if overview is None:
        return f"{name}: gone, there was nothing to tear down"
    return f"{name}: leaving, {format_count(len(overview.vnode_views), 'vnode')} to tear down"


def describe_forgotten(name: str, left: Iterable[Vnode]) -> Iterator[str]:
    """Yield what is said when an experiment was forgotten: it, and each vnode that may be left."""
    yield f"{name}: forgotten"
    for vnode in left:
        yield f"{vnode.node}: vnode {vnode.vnode} may be left there"


def describe_ended(name: str, overview: ExperimentOverview | None) -> str:
    """Return what is said when somebody waited and all is as it was wanted."""
    return f"{name}: {format_progress(overview) if overview else 'gone'}"


def describe_overtaken(name: str, overview: ExperimentOverview | None) -> str:
    """Return what is said when somebody else has swapped the experiment out meanwhile; empty when nobody has."""
    is_out = overview is None or overview.experiment.leaving_at is not None
    return f"{name}: swapped out meanwhile" if is_out else ""


def build_swap_out_command(experiment: Experiment) -> str:
    """Return the command line that swaps the experiment out."""
    return shlex.join(["plabctl", "experiment", "swapout", experiment.name])


def build_undo(was: Experiment | None, overview: ExperimentOverview | None) -> str:
    """Return how to swap an experiment that `was` in again, and when that can be."""
    command = build_swap_in_command(was) if was else ""
    return f"undo: {command}" if overview is None else f"undo, once it is gone: {command}"


def build_swap_in_command(experiment: Experiment) -> str:
    """Return the command line that swaps the experiment in again."""
    words = ["plabctl", "experiment", "swapin", experiment.name]
    if experiment.is_everywhere:
        words += ["--all-nodes", *(f"--match={label}={value}" for label, value in experiment.match.items())]
    elif experiment.count:
        words += ["--count", str(experiment.count), *(["--at-most"] if experiment.at_most else [])]
        words += ["--spread", experiment.spread] if experiment.spread else []
    else:
        count = len(experiment.nodes)
        words += ["--nodes", ",".join(experiment.nodes) if count <= _NODES_SHOWN else f"NODES (the {count} it had)"]
    words += ["--recipe", experiment.recipe]
    return shlex.join([*words, *(["--hook", shlex.join(experiment.hook)] if experiment.hook else [])])
