"""What nodes did in a span of time, node by node, by site or label, and in all.

Pure. `plabctl.core.stats.replay` has read the history; here its sums become shares and means.
Tests: `tests/cli/test_stats.py`.
"""

# Annotations are not postponed here: NamedTuple compiles postponed ones one by one.
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from plabctl.core.liveness import LOGIN_CAUSES
from plabctl.core.names import build_sort_key
from plabctl.core.stats.outages import Bounds
from plabctl.core.stats.replay import Past, PastNode
from plabctl.core.stats.tally import Tally
from plabctl.values import dataclass, replace
from plabctl.views.node import ViewContext

_RATIO_DIGITS = 5
SHARES = ("usable_ratio", "good_ratio", "held_ratio", "absent_ratio")
"""Fields that are shares of the time in which a node was known."""


@dataclass(frozen=True, slots=True)
class StatsView:
    """What a node, or several, did in a span of time. None is unknown, or does not apply."""

    DIGITS = MappingProxyType(dict.fromkeys((*SHARES, "login_sees_ratio"), _RATIO_DIGITS))

    name: str | None
    """The node, or the site or the value of the label; None for those that have none, and for all nodes together."""
    nodes_count: int | None
    """Of a group."""
    site: str | None
    is_removed: bool | None
    """True of a node that was removed by the end of the span."""
    known_seconds: float
    """For how long of the span it was a node and the history says where."""
    usable_ratio: float | None
    good_ratio: float | None
    held_ratio: float | None
    absent_ratio: float | None
    outages_count: int
    outages_seconds: float
    longest_outage_seconds: float | None
    flaps_count: int
    refuted_count: int
    detections_count: int
    """Flaps of which tests tell how long it took to see the failure; the next two are means of the bounds."""
    detect_least_seconds: float | None
    detect_most_seconds: float | None
    returns_count: int
    """Outages of which tests tell how long it took to return; the next two are means of the bounds."""
    return_least_seconds: float | None
    return_most_seconds: float | None
    tests_count: int
    passed_count: int
    failed_count: int
    unknown_count: int
    slot_seconds: float
    causes: Mapping[str, int]
    """How many tests failed of each cause, the commonest first."""
    login_sees_ratio: float | None
    """The share of those failures that a mere login would have seen; None without failures."""
    monitor: str | None = None
    """Which monitor tests the node; only where several are shown as one."""


class StatsSource(NamedTuple):
    """One of several monitors. None is unknown: nothing could be read."""

    monitor: str
    source: str
    """The path or the address."""
    is_stale: bool = False
    """Whether its status, or its statistics, are older than they may be."""
    generated_at: float | None = None
    since_at: float | None = None
    until_at: float | None = None
    history_begins_at: float | None = None
    nodes_count: int | None = None
    """How many of its nodes are counted here."""
    fault: str | None = None
    """Why it cannot be read."""


class StatsHead(NamedTuple):
    """What stands beside the statistics."""

    generated_at: float
    rev: int
    since_at: float
    until_at: float
    history_begins_at: float | None
    """Nothing is known of the time before; None when there is no history yet."""
    skipped_count: int | None
    by: str | None
    """What the rows are groups of; None for nodes."""
    total: StatsView
    sources: Sequence[StatsSource] | None = None
    """The monitors that it is about; None for this one."""


def choose_past_nodes(context: ViewContext, past: Past, chosen: Collection[str] | None) -> dict[str, PastNode]:
    """Return the nodes there were in the span, those of `chosen` if that is not None, with their variables of now."""
    found = {}
    for name, node in past.nodes.items():
        tally = node.tally
        if (chosen is None or name in chosen) and (node.place or tally.known_s or tally.slot_s):
            known = context.state.node(name)
            if known is not None:
                node.variables = known.variables
            found[name] = node
    return found


def view_stats(
    context: ViewContext, past: Past, nodes: Mapping[str, PastNode], by: str | None
) -> tuple[StatsHead, list[StatsView]]:
    """Return the statistics of each of `nodes`, or of each group with an equal variable `by`, the worst first."""
    if by is None:
        views = [_view_node(name, node) for name, node in nodes.items()]
    else:
        groups: dict[str | None, list[PastNode]] = {}
        for node in nodes.values():
            groups.setdefault(node.variables.get(by), []).append(node)
        views = [_view_group(value, group) for value, group in groups.items()]
    head = StatsHead(
        context.now,
        context.state.rev,
        past.span.since,
        past.span.until,
        past.begins_at,
        past.skipped_count or None,
        by,
        _view_group(None, nodes.values()),
    )
    return head, sorted(views, key=rank_worst)


def rank_worst(view: StatsView) -> tuple[object, ...]:
    """Return by what the worst come first."""
    is_unknown = view.usable_ratio is None
    return (
        is_unknown,
        view.usable_ratio or 0.0,
        -view.outages_seconds,
        view.name is None,
        build_sort_key(view.name or ""),
    )


def _view_node(name: str, node: PastNode) -> StatsView:
    is_removed = True if node.place is None else None
    return replace(build_stats_view(node.tally, name), site=node.variables.get("site"), is_removed=is_removed)


def _view_group(name: str | None, nodes: Iterable[PastNode]) -> StatsView:
    total, count = Tally(), 0
    for node in nodes:
        total.add(node.tally)
        count += 1
    return build_stats_view(total, name, count)


def build_stats_view(tally: Tally, name: str | None, nodes_count: int | None = None) -> StatsView:
    """Return the shares and means of what `tally` summed up."""
    known_s = tally.known_s
    usable, good, held, absent = (
        seconds / known_s if known_s else None
        for seconds in (tally.usable_s, tally.good_s, tally.held_s, tally.absent_s)
    )
    seen_count = sum(tally.causes[cause] for cause in LOGIN_CAUSES)
    detection, recovery = _compute_means(tally.detections), _compute_means(tally.recoveries)
    return StatsView(
        name=name,
        nodes_count=nodes_count,
        site=None,
        is_removed=None,
        known_seconds=known_s,
        usable_ratio=usable,
        good_ratio=good,
        held_ratio=held,
        absent_ratio=absent,
        outages_count=len(tally.outages_s),
        outages_seconds=sum(tally.outages_s, 0.0),
        longest_outage_seconds=max(tally.outages_s, default=None),
        flaps_count=tally.flap_count,
        refuted_count=tally.refuted_count,
        detections_count=len(tally.detections),
        detect_least_seconds=detection and detection.least_s,
        detect_most_seconds=detection and detection.most_s,
        returns_count=len(tally.recoveries),
        return_least_seconds=recovery and recovery.least_s,
        return_most_seconds=recovery and recovery.most_s,
        tests_count=tally.pass_count + tally.fail_count + tally.unknown_count,
        passed_count=tally.pass_count,
        failed_count=tally.fail_count,
        unknown_count=tally.unknown_count,
        slot_seconds=tally.slot_s,
        causes=dict(sorted(tally.causes.items(), key=lambda item: (-item[1], item[0]))),
        login_sees_ratio=seen_count / tally.causes.total() if tally.causes else None,
    )


def _compute_means(found: Sequence[Bounds]) -> Bounds | None:
    if not found:
        return None
    least, most = (sum(side) / len(found) for side in zip(*found, strict=True))
    return Bounds(least, most)
