"""The steadiest nodes first, with the reasons: what `rank` shows, and what an experiment on a count of nodes takes.

Pure. `plabctl.core.ranking` does the sum.
"""

from __future__ import annotations

from collections.abc import Collection

from plabctl.core.ranking import rank
from plabctl.report.instants import iso
from plabctl.report.listing import Cell, Column, Listing, Row, plain
from plabctl.report.status import Situation

FIELDS = ("rank", "name", "score", "good_ratio", "pool", "site", "because")
"""The columns of `rank -o tsv`: new ones are only ever added at the end."""


def listing(situation: Situation, pools: Collection[str], top: int | None) -> Listing:
    """Return the nodes of `pools`, of the good pools when none is named, the `top` steadiest or all."""
    wanted = pools or {name for name, pool in situation.settings.pools.items() if pool.is_good}
    members = [member for member in situation.state.members() if member.pool in wanted]
    ranked = rank(members, situation.settings, situation.now)
    pool_of = {member.node: member.pool for member in members}
    rows: list[Row] = []
    for place, each in enumerate(ranked[:top], 1):
        node = situation.state.node(each.node)
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
            Column("RANK", plain("rank")),
            Column("NODE", plain("name")),
            Column("SCORE", lambda row: Cell(f"{row['score']:.3f}")),
            Column("BECAUSE", plain("because"), rank=1, flexible=True),
            Column("SITE", plain("site"), rank=2),
        ),
        head={"generated_at": iso(situation.now), "rev": situation.state.rev},
        footer=_footer(len(rows), len(ranked), sorted(wanted)),
    )


def _footer(shown: int, total: int, pools: list[str]) -> str:
    where = ", ".join(pools)
    count = f"{total} node{'' if total == 1 else 's'} in {where}"
    return count if shown == total else f"the {shown} steadiest of {count}"
