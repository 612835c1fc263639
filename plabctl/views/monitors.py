"""Several monitors as one: what each tells, the sums of that, and which nodes two of them claim.

Pure. `plabctl.app.monitors` reads them.
Tests: `tests/views/test_monitors.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from plabctl.core.names import fold_name
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.surroundings import NodeCounts
from plabctl.nodesets import fold_nodeset
from plabctl.values import replace
from plabctl.views.status import GuardView, ScopeView, SourceView, StatusHead, Totals, WindowView

_SHOWN = 10


class MonitorRead(NamedTuple):
    """What one of several monitors told, or why it could not be read."""

    name: str
    source: str
    fault: str = ""
    hint: str = ""
    head: StatusHead | None = None
    totals: Totals | None = None
    problems: Sequence[Problem] = ()
    """What is wrong there, and that its status is old."""
    is_stale: bool = False

    def describe_fault(self) -> str:
        """Return why it cannot be read, and what to do about it."""
        return f"{self.name}: {self.fault}{f'; {self.hint}' if self.hint else ''}"


class Claims:
    """Which node is whose, to find those that two monitors test: each would change it under the other."""

    def __init__(self) -> None:
        self._owners: dict[str, int] = {}
        self._twice: dict[str, list[str]] = {}
        """The names of nodes that two monitors claim, by the names of both."""
        self._monitors: list[str] = []

    def add(self, monitor: str, names: Iterable[str]) -> None:
        """Let the nodes of these names be tested by that monitor; absent ones it does not test."""
        number = len(self._monitors)
        self._monitors.append(monitor)
        owners = self._owners
        for name in names:
            before = owners.setdefault(fold_name(name), number)
            if before != number:
                self._twice.setdefault(f"{self._monitors[before]} and {monitor}", []).append(name)

    def list_problems(self) -> list[Problem]:
        """Return a problem for each two monitors that claim the same nodes."""
        return [
            Problem(
                ProblemKind.MONITOR,
                f"{len(names)} node{'s are' if len(names) > 1 else ' is'} claimed by {both}: {_shorten(names)}",
                "let one of them leave it out: each would test it while the other does",
                severity=Severity.WARNING,
                subject=both,
            )
            for both, names in self._twice.items()
        ]


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return f"{fold_nodeset(names[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def view_source(read: MonitorRead) -> SourceView:
    """Return what there is to say of one monitor."""
    head, totals = read.head, read.totals
    if head is None or totals is None:
        return SourceView(read.name, read.source, is_stale=False, fault=read.fault)
    return SourceView(
        read.name,
        read.source,
        read.is_stale,
        head.generated_at,
        head.rev,
        head.last_tick_at,
        totals.nodes,
    )


def sum_heads(monitors: Sequence[MonitorRead], totals: Totals, claimed: Sequence[Problem], now: float) -> StatusHead:
    """Return the head of the status of all monitors: each as a source, and the problems, the gravest first."""
    read = [(each, each.head) for each in monitors if each.head is not None]
    scopes = [
        ScopeView(f"{scope.scope} of {each.name}", scope.since_at, scope.reason)
        for each, head in read
        for scope in head.guard.scopes or ()
    ]
    problems = [*map(_tell_unread, (each for each in monitors if each.head is None)), *claimed]
    problems += [
        replace(problem, monitor=f"{each.name}/{problem.monitor}" if problem.monitor else each.name)
        for each, _ in read
        for problem in each.problems
    ]
    ticks = [head.last_tick_at for _, head in read if head.last_tick_at is not None]
    ends = [head.last_success_at for _, head in read if head.last_success_at is not None]
    return StatusHead(
        generated_at=now,
        rev=sum(head.rev for _, head in read),
        window=WindowView(sum(head.window.size for _, head in read), totals.in_use),
        guard=GuardView("on", scopes) if scopes else GuardView("off", None),
        counts=totals.pools,
        problems=sorted(problems, key=lambda problem: not problem.is_critical) or None,
        last_tick_at=min(ticks, default=None),
        last_success_at=min(ends, default=None),
        good_pools=sorted({pool for _, head in read for pool in head.good_pools}),
        sources=list(map(view_source, monitors)),
    )


def _tell_unread(monitor: MonitorRead) -> Problem:
    remedy = monitor.hint or "see why that is so, or leave it out"
    return Problem(ProblemKind.MONITOR, monitor.fault, remedy, monitor=monitor.name)


def sum_totals(all_totals: Sequence[Totals]) -> Totals:
    """Return the sums of what each monitor counts."""
    pools: dict[str, int] = {}
    for each in all_totals:
        for pool, count in each.pools.items():
            pools[pool] = pools.get(pool, 0) + count
    due = [each.counts.next_due_at for each in all_totals if each.counts.next_due_at is not None]
    counts = NodeCounts(
        _sort_pools(pools, all_totals),
        sum(each.counts.unknown for each in all_totals),
        sum(each.counts.untested for each in all_totals),
        any(each.counts.is_any_usable for each in all_totals),
        max((each.counts.last_test_at for each in all_totals), default=0.0),
        min(due, default=None),
        sum(each.counts.stuck for each in all_totals),
    )
    return Totals(
        sum(each.nodes for each in all_totals),
        sum(each.held for each in all_totals),
        sum(each.suspect for each in all_totals),
        sum(each.absent for each in all_totals),
        sum(each.in_use for each in all_totals),
        counts,
        sum(each.busy for each in all_totals),
    )


def _sort_pools(pools: Mapping[str, int], all_totals: Sequence[Totals]) -> dict[str, int]:
    """Return the pools in the order in which the monitor with the most of them has them, then the others."""
    longest = max((list(each.pools) for each in all_totals), key=len, default=[])
    return {pool: pools[pool] for pool in dict.fromkeys((*longest, *pools))}
