"""One line and one exit code for monitoring systems, as their plug-ins give them.

Pure. Source: the guidelines for Monitoring Plugins (exit codes 0 to 3, performance data after a bar).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from plabctl.core.find_problems import describe_late_tick
from plabctl.core.liveness_record import name_vantage
from plabctl.core.problems import Severity
from plabctl.core.state import VANTAGES_TOPIC, State
from plabctl.core.usable import explain_unusable
from plabctl.nodesets import fold_nodeset
from plabctl.render.nagios_range import NagiosRange
from plabctl.render.status_table import format_guard_lines
from plabctl.render.times import format_ago
from plabctl.views.node import NODE_FACTS, ViewContext
from plabctl.views.status import Totals, build_guard_view, find_current_problems


class Health(IntEnum):
    """The exit codes of a plug-in."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_LABELS = frozenset({"held", "suspect", "in_use", "last_tick_age", "last_success_age", "unusable"})
"""Of performance data that is not of a pool."""
_LONG_LIST = 300
_HEALTH = {Severity.CRITICAL: Health.CRITICAL, Severity.WARNING: Health.WARNING}


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """When it is no longer well: the age of the last tick in seconds, and ranges for counts of nodes, None for any."""

    max_age_s: float
    warn_bad: NagiosRange | None = None
    """Of the nodes in bad pools."""
    crit_bad: NagiosRange | None = None
    warn_unusable: NagiosRange | None = None
    """Of the nodes that are not usable, whatever pool they are in."""
    crit_unusable: NagiosRange | None = None


@dataclass(frozen=True, slots=True)
class Affected:
    """The names of the nodes that limits are about."""

    bad: Sequence[str]
    unusable: Sequence[str]


def find_affected(context: ViewContext) -> Affected:
    """Return which nodes are bad, and which are not usable."""
    good_pools, pools, now = context.settings.good_pools, context.settings.pools, context.now
    bad, unusable = [], []
    for node in context.state.select(NODE_FACTS):
        is_in_good = node.pool in good_pools
        if not is_in_good and node.pool in pools:
            bad.append(node.node)
        if explain_unusable(node, now, is_in_good=is_in_good) is not None:
            unusable.append(node.node)
    return Affected(bad, unusable)


def judge_health(context: ViewContext, counted: Totals, limits: HealthLimits, affected: Affected) -> tuple[Health, str]:
    """Return how plabctl is, and why in words: the worst first, then the nodes and the last tick."""
    problems = find_current_problems(context, counted, limits.max_age_s)
    found = [(_HEALTH[problem.severity], problem.words) for problem in problems]
    if context.last_tick_at is None:
        found.append((Health.CRITICAL, describe_late_tick(None, context.now)[0]))
    found += [(Health.WARNING, line) for line in format_guard_lines(build_guard_view(context.state), context.now)]
    if counted.nodes and not counted.counts.is_any_usable and counted.counts.untested:
        waiting = f"{counted.counts.untested} of {counted.nodes} nodes wait for their first tests"
        found.append((Health.WARNING, f"no node is usable yet: {waiting}"))
    total = counted.nodes
    found += _judge_count("bad", affected.bad, total, limits.warn_bad, limits.crit_bad)
    found += _judge_count("not usable", affected.unusable, total, limits.warn_unusable, limits.crit_unusable)
    found.sort(key=lambda each: -each[0])
    pools = ", ".join(f"{count} {pool}" for pool, count in counted.pools.items())
    lost = _describe_lost_ways(context.state)
    words = [*(reason for _, reason in found), *lost, f"{total} node{'s' * (total != 1)}: {pools}"]
    if context.last_tick_at is not None:
        words.append(f"last tick {format_ago(context.last_tick_at, context.now)}")
    return max((health for health, _ in found), default=Health.OK), "; ".join(words)


def _describe_lost_ways(state: State) -> list[str]:
    """Return which nodes are not reached from everywhere; they are tested all the same, so that is no alarm."""
    if VANTAGES_TOPIC not in state.notes:
        return []
    from plabctl.core.vantage import list_lost_ways  # most testbeds have one vantage

    return [
        f"not reached from {name_vantage(vantage)}, but from elsewhere: {_shorten(fold_nodeset(nodes))}"
        for vantage, nodes in list_lost_ways(state).items()
    ]


def _judge_count(
    what: str, names: Sequence[str], total: int, warn: NagiosRange | None, crit: NagiosRange | None
) -> Iterator[tuple[Health, str]]:
    """Yield that so many nodes are what they should not be, as far as a limit says so."""
    reached = [
        health
        for health, limit in ((Health.CRITICAL, crit), (Health.WARNING, warn))
        if limit is not None and limit.resolve(total).alerts(len(names))
    ]
    if reached:
        which = f" ({_shorten(fold_nodeset(names))})" if names else ""
        yield reached[0], f"{len(names)} of {total} {'node is' if total == 1 else 'nodes are'} {what}{which}"


def _shorten(folded: str) -> str:
    """Return a list of nodes in not much more than a line."""
    return folded if len(folded) <= _LONG_LIST else f"{folded[:_LONG_LIST].rpartition(',')[0]},..."


def format_line(health: Health, words: str, performance: str = "") -> str:
    """Return the line of a plug-in; a bar in the words would end them too early."""
    text = " ".join(words.split()).replace("|", "/")
    return f"PLABCTL {health.name} - {text}" + (f" | {performance}" if performance else "")


def format_performance_data(context: ViewContext, counted: Totals, limits: HealthLimits, affected: Affected) -> str:
    """Return the performance data: the pools, what is usable, the window and the ages of the last ticks."""
    pools, total = context.settings.pools, counted.nodes
    bad_limits = _format_limits(total, limits.warn_bad, limits.crit_bad)
    data = []
    for name, count in counted.pools.items():
        is_bad = name in pools and not pools[name].is_good
        label = _choose_label(name, counted.pools)
        data.append(f"'{label}'={count};{bad_limits if is_bad else ';'};0;{total}")
    unusable_limits = _format_limits(total, limits.warn_unusable, limits.crit_unusable)
    data.append(f"held={counted.held};;;0;{total}")
    data.append(f"suspect={counted.suspect};;;0;{total}")
    data.append(f"in_use={counted.in_use};;;0;{context.settings.window}")
    success_at = context.around.last_success_at if context.around else None
    for label, at in (("last_tick_age", context.last_tick_at), ("last_success_age", success_at)):
        if at is not None:
            data.append(f"{label}={max(0.0, context.now - at):.0f}s;;{limits.max_age_s:.0f};0;")
    data.append(f"unusable={len(affected.unusable)};{unusable_limits};0;{total}")
    return " ".join(data)


def _choose_label(name: str, pools: Collection[str]) -> str:
    """Return what the performance data of a pool is called: like the pool, if nothing else is."""
    label = name
    while label in _LABELS or (label != name and label in pools):
        label = f"pool_{label}"
    return label


def _format_limits(total: int, warn: NagiosRange | None, crit: NagiosRange | None) -> str:
    return ";".join("" if limit is None else str(limit.resolve(total)) for limit in (warn, crit))
