"""The steadiest nodes first, with the reasons.

Pure. `plabctl.core.steadiness` does the sum.
Tests: `tests/cli/test_reading_commands.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one.
from collections.abc import Collection, Iterable
from typing import NamedTuple

from plabctl.core.steadiness import rank_nodes
from plabctl.core.usable import is_usable
from plabctl.values import dataclass
from plabctl.views.node import ViewContext


class RankedNodeView(NamedTuple):
    """One node with its place; the best is 1."""

    rank: int
    name: str
    score: float
    good_ratio: float
    pool: str
    site: str | None
    because: str
    reasons: tuple[str, ...]
    busy_by: str | None
    """Who uses it, in words; None also where nobody says."""
    busy_since_at: float | None
    """Since when somebody uses it."""
    monitor: str | None = None
    """Which monitor tests it; only where several are ranked together."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The nodes that were asked for, how many there are to rank, and of which pools they are."""

    nodes: tuple[RankedNodeView, ...]
    total_count: int
    pools: tuple[str, ...]
    early_s: float | None = None
    """For how long the oldest of the nodes has been known, where that is too short for a ranking."""


_EARLY_S = 86400.0


def rank_pools(context: ViewContext, pools: Collection[str], top: int | None) -> Ranking:
    """Return the nodes of `pools`, the usable ones when none is named, the `top` steadiest or all."""
    wanted = pools or context.settings.good_pools
    members = [
        member
        for member in context.state.members()
        if (member.pool in pools if pools else is_usable(member, context.now, wanted))
    ]
    ranked = rank_nodes(members, context.settings, context.now)
    pool_of = {member.node: member.pool for member in members}
    busy = context.busy
    views = []
    for place, each in enumerate(ranked[:top], 1):
        node = context.state.node(each.node)
        site = node.site if node else None
        because = ", ".join(each.reasons)
        pool = pool_of[each.node]
        use = busy.get(each.node)
        by, since_at = (use.by or None, use.since_at) if use else (None, None)
        facts = (place, each.node, each.score, each.good_ratio, pool, site, because, tuple(each.reasons))
        views.append(RankedNodeView(*facts, by, since_at))
    return Ranking(tuple(views), len(ranked), tuple(sorted(wanted)), _find_early(context, pool_of))


def _find_early(context: ViewContext, names: Iterable[str]) -> float | None:
    """Return for how long the oldest of these nodes has been known, if that is less than a day."""
    added = [node.added_at for name in names if (node := context.state.node(name))]
    known_s = max(0.0, context.now - min(added, default=0.0))
    return known_s if known_s < _EARLY_S else None
