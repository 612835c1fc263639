"""One line and one exit code for monitoring systems, as their plug-ins give them.

Pure. Source: the guidelines for Monitoring Plugins (exit codes 0 to 3, performance data after a bar).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from plabctl.core.find_problems import describe_late_tick
from plabctl.core.problems import Severity
from plabctl.render.status_table import format_guard_lines
from plabctl.render.times import format_ago
from plabctl.views.node import ViewContext
from plabctl.views.status import Totals, build_guard_view, find_current_problems


class Health(IntEnum):
    """The exit codes of a plug-in."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_HEALTH = {Severity.CRITICAL: Health.CRITICAL, Severity.WARNING: Health.WARNING}


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """When it is no longer well: age of the last tick in seconds, and counts of nodes in bad pools, None for any."""

    max_age_s: float
    warn_bad: int | None = None
    crit_bad: int | None = None


def judge_health(context: ViewContext, counted: Totals, limits: HealthLimits) -> tuple[Health, str]:
    """Return how plabctl is, and why in words: the worst first, then the nodes and the last tick."""
    problems = find_current_problems(context, counted, limits.max_age_s)
    found = [(_HEALTH[problem.severity], problem.reason) for problem in problems]
    if context.last_tick_at is None:
        found.append((Health.CRITICAL, describe_late_tick(None, context.now)[0]))
    found += [(Health.WARNING, line) for line in format_guard_lines(build_guard_view(context.state), context.now)]
    if counted.nodes and not counted.counts.is_any_usable and counted.counts.untested:
        waiting = f"{counted.counts.untested} of {counted.nodes} nodes wait for their first tests"
        found.append((Health.WARNING, f"no node is usable yet: {waiting}"))
    found += _judge_bad(count_bad(context, counted), limits)
    found.sort(key=lambda each: -each[0])
    pools = ", ".join(f"{count} {pool}" for pool, count in counted.pools.items())
    words = [*dict.fromkeys(reason for _, reason in found if reason), f"{counted.nodes} nodes: {pools}"]
    if context.last_tick_at is not None:
        words.append(f"last tick {format_ago(context.last_tick_at, context.now)}")
    return max((health for health, _ in found), default=Health.OK), "; ".join(words)


def _judge_bad(bad: int, limits: HealthLimits) -> list[tuple[Health, str]]:
    if limits.crit_bad is not None and bad >= limits.crit_bad:
        return [(Health.CRITICAL, "")]
    if limits.warn_bad is not None and bad >= limits.warn_bad:
        return [(Health.WARNING, "")]
    return []


def count_bad(context: ViewContext, counted: Totals) -> int:
    """Return how many nodes are in pools of the kind bad."""
    pools = context.settings.pools
    return sum(count for name, count in counted.pools.items() if name in pools and not pools[name].is_good)


def format_line(health: Health, words: str, performance: str = "") -> str:
    """Return the line of a plug-in; a bar in the words would end them too early."""
    text = " ".join(words.split()).replace("|", "/")
    return f"PLABCTL {health.name} - {text}" + (f" | {performance}" if performance else "")


def format_performance_data(context: ViewContext, counted: Totals, limits: HealthLimits) -> str:
    """Return the performance data: the pools, the window and the age of the last tick."""
    pools = context.settings.pools
    warn, crit = (("" if limit is None else str(limit - 1)) for limit in (limits.warn_bad, limits.crit_bad))
    data = []
    for name, count in counted.pools.items():
        is_bad = name in pools and not pools[name].is_good
        data.append(f"'{name}'={count};{warn if is_bad else ''};{crit if is_bad else ''};0;{counted.nodes}")
    data.append(f"held={counted.held};;;0;{counted.nodes}")
    data.append(f"suspect={counted.suspect};;;0;{counted.nodes}")
    data.append(f"in_use={counted.in_use};;;0;{context.settings.window}")
    if context.last_tick_at is not None:
        age_s = max(0.0, context.now - context.last_tick_at)
        data.append(f"last_tick_age={age_s:.0f}s;;{limits.max_age_s:.0f};0;")
    return " ".join(data)
