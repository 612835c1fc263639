"""The pools: how many nodes they hold, and their rules in words.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from plabctl.core import fairness
from plabctl.core.backoffs.base import describe_backoff
from plabctl.core.settings import PoolSettings, Settings
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing, Row, get_text, make_plain_cell
from plabctl.render.styles import GLYPHS, list_pool_styles
from plabctl.render.times import format_iso
from plabctl.views.experiments import ExperimentOverview, list_overviews
from plabctl.views.node import ViewContext

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


def build_pool_rows(context: ViewContext) -> list[Row]:
    """Return the row of each pool, in the order of the configuration, then those of the experiments."""
    now, state = context.now, context.state
    counts = {name: dict.fromkeys(("nodes", "testing", "due", "held", "suspect"), 0) for name in context.settings.pools}
    for member in state.members():
        if member.pool in counts:
            own = counts[member.pool]
            testing = member.node in state.claims
            own["nodes"] += 1
            own["testing"] += testing
            own["due"] += member.due_at <= now and not testing
            own["held"] += member.is_held(now)
            own["suspect"] += member.is_suspect
    uses = {use.name: use for use in fairness.list_uses(state, context.settings, now)}
    rows = [
        {**_build_row(pool, counts[name]), **_build_use_row(uses[name])}
        for name, pool in context.settings.pools.items()
    ]
    found = list_overviews(state) if state.experiments else []
    return [*rows, *(_build_experiment_row(overview, uses[overview.experiment.name], context) for overview in found)]


def _build_row(pool: PoolSettings, counts: dict[str, int]) -> Row:
    return {
        "name": pool.name,
        "kind": pool.kind.name,
        **{f"{what}_count": count for what, count in counts.items()},
        "recipe": pool.recipe,
        "goes_to": pool.goes_to,
        "backoff": describe_backoff(pool.backoff),
    }


def _build_experiment_row(overview: ExperimentOverview, use: fairness.PoolUse, context: ViewContext) -> Row:
    claims = context.state.claims
    return {
        "name": use.name,
        "kind": "experiment",
        "nodes_count": len(overview.vnode_views),
        "testing_count": sum(place.vnode.key in claims for place in overview.vnode_views),
        "due_count": use.due_count,
        "recipe": overview.experiment.recipe,
        "backoff": describe_backoff(context.settings.experiment.retry),
        **_build_use_row(use),
    }


def _build_use_row(use: fairness.PoolUse) -> Row:
    return {
        "weight": use.weight,
        "reserve_ratio": use.reserve_ratio,
        "in_use_count": use.held_count,
        "used_ratio": round(use.used_ratio, 3),
        "share_ratio": round(use.share_ratio, 3),
        "oldest_wait_seconds": round(use.oldest_wait_s, 3),
    }


def build_listing(context: ViewContext) -> Listing:
    """Return the pools as a listing."""
    return Listing(
        plural="pools",
        rows=build_pool_rows(context),
        fields=FIELDS,
        columns=(
            Column("POOL", _build_name_cell),
            Column("NODES", make_plain_cell("nodes_count")),
            Column("USE", _make_percent_cell("used_ratio"), rank=1),
            Column("SHARE", _make_percent_cell("share_ratio"), rank=1),
            Column("OLDEST WAIT", lambda row: Cell(_format_wait(row)), rank=1),
            Column("TESTING", make_plain_cell("testing_count"), rank=2),
            Column("DUE", make_plain_cell("due_count"), rank=3),
            Column("HELD", make_plain_cell("held_count"), rank=5),
            Column("SUSPECT", make_plain_cell("suspect_count"), rank=4),
            Column("RECIPE", make_plain_cell("recipe"), rank=6),
            Column("BACK-OFF", make_plain_cell("backoff"), rank=7, flexible=True),
        ),
        head={"generated_at": format_iso(context.now), "rev": context.state.rev},
    )


def _build_name_cell(row: Row) -> Cell:
    kind = get_text(row, "kind")
    style = kind if kind in GLYPHS else ""
    return Cell(f"{GLYPHS[style]} {row['name']}", style)


def _make_percent_cell(key: str) -> Callable[[Row], Cell]:
    return lambda row: Cell(f"{row[key]:.0%}")


def _format_wait(row: Row) -> str:
    return format_duration(float(int(float(str(row["oldest_wait_seconds"]))))) if row["due_count"] else "-"


def build_pool_lines(row: Row, settings: Settings) -> list[tuple[str, Cell]]:
    """Return what there is to say about one pool, line by line."""
    pool = settings.pools[get_text(row, "name")]
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
    style = list_pool_styles(settings)[pool.name]
    is_disabled = pool.name in settings.disabled
    disabled = ("disabled", Cell("a plug-in cannot be used; see: plabctl config check", "bad"))
    return [
        ("pool", Cell(f"{GLYPHS[style]} {pool.name}", style)),
        *([disabled] if is_disabled else []),
        ("nodes", Cell(f"{row['nodes_count']}{f' ({counts})' if counts else ''}")),
        ("test", Cell(f"recipe {pool.recipe}, unless a node has its own")),
        ("leaves", Cell(pool.kind.describe_exit(pool, settings))),
        ("back-off", Cell(describe_backoff(pool.backoff))),
        ("window", Cell(_format_window(row))),
        ("new nodes", Cell("enter here" if settings.entry_pool == pool.name else f"enter {settings.entry_pool}")),
    ]


def _format_window(row: Row) -> str:
    wait = f"; the oldest that is due waits for {_format_wait(row)}" if row["due_count"] else ""
    return f"{row['used_ratio']:.0%} of recent use, its share is {row['share_ratio']:.0%}{wait}"
