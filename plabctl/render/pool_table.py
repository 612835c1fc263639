"""The pools: how many nodes they hold, and their rules in words.

Pure. `plabctl.views.pools` has the facts.
"""

from __future__ import annotations

from collections.abc import Iterator

from plabctl.core.backoffs.base import describe_backoff
from plabctl.core.settings import PoolSettings, Settings
from plabctl.counts import format_count
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing
from plabctl.render.styles import GLYPHS, list_pool_styles
from plabctl.views.list_head import build_list_head
from plabctl.views.node import ViewContext
from plabctl.views.pools import PoolView, list_pool_views

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


def build_listing(context: ViewContext) -> Listing:
    """Return the pools as a listing."""
    return Listing(
        plural="pools",
        rows=list_pool_views(context),
        fields=FIELDS,
        columns=(
            Column("POOL", _build_name_cell),
            Column("NODES", lambda pool: _build_count_cell(pool.nodes_count)),
            Column("USE", lambda pool: Cell(f"{pool.used_ratio:.0%}"), rank=1),
            Column("SHARE", lambda pool: Cell(f"{pool.share_ratio:.0%}"), rank=1),
            Column("OLDEST WAIT", lambda pool: Cell(_format_wait(pool)), rank=1),
            Column("TESTING", lambda pool: _build_count_cell(pool.testing_count), rank=2),
            Column("DUE", lambda pool: _build_count_cell(pool.due_count), rank=3),
            Column("HELD", lambda pool: _build_count_cell(pool.held_count), rank=5),
            Column("SUSPECT", lambda pool: _build_count_cell(pool.suspect_count), rank=4),
            Column("RECIPE", lambda pool: Cell(pool.recipe), rank=6),
            Column("BACK-OFF", lambda pool: Cell(pool.backoff), rank=7, flexible=True),
        ),
        head=build_list_head(context),
    )


def _build_name_cell(pool: PoolView) -> Cell:
    style = pool.kind if pool.kind in GLYPHS else ""
    return Cell(f"{GLYPHS[style]} {pool.name}", style)


def _build_count_cell(count: int | None) -> Cell:
    return Cell("" if count is None else str(count))


def _format_wait(pool: PoolView) -> str:
    return format_duration(int(pool.oldest_wait_seconds)) if pool.due_count else "-"


def build_pool_lines(view: PoolView, settings: Settings) -> list[tuple[str, Cell]]:
    """Return what there is to say about one pool, line by line."""
    pool = settings.pools[view.name]
    counts = ", ".join(
        f"{count} {word}"
        for count, word in (
            (view.testing_count, "being tested"),
            (view.due_count, "due now"),
            (view.held_count, "held"),
            (view.suspect_count, "suspect"),
        )
        if count
    )
    style = list_pool_styles(settings)[pool.name]
    is_disabled = pool.name in settings.disabled
    disabled = ("disabled", Cell("a plug-in cannot be used; see: plabctl config check", "bad"))
    return [
        ("pool", Cell(f"{GLYPHS[style]} {pool.name}", style)),
        *([disabled] if is_disabled else []),
        ("nodes", Cell(f"{view.nodes_count}{f' ({counts})' if counts else ''}")),
        ("test", Cell(f"recipe {pool.recipe}, unless a node has its own")),
        ("leaves", Cell(pool.kind.describe_exit(pool, settings))),
        ("back-off", Cell(describe_backoff(pool.backoff))),
        *_build_use_lines(pool, settings),
        ("window", Cell(_format_window(view))),
        ("new nodes", Cell("enter here" if settings.entry_pool == pool.name else f"enter {settings.entry_pool}")),
    ]


def _build_use_lines(pool: PoolSettings, settings: Settings) -> Iterator[tuple[str, Cell]]:
    """Yield what holds between tests, and while somebody uses a node, where that is configured."""
    if (own := pool.liveness) and own.between:
        rule = ""
        if pool.is_good and own.silences and pool.kind.has_suspects(pool):
            rule = f", a suspect when silent {format_count(own.silences, 'time')} in a row"
        yield "checks", Cell(f"{format_count(own.between, 'login')} between two tests, recipe {own.recipe}{rule}")
    if settings.occupancies:
        spared = "spared" if pool.busy == "spare" else "tested like all others"
        at_release = {"check": "a login at once", "test": "not usable until a test has passed", "none": "nothing more"}
        yield "busy", Cell(f"nodes in use are {spared}; at the release: {at_release[pool.at_release]}")


def _format_window(pool: PoolView) -> str:
    wait = f"; the oldest that is due has waited for {_format_wait(pool)}" if pool.due_count else ""
    return f"{pool.used_ratio:.0%} of recent use, its share is {pool.share_ratio:.0%}{wait}"
