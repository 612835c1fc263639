"""The pools: how many nodes they hold, and their rules in words.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from plabctl.core import fairness
from plabctl.core.backoffs.base import describe_backoff
from plabctl.core.experiments.picture import Picture, pictures
from plabctl.core.settings import PoolSettings, Settings
from plabctl.durations import format_duration
from plabctl.report.instants import iso
from plabctl.report.listing import Cell, Column, Listing, Row, plain, text_of
from plabctl.report.status import Situation
from plabctl.report.words import GLYPHS, pool_styles

FIELDS = (
    "name",
    "kind",
    "nodes_count",
    "testing_count",
    "due_count",
    "held_count",
    "suspect_count",
    "recipe",
    "goes_to",
    "backoff",
    "weight",
    "reserve_ratio",
    "in_use_count",
    "used_ratio",
    "share_ratio",
    "oldest_wait_seconds",
)
"""The columns of `pool list -o tsv`: new ones are only ever added at the end."""


def pool_rows(situation: Situation) -> list[Row]:
    """Return the row of each pool, in the order of the configuration, then those of the experiments."""
    now, state = situation.now, situation.state
    counts = {
        name: dict.fromkeys(("nodes", "testing", "due", "held", "suspect"), 0) for name in situation.settings.pools
    }
    for member in state.members():
        if member.pool in counts:
            own = counts[member.pool]
            testing = member.node in state.claims
            own["nodes"] += 1
            own["testing"] += testing
            own["due"] += member.due_at <= now and not testing
            own["held"] += member.is_held(now)
            own["suspect"] += member.is_suspect
    uses = {use.name: use for use in fairness.uses(state, situation.settings, now)}
    rows = [{**_row(pool, counts[name]), **_use_row(uses[name])} for name, pool in situation.settings.pools.items()]
    found = pictures(state) if state.experiments else []
    return [*rows, *(_experiment_row(picture, uses[picture.experiment.name], situation) for picture in found)]


def _row(pool: PoolSettings, counts: dict[str, int]) -> Row:
    return {
        "name": pool.name,
        "kind": pool.kind.name,
        **{f"{what}_count": count for what, count in counts.items()},
        "recipe": pool.recipe,
        "goes_to": pool.goes_to,
        "backoff": describe_backoff(pool.backoff),
    }


def _experiment_row(picture: Picture, use: fairness.PoolUse, situation: Situation) -> Row:
    claims = situation.state.claims
    return {
        "name": use.name,
        "kind": "experiment",
        "nodes_count": len(picture.places),
        "testing_count": sum(place.vnode.key in claims for place in picture.places),
        "due_count": use.due_count,
        "recipe": picture.experiment.recipe,
        "backoff": describe_backoff(situation.settings.experiment.retry),
        **_use_row(use),
    }


def _use_row(use: fairness.PoolUse) -> Row:
    return {
        "weight": use.weight,
        "reserve_ratio": use.reserve_ratio,
        "in_use_count": use.held_count,
        "used_ratio": round(use.used_ratio, 3),
        "share_ratio": round(use.share_ratio, 3),
        "oldest_wait_seconds": round(use.oldest_wait_s, 3),
    }


def listing(situation: Situation) -> Listing:
    """Return the pools as a listing."""
    return Listing(
        plural="pools",
        rows=pool_rows(situation),
        fields=FIELDS,
        columns=(
            Column("POOL", _name_cell),
            Column("NODES", plain("nodes_count")),
            Column("USE", _percent("used_ratio"), rank=1),
            Column("SHARE", _percent("share_ratio"), rank=1),
            Column("OLDEST WAIT", lambda row: Cell(_wait(row)), rank=1),
            Column("TESTING", plain("testing_count"), rank=2),
            Column("DUE", plain("due_count"), rank=3),
            Column("HELD", plain("held_count"), rank=5),
            Column("SUSPECT", plain("suspect_count"), rank=4),
            Column("RECIPE", plain("recipe"), rank=6),
            Column("BACK-OFF", plain("backoff"), rank=7, flexible=True),
        ),
        head={"generated_at": iso(situation.now), "rev": situation.state.rev},
    )


def _name_cell(row: Row) -> Cell:
    kind = text_of(row, "kind")
    style = kind if kind in GLYPHS else ""
    return Cell(f"{GLYPHS[style]} {row['name']}", style)


def _percent(key: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(f"{row[key]:.0%}")


def _wait(row: Row) -> str:
    return format_duration(float(int(float(str(row["oldest_wait_seconds"]))))) if row["due_count"] else "-"


def pool_story(row: Row, settings: Settings) -> list[tuple[str, Cell]]:
    """Return what there is to say about one pool, line by line."""
    pool = settings.pools[text_of(row, "name")]
    counts = ", ".join(
        f"{row[key]} {word}"
        for key, word in (
            ("testing_count", "being tested"),
            ("due_count", "due now"),
            ("held_count", "held"),
            ("suspect_count", "suspect"),
        )
        if row[key]
    )
    style = pool_styles(settings)[pool.name]
    is_disabled = pool.name in settings.disabled
    disabled = ("disabled", Cell("a plug-in cannot be used; see: plabctl config check", "bad"))
    return [
        ("pool", Cell(f"{GLYPHS[style]} {pool.name}", style)),
        *([disabled] if is_disabled else []),
        ("nodes", Cell(f"{row['nodes_count']}{f' ({counts})' if counts else ''}")),
        ("test", Cell(f"recipe {pool.recipe}, unless a node has its own")),
        ("leaves", Cell(pool.kind.describe_exit(pool, settings))),
        ("back-off", Cell(describe_backoff(pool.backoff))),
        ("window", Cell(_window_words(row))),
        ("new nodes", Cell("enter here" if settings.entry_pool == pool.name else f"enter {settings.entry_pool}")),
    ]


def _window_words(row: Row) -> str:
    wait = f"; the oldest that is due waits for {_wait(row)}" if row["due_count"] else ""
    return f"{row['used_ratio']:.0%} of what was used of late, its share is {row['share_ratio']:.0%}{wait}"
