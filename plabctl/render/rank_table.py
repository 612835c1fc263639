"""The steadiest nodes first, with the reasons: what `rank` shows, and what an experiment on a count of nodes takes.

Pure. `plabctl.core.steadiness` does the sum.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Collection

from plabctl.core.steadiness import rank_nodes
from plabctl.core.usable import explain_unusable
from plabctl.render.listing import Cell, Column, Listing, Row, make_plain_cell
from plabctl.render.times import format_iso
from plabctl.views.node import ViewContext

FIELDS = ("rank", "name", "score", "good_ratio", "pool", "site", "because")
"""The columns of `rank -o tsv`: new ones are only ever added at the end."""


def build_listing(context: ViewContext, pools: Collection[str], top: int | None) -> Listing:
    """Return the nodes of `pools`, the usable ones when none is named, the `top` steadiest or all."""
    wanted = pools or context.settings.good_pools
    members = [
        member
        for member in context.state.members()
        if member.pool in wanted and (pools or explain_unusable(member, context.now, is_in_good=True) is None)
    ]
    ranked = rank_nodes(members, context.settings, context.now)
    pool_of = {member.node: member.pool for member in members}
    rows: list[Row] = []
    for place, each in enumerate(ranked[:top], 1):
        node = context.state.node(each.node)
        rows.append(
            {
                "rank": place,
                "name": each.node,
                "score": round(each.score, 3),
                "good_ratio": round(each.good_ratio, 3),
                "pool": pool_of[each.node],
                **({"site": node.site} if node and node.site is not None else {}),
                "because": ", ".join(each.reasons),
                "reasons": list(each.reasons),
            }
        )
    return Listing(
        plural="nodes",
        rows=rows,
        fields=FIELDS,
        columns=(
            Column("RANK", make_plain_cell("rank")),
            Column("NODE", make_plain_cell("name")),
            Column("SCORE", lambda row: Cell(f"{row['score']:.3f}")),
            Column("BECAUSE", make_plain_cell("because"), rank=1, flexible=True),
            Column("SITE", make_plain_cell("site"), rank=2),
        ),
        head={"generated_at": format_iso(context.now), "rev": context.state.rev},
        footer=_format_footer(len(rows), len(ranked), sorted(wanted)),
    )


def _format_footer(shown: int, total: int, pools: list[str]) -> str:
    where = ", ".join(pools)
    count = f"{total} node{'' if total == 1 else 's'} in {where}"
    return count if shown == total else f"the {shown} steadiest of {count}"
