"""One line and one exit code for monitoring systems, as their plug-ins give them.

Pure. Source: the guidelines for Monitoring Plugins (exit codes 0 to 3, performance data after a bar).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from plabctl.durations import format_duration
from plabctl.report.instants import ago
from plabctl.report.status import Situation, Totals, guard_lines, problems_of


class Health(IntEnum):
    """The exit codes of a plug-in."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """When it is no longer well: age of the last tick in seconds, and counts of nodes in bad pools, None for any."""

    max_age_s: float
    warn_bad: int | None = None
    crit_bad: int | None = None


def judge(situation: Situation, counted: Totals, limits: Limits) -> tuple[Health, str]:
    """Return how plabctl is, and why in words."""
    if situation.last_tick_at is None:
        return Health.CRITICAL, "there has been no tick yet"
    last = f"last tick {ago(situation.last_tick_at, situation.now)}"
    if idle := list(_why_idle(situation, counted, limits)):
        return Health.CRITICAL, "; ".join([*idle, last])
    bad = bad_count(situation, counted)
    pools = ", ".join(f"{count} {pool}" for pool, count in counted.pools.items())
    words = f"{counted.nodes} nodes: {pools}; {last}"
    if limits.crit_bad is not None and bad >= limits.crit_bad:
        return Health.CRITICAL, words
    if limits.warn_bad is not None and bad >= limits.warn_bad:
        return Health.WARNING, words
    if guards := guard_lines(situation):
        return Health.WARNING, f"{words}; {'; '.join(guards)}"
    return Health.OK, words


def _why_idle(situation: Situation, counted: Totals, limits: Limits) -> Iterator[str]:
    """Yield what keeps plabctl from its work."""
    yield from (problem.reason for problem in problems_of(situation, counted))
    if situation.last_tick_at is not None and situation.now - situation.last_tick_at > limits.max_age_s:
        yield f"no tick for more than {format_duration(limits.max_age_s)}: does cron run plabctl tick?"


def bad_count(situation: Situation, counted: Totals) -> int:
    """Return how many nodes are in pools of the kind bad."""
    pools = situation.settings.pools
    return sum(count for name, count in counted.pools.items() if name in pools and not pools[name].is_good)


def line(health: Health, words: str, performance: str = "") -> str:
    """Return the line of a plug-in; a bar in the words would end them too early."""
    text = " ".join(words.split()).replace("|", "/")
    return f"PLABCTL {health.name} - {text}" + (f" | {performance}" if performance else "")


def performance_data(situation: Situation, counted: Totals, limits: Limits) -> str:
    """Return the performance data: the pools, the window and the age of the last tick."""
    pools = situation.settings.pools
    warn, crit = (("" if limit is None else str(limit - 1)) for limit in (limits.warn_bad, limits.crit_bad))
    data = []
    for name, count in counted.pools.items():
        is_bad = name in pools and not pools[name].is_good
        data.append(f"'{name}'={count};{warn if is_bad else ''};{crit if is_bad else ''};0;{counted.nodes}")
    data.append(f"held={counted.held};;;0;{counted.nodes}")
    data.append(f"suspect={counted.suspect};;;0;{counted.nodes}")
    data.append(f"in_use={counted.in_use};;;0;{situation.settings.window}")
    if situation.last_tick_at is not None:
        age_s = max(0.0, situation.now - situation.last_tick_at)
        data.append(f"last_tick_age={age_s:.0f}s;;{limits.max_age_s:.0f};0;")
    return " ".join(data)
