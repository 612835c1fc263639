"""The steadiest nodes as rows and columns: what `rank` shows.

Pure. `plabctl.views.ranking` chooses and ranks them.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from plabctl.counts import format_count
from plabctl.durations import format_duration
from plabctl.render.listing import Cell, Column, Listing
from plabctl.views.list_head import ListHead, build_list_head
from plabctl.views.node import ViewContext
from plabctl.views.ranking import RankedNodeView, Ranking, rank_pools

FIELDS = ("rank", "name", "score", "good_ratio", "pool", "site", "because", "busy_by", "busy_since_at", "monitor")
"""The columns of `rank -o tsv`: new ones are only ever added at the end."""


def build_listing(context: ViewContext, pools: Collection[str], top: int | None) -> Listing:
    """Return the nodes of `pools`, the usable ones when none is named, the `top` steadiest or all."""
    return build_ranking_listing(rank_pools(context, pools, top), build_list_head(context))


def build_ranking_listing(ranking: Ranking, head: ListHead, notes: Sequence[str] = ()) -> Listing:
    """Return a ranking, with what is wrong with its monitors above."""
    return Listing(
        plural="nodes",
        rows=ranking.nodes,
        fields=FIELDS,
        columns=(
            Column("RANK", lambda node: Cell(str(node.rank))),
            Column("NODE", lambda node: Cell(node.name), is_name=True),
            Column("MONITOR", lambda node: Cell(node.monitor or "")),
            Column("SCORE", lambda node: Cell(f"{node.score:.3f}")),
            Column("BECAUSE", lambda node: Cell(node.because), rank=1, flexible=True),
            Column("BUSY", _build_busy_cell, rank=3),
            Column("SITE", lambda node: Cell(node.site or ""), rank=2),
        ),
        head=head,
        warnings=(*notes, *_format_warnings(ranking)),
        footer=_format_footer(ranking),
    )


def _build_busy_cell(node: RankedNodeView) -> Cell:
    return Cell("" if node.busy_since_at is None else node.busy_by or "yes")


def _format_warnings(ranking: Ranking) -> tuple[str, ...]:
    if ranking.early_s is None:
        return ()
    known = format_duration(int(ranking.early_s))
    return (f"too early to rank: these nodes have been known for {known} at most, and the score looks back for weeks",)


def _format_footer(ranking: Ranking) -> str:
    total = ranking.total_count
    count = f"{format_count(total, 'node')} in {', '.join(ranking.pools)}"
    shown = len(ranking.nodes)
    return count if shown == total else f"the {shown} steadiest of {count}"
