"""What stands on the page: the totals, what needs attention, every node, what happened lately.

Pure. `plabctl.app.write_page` collects what it is made from, `plabctl.render.html.pages` makes pages of it.
Tests: `tests/render/html/test_pages.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from plabctl.core.model import Event, Outcome
from plabctl.core.names import build_sort_key, is_pool_name
from plabctl.core.stats.runs import Run, compute_usable_ratio
from plabctl.values import dataclass
from plabctl.views.curves import Curves
from plabctl.views.node import NodeView
from plabctl.views.status import SourceView, StatusHead, Totals

DAY_S = 86400.0


class Condition(StrEnum):
    """What a node is, in one word; the order is that of `plabctl.views.page.list_attention`."""

    STUCK = "needs a person"
    BAD = "bad"
    SUSPECT = "suspect"
    FAILING = "failing"
    NEW = "not tested"
    HELD = "held"
    ABSENT = "absent"
    USABLE = "usable"


QUIET = frozenset({Condition.USABLE, Condition.HELD, Condition.ABSENT})
"""What needs no attention: nothing is wrong, or somebody knows of it."""


def find_condition(node: NodeView) -> Condition:
    """Return what the node is: a hold and an absence say more than a failure."""
    is_pinned = node.hold is not None and not node.hold.is_move
    rules = (
        (node.is_usable, Condition.USABLE),
        (node.absent_since_at is not None, Condition.ABSENT),
        (is_pinned, Condition.HELD),
        (node.stuck_since_at is not None, Condition.STUCK),
        (node.is_suspect, Condition.SUSPECT),
        (node.last is None, Condition.NEW),
        (node.passes_needed is None and node.hold is None, Condition.FAILING),
    )
    return next((condition for holds, condition in rules if holds), Condition.BAD)


@dataclass(frozen=True, slots=True)
class PageNode:
    """One node."""

    view: NodeView
    condition: Condition
    runs: Sequence[Run] = ()
    """What it was in the days that the page shows."""
    ratios: Sequence[float | None] = ()
    """The share of the time in which it was usable, for each of `PageView.spans_days`; None when nothing is known."""


@dataclass(frozen=True, slots=True)
class AttentionGroup:
    """Nodes of one site that have the same thing wrong with them."""

    condition: Condition
    cause: str
    """Why the last test failed; empty where none did."""
    site: str | None
    names: Sequence[str]
    since_at: float
    """Since when the first of them is where it is."""
    reason: str
    """What is told of most of them."""


@dataclass(frozen=True, slots=True)
class PageMonitor:
    """One of several monitors on a page."""

    source: SourceView
    address: str
    """The address of its own page; empty where that is not on the web."""
    usable_count: int


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page."""

    title: str
    head: StatusHead
    totals: Totals
    conditions: Mapping[Condition, int]
    """How many nodes there are of each."""
    attention: Sequence[AttentionGroup]
    nodes: Sequence[PageNode]
    """All of them, by site and name."""
    moves: Sequence[Event]
    """What happened lately, the newest first."""
    every_s: float
    """How old the page may become while nothing changes."""
    days: int
    """How far back it looks."""
    shown_s: float
    """How far back the pictures go: less where the history begins later."""
    curves: Curves | None = None
    """What was; None when the history cannot be read."""
    history_fault: str = ""
    """Why what the history would tell is missing."""
    monitors: Sequence[PageMonitor] = ()
    """The monitors that it is about, where these are several: then there is no past, and no page of a node."""

    @property
    def badge_pools(self) -> list[str]:
        """The pools that have a badge: what another monitor calls a pool may be taken for part of a path."""
        return [pool for pool in self.head.counts if is_pool_name(pool)]

    @property
    def generated_at(self) -> float:
        """When it was true."""
        return self.head.generated_at

    @property
    def spans_days(self) -> list[int]:
        """The spans for which shares stand there, in days up to now."""
        return list_spans(self.days)


def list_spans(days: int) -> list[int]:
    """Return for which spans shares are told, in days, when the page goes back that many."""
    return sorted({1, min(7, days), days})


def list_page_nodes(nodes: Iterable[NodeView], curves: Curves | None = None, days: int = 1) -> list[PageNode]:
    """Return these nodes by site and name; those without a site come last."""
    made = []
    for node in nodes:
        strip = curves.strips.get(node.name) if curves else None
        runs, until_at = (strip.runs, curves.until_at) if curves and strip else ((), 0.0)
        ratios = [compute_usable_ratio(runs, until_at - span * DAY_S, until_at) for span in list_spans(days)]
        made.append(PageNode(node, find_condition(node), runs, ratios))
    return sorted(made, key=_build_site_key)


def _build_site_key(node: PageNode) -> tuple[bool, list[str | int], list[str | int]]:
    site = node.view.site
    return site is None, build_sort_key(site or ""), build_sort_key(node.view.name)


def view_monitors(sources: Iterable[SourceView], nodes: Iterable[PageNode]) -> list[PageMonitor]:
    """Return what there is to say of each monitor beside its nodes."""
    every = list(sources)
    names = {each.monitor for each in every}
    usable = Counter[str]()
    for monitor, count in Counter(node.view.monitor or "" for node in nodes if node.view.is_usable).items():
        usable[_find_source(monitor, names)] += count
    return [
        PageMonitor(each, f"{each.source.rpartition('/')[0]}/" if "://" in each.source else "", usable[each.monitor])
        for each in every
    ]


def _find_source(monitor: str, names: Collection[str]) -> str:
    """Return the source that a monitor is told by: itself, or one that has several, `region` of `region/lyon`."""
    while monitor and monitor not in names:
        monitor = monitor.rpartition("/")[0]
    return monitor


def count_conditions(nodes: Iterable[PageNode]) -> dict[Condition, int]:
    """Return how many nodes there are in each condition, also where there are none."""
    counts = Counter(node.condition for node in nodes)
    return {condition: counts[condition] for condition in Condition}


def list_attention(nodes: Iterable[PageNode]) -> list[AttentionGroup]:
    """Return what needs attention: by condition, cause and site, the gravest and largest first."""
    groups: dict[tuple[Condition, str, str | None], list[NodeView]] = {}
    for node in nodes:
        if node.condition not in QUIET:
            view = node.view
            groups.setdefault((node.condition, _find_cause(view), view.site), []).append(view)
    made = [_make_group(*key, views) for key, views in groups.items()]
    ranks = list(Condition)
    return sorted(made, key=lambda group: (ranks.index(group.condition), -len(group.names), group.since_at))


def _find_cause(node: NodeView) -> str:
    last = node.last
    return str(last.cause) if last is not None and last.outcome is not Outcome.PASS and last.cause else ""


def _make_group(condition: Condition, cause: str, site: str | None, views: Sequence[NodeView]) -> AttentionGroup:
    reasons = Counter(_explain(view, condition, is_alone=len(views) == 1) for view in views)
    reason = reasons.most_common(1)[0][0]
    return AttentionGroup(
        condition, cause, site, [view.name for view in views], min(view.since_at for view in views), reason
    )


def _explain(node: NodeView, condition: Condition, *, is_alone: bool) -> str:
    """Return why, in the same words for all with the same fault; those of one alone are left as they are."""
    last = node.last
    if last is not None and last.outcome is not Outcome.PASS:
        reason = last.reason if is_alone else last.reason.replace(node.name, "NODE")
        return reason or str(last.cause or "failed")
    if condition is Condition.NEW:
        return "waits for its first test"
    return "passes again, and needs more passes" if condition is Condition.BAD else node.why_not or ""
