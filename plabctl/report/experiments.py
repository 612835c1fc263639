"""Experiments: the list of all, and one with its members.

Pure. `vnodes` makes the rows of the members, `swaps` says what a swap-in or a swap-out did, `progress` how it goes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator

from plabctl.core.experiments.model import Experiment, VnodeState
from plabctl.core.experiments.picture import Picture, Place, pictures, show
from plabctl.report.instants import iso
from plabctl.report.listing import Cell, Column, Listing, Row, plain, text_of
from plabctl.report.status import Situation
from plabctl.report.vnodes import age, listing_of

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
_STYLES = {"ready": "good", "incomplete": "testing", "leaving": "faint"}
_GLYPHS = {"ready": "✓", "incomplete": "»", "leaving": "·"}


def experiment_row(picture: Picture) -> Row:
    """Return one experiment for programs, without its members."""
    experiment, counts = picture.experiment, picture.counts
    row: dict[str, object] = {
        "name": experiment.name,
        "state": state_of(picture),
        "wanted_count": picture.wanted_count,
        **{f"{state.value.replace('-', '_')}_count": counts.get(state.value, 0) for state in VnodeState},
        "recipe": experiment.recipe,
        "actor": experiment.actor,
        "since_at": iso(experiment.since_at),
        "wants": _wants_row(experiment),
    }
    if experiment.hook:
        row["hook"] = list(experiment.hook)
    if picture.missing:
        row["missing"] = list(picture.missing)
    for key, at in (("ready_at", experiment.ready_at), ("leaving_at", experiment.leaving_at)):
        if at is not None:
            row[key] = iso(at)
    return row


def state_of(picture: Picture) -> str:
    """Return `ready` when all that is wanted is up, `leaving` when it was swapped out, else `incomplete`."""
    if picture.experiment.leaving_at is not None:
        return "leaving"
    return "ready" if picture.experiment.ready_at is not None and not picture.not_up else "incomplete"


def _wants_row(experiment: Experiment) -> Row:
    if experiment.is_everywhere:
        return {"all_nodes": True, "match": dict(experiment.match)}
    if not experiment.count:
        return {"nodes": list(experiment.nodes)}
    spread = {"spread": experiment.spread} if experiment.spread else {}
    return {"count": experiment.count, "at_most": experiment.at_most, **spread}


def listing(situation: Situation) -> Listing:
    """Return all experiments as a listing."""
    state, now = situation.state, situation.now
    found = pictures(state)
    wishes = {picture.experiment.name: wish_words(picture.experiment) for picture in found}
    return Listing(
        plural="experiments",
        rows=[experiment_row(picture) for picture in found],
        fields=FIELDS,
        columns=(
            Column("STATE", _state_cell),
            Column("EXPERIMENT", plain("name")),
            Column("UP", lambda row: Cell(f"{row['up_count']} of {row['wanted_count']}")),
            Column("OTHERS", lambda row: Cell(_others(row)), rank=2),
            Column("WANTED ON", lambda row: Cell(wishes[text_of(row, "name")]), rank=3, flexible=True),
            Column("RECIPE", plain("recipe"), rank=5),
            Column("FOR", lambda row: Cell(age(row, "since_at", now)), rank=4),
            Column("BY", plain("actor"), rank=6),
        ),
        head={"generated_at": iso(now), "rev": state.rev},
        footer="" if found else "no experiments: plabctl experiment swapin NAME",
    )


def _state_cell(row: Row) -> Cell:
    state = text_of(row, "state")
    return Cell(f"{_GLYPHS[state]} {state}", _STYLES[state])


def _others(row: Row) -> str:
    counts = {state.value: row[f"{state.value.replace('-', '_')}_count"] for state in VnodeState}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count and state != VnodeState.UP)


def story(situation: Situation, name: str) -> Listing:
    """Return one experiment with its members as a listing; raise NoSuchExperiment."""
    picture = show(situation.state, name)
    return members(picture, picture.places, situation.now)


def remaining(name: str, picture: Picture | None, now: float, *, is_whole: bool) -> Listing:
    """Return the members that are not as they are wanted, with `is_whole` all; for an experiment that is gone, none."""
    if picture is None:
        return listing_of(
            (), now, head={"generated_at": iso(now), "experiment": gone_row(name)}, footer=f"{name}: gone"
        )
    is_leaving = picture.experiment.leaving_at is not None
    return members(picture, picture.places if is_whole or is_leaving else picture.not_up, now)


def gone_row(name: str) -> Row:
    """Return an experiment that there is no more."""
    return {"name": name, "state": "gone"}


def members(picture: Picture, places: Iterable[Place], now: float) -> Listing:
    """Return one experiment with these of its members as a listing."""
    return listing_of(
        places,
        now,
        head={"generated_at": iso(now), "experiment": experiment_row(picture)},
        footer="\n".join(told(picture, now)),
    )


def told(picture: Picture, now: float) -> Iterator[str]:
    """Yield what is to be said about the experiment as a whole, line by line."""
    experiment = picture.experiment
    row = experiment_row(picture)
    since = f"swapped in {age(row, 'since_at', now)} ago by {experiment.actor}"
    parts = [standing(picture), f"recipe {experiment.recipe}", since]
    yield f"{experiment.name}: {' · '.join(parts)}"
    if experiment.leaving_at is not None:
        yield f"swapped out {age(row, 'leaving_at', now)} ago: torn down as soon as each node answers"
    elif not experiment.nodes:
        yield f"wanted on {wish_words(experiment)}"
    if picture.missing and experiment.leaving_at is None:
        yield f"removed, so without a vnode: {', '.join(picture.missing)}"
    if experiment.hook:
        yield f"told to: {shlex.join(experiment.hook)}"


def standing(picture: Picture) -> str:
    """Return how far it is, such as `3 of 5 up, 1 setting-up, 1 failed`."""
    row = experiment_row(picture)
    others = _others(row)
    if picture.experiment.leaving_at is not None:
        return others or "nothing left"
    most = "at most " if picture.experiment.at_most else ""
    return f"{row['up_count']} of {most}{row['wanted_count']} up{f', {others}' if others else ''}"


def wish_words(experiment: Experiment) -> str:
    """Return what it wants, in words."""
    if experiment.is_everywhere:
        labels = " and ".join(f"{label}={value}" for label, value in experiment.match.items())
        return f"all nodes{f' with {labels}' if labels else ''}"
    count = experiment.count or len(experiment.nodes)
    some = f"{count} node{'' if count == 1 else 's'}"
    if not experiment.count:
        return some
    spread = f", spread over {experiment.spread}" if experiment.spread else ""
    return f"{'at most ' if experiment.at_most else ''}{some}{spread}"


def changes_only(tell: Callable[[Picture], None]) -> Callable[[Picture], None]:
    """Return a teller that passes over an experiment that looks like the last."""
    last: list[Row] = []

    def once(picture: Picture) -> None:
        if [row := experiment_row(picture)] != last:
            last[:] = [row]
            tell(picture)

    return once
