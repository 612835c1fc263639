"""The statistics of several monitors as one: sums of what each of them tells, over all nodes or group by group.

Pure. Counts and times are added; a share is one of the time of all nodes, a mean one of all cases, so that both are as
if one monitor had seen it all. `plabctl.app.several_stats` reads what the monitors tell.
Tests: `tests/views/test_several_stats.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from plabctl.core.liveness import LOGIN_CAUSES
from plabctl.views.stats import SHARES, StatsView

_SUMS = (
    "known_seconds", "outages_count", "outages_seconds", "flaps_count", "refuted_count", "detections_count",
    "returns_count", "tests_count", "passed_count", "failed_count", "unknown_count", "slot_seconds",
)  # fmt: skip
_MEANS = {
    **dict.fromkeys(SHARES, "known_seconds"),
    "detect_least_seconds": "detections_count",
    "detect_most_seconds": "detections_count",
    "return_least_seconds": "returns_count",
    "return_most_seconds": "returns_count",
}
"""What is a mean, by that in which each view has its weight."""


def sum_stats(views: Collection[StatsView], name: str | None) -> StatsView:
    """Return what the nodes of these views, or of these groups, did together."""
    causes = sum((Counter(view.causes) for view in views), Counter[str]())
    seen_count = sum(causes[cause] for cause in LOGIN_CAUSES)
    found: dict[str, Any] = {field: sum(getattr(view, field) for view in views) for field in _SUMS}
    found |= {field: _compute_mean(views, field, weight) for field, weight in _MEANS.items()}
    return StatsView(
        name=name,
        nodes_count=sum(1 if view.nodes_count is None else view.nodes_count for view in views),
        site=None,
        is_removed=None,
        longest_outage_seconds=max((view.longest_outage_seconds or 0.0 for view in views), default=0.0) or None,
        causes=dict(sorted(causes.items(), key=lambda item: (-item[1], item[0]))),
        login_sees_ratio=seen_count / causes.total() if causes else None,
        **found,
    )


def group_stats(views: Iterable[StatsView], read: Callable[[StatsView], str | None]) -> dict[str | None, StatsView]:
    """Return the sums of the views of which `read` gives the same, by that."""
    groups: dict[str | None, list[StatsView]] = {}
    for view in views:
        groups.setdefault(read(view), []).append(view)
    return {value: sum_stats(group, value) for value, group in groups.items()}


def _compute_mean(views: Iterable[StatsView], field: str, weight: str) -> float | None:
    """Return the mean of a field; None where no view has any weight."""
    pairs = [(value, getattr(view, weight)) for view in views if (value := getattr(view, field)) is not None]
    whole = sum(each for _, each in pairs)
    return sum(value * each for value, each in pairs) / whole if whole else None
