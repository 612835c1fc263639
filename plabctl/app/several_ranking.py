"""Rank the nodes of several monitors together.

I/O, through `plabctl.app.monitors`. How steady nodes are stands in the status of a page; of a configuration on this
machine it is worked out; no other status says it.
Tests: `tests/cli/test_rank_from.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from plabctl.app.monitors import Monitors
from plabctl.app.status_source import ToldStatus
from plabctl.core.names import build_sort_key
from plabctl.core.selection import build_unknown_pool_error
from plabctl.core.steadiness import describe_steadiness
from plabctl.errors import StoreError
from plabctl.views.list_head import ListHead
from plabctl.views.node import NodeView, ViewContext
from plabctl.views.ranking import RankedNodeView, Ranking


class SeveralRanking(NamedTuple):
    """The nodes of all monitors in one order."""

    head: ListHead
    ranking: Ranking
    notes: Sequence[str]
    """What is wrong with monitors, a line each."""
    is_partial: bool
    """Whether the nodes of one are missing."""


def rank_several(words: Sequence[str], pools: Collection[str], top: int | None) -> SeveralRanking:
    """Return the nodes of `pools`, the usable ones when none is named, the `top` steadiest or all.

    Raise NoSuchPool, and StoreError when no source can be read, or when none says how steady its nodes are.
    """
    with closing(Monitors(words)) as monitors:
        survey = monitors.survey(_says_steadiness)
        contexts = [context for _, context in monitors.list_contexts(survey)]
        now = monitors.now
    for pool in pools:
        if pool not in survey.totals.pools:
            raise build_unknown_pool_error(pool, survey.totals.pools)
    notes = [*survey.list_notes(), *monitors.lost]
    for is_told, each in zip(survey.kept, (each for each in survey.monitors if each.head is not None), strict=True):
        if not is_told:
            notes.append(f"{each.name}: its status does not say how steady nodes were: name its page")
    if not any(survey.kept):
        raise StoreError("\n".join(notes), hint="the status.json of a page says it")
    found = [view for context in contexts for view in _list_ranked(context, pools)]
    found.sort(key=lambda view: (-_score(view), build_sort_key(view.name)))
    rows = tuple(_build_row(place, view, now) for place, view in enumerate(found[:top], 1))
    wanted = tuple(sorted(pools or survey.head.good_pools))
    is_partial = not survey.are_all_read or bool(monitors.lost) or not all(survey.kept)
    return SeveralRanking(ListHead(now, survey.head.rev), Ranking(rows, len(found), wanted), notes, is_partial)


def _says_steadiness(_: ViewContext, told: ToldStatus) -> bool:
    """Return whether the monitor says how steady its nodes are, if it has any."""
    return not told.views or any(view.steadiness_ratio is not None for view in told.views)


def _list_ranked(context: ViewContext, pools: Collection[str]) -> Iterator[NodeView]:
    for view in (context.views or {}).values():
        is_wanted = view.pool in pools if pools else view.is_usable
        if is_wanted and view.steadiness_ratio is not None:
            yield view


def _score(view: NodeView) -> float:
    return (view.steadiness_ratio or 0.0) / (1.0 + view.penalty)


def _build_row(place: int, view: NodeView, now: float) -> RankedNodeView:
    ratio = view.steadiness_ratio or 0.0
    reasons = tuple(
        describe_steadiness(ratio, view.pool, now - view.since_at, view.penalty, is_suspect=view.is_suspect)
    )
    facts = (place, view.name, _score(view), ratio, view.pool, view.site, ", ".join(reasons), reasons)
    return RankedNodeView(*facts, view.busy_by, view.busy_since_at, view.monitor)
