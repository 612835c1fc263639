"""One line and one exit code for monitoring systems, as their plug-ins give them.

Pure. Source: the guidelines for Monitoring Plugins (exit codes 0 to 3, performance data after a bar).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from plabctl.durations import format_duration
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


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """When it is no longer well: age of the last tick in seconds, and counts of nodes in bad pools, None for any."""

    max_age_s: float
    warn_bad: int | None = None
    crit_bad: int | None = None


def judge_health(context: ViewContext, counted: Totals, limits: HealthLimits) -> tuple[Health, str]:
    """Return how plabctl is, and why in words."""
    if context.last_tick_at is None:
        return Health.CRITICAL, "there has been no tick yet"
    last = f"last tick {format_ago(context.last_tick_at, context.now)}"
    if idle := list(_why_idle(context, counted, limits)):
        return Health.CRITICAL, "; ".join([*idle, last])
    bad = count_bad(context, counted)
    pools = ", ".join(f"{count} {pool}" for pool, count in counted.pools.items())
    words = f"{counted.nodes} nodes: {pools}; {last}"
    if limits.crit_bad is not None and bad >= limits.crit_bad:
        return Health.CRITICAL, words
    if limits.warn_bad is not None and bad >= limits.warn_bad:
        return Health.WARNING, words
    if guards := format_guard_lines(build_guard_view(context.state), context.now):
        return Health.WARNING, f"{words}; {'; '.join(guards)}"
    return Health.OK, words


def _why_idle(context: ViewContext, counted: Totals, limits: HealthLimits) -> Iterator[str]:
    """Yield what keeps plabctl from its work."""
    yield from (problem.reason for problem in find_current_problems(context, counted))
    if context.last_tick_at is not None and context.now - context.last_tick_at > limits.max_age_s:
        yield f"no tick for more than {format_duration(limits.max_age_s)}: does cron run plabctl tick?"


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
