"""Read several monitors as one, each from its source, in bounded memory.

I/O. Sources are gone through twice. First each is read as a whole, several at once, and of each is kept what was asked
for: counts, names, groups. Then it is known what is wrong with which, and those that can be read are read again, one
after the other, for their nodes. The files stay open meanwhile, so that both times it is the same that is read.
`plabctl.app.sources` opens them, `plabctl.views.monitors` sums up.
Tests: `tests/cli/test_from.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from plabctl.app.fetch_source import STATS
from plabctl.app.fork_map import map_in_processes
from plabctl.app.sources import Opened, open_sources, parse_sources
from plabctl.app.status_source import RowTest, ToldStatus, build_context, read_status
from plabctl.core.names import sort_names
from plabctl.core.problems import Problem
from plabctl.core.steadiness import compute_good_ratio
from plabctl.errors import PlabctlError, StoreError, UsageFault
from plabctl.files.spool import make_reader
from plabctl.store.tables import pause_collection
from plabctl.values import replace
from plabctl.views.monitors import Claims, MonitorRead, sum_heads, sum_totals
from plabctl.views.node import ViewContext
from plabctl.views.status import StatusHead, Totals, build_status_view

_LARGE = 4 * 1024**2
"""So many bytes of statuses are worth processes of their own: some 60 ms."""
_SECONDS = 300.0
"""After so long a process is given up: a file system may have lost its server."""

T = TypeVar("T")
Item = TypeVar("Item")
Summarize = Callable[[ViewContext, ToldStatus], T]
"""Returns what is kept of one monitor."""


class Survey(NamedTuple, Generic[T]):
    """What was found at all sources, and what was kept of those that could be read."""

    head: StatusHead
    totals: Totals
    monitors: Sequence[MonitorRead]
    kept: Sequence[T]
    claimed: Sequence[Problem]
    """The nodes that two monitors claim."""

    @property
    def are_all_read(self) -> bool:
        """Whether no source failed."""
        return len(self.kept) == len(self.monitors)

    def list_notes(self) -> Iterator[str]:
        """Yield what is wrong with sources, a line each: for forms in which it has no place."""
        for each in self.monitors:
            if each.head is None:
                yield each.describe_fault()
            elif each.is_stale:
                yield f"{each.name}: {each.problems[0].reason}"
        yield from (problem.reason for problem in self.claimed)


class Monitors:
    """Several monitors, whose sources are open until `close`; a status may be `max_age_s` old before it is stale."""

    def __init__(self, words: Sequence[str], max_age_s: float | None = None) -> None:
        self._opened = open_sources(parse_sources(words))
        self.now = time.time()
        self._max_age_s = max_age_s
        self.lost: list[str] = []
        """What is wrong with sources that the survey could read, and `list_contexts` could not, a line each."""

    def close(self) -> None:
        """Close the sources."""
        for each in self._opened:
            if each.fd >= 0:
                os.close(each.fd)

    def survey(self, summarize: Summarize[T], keep: RowTest | None = None) -> Survey[T]:
        """Return what all sources tell; `summarize` sees of each the nodes that `keep` wants.

        Raise StoreError when none can be read.
        """

        def work(each: Opened) -> tuple[MonitorRead, Sequence[str], Sequence[T]]:
            read, told, context = self._read(each, keep)
            if told is None or context is None:
                return read, (), ()
            absent = set(told.absent)
            names = [name for own in told.names.values() for name in own if name not in absent]
            return read, names, (summarize(context, told),)

        found = read_each(work, self._opened, self._opened)
        claims, monitors = Claims(), []
        kept: list[T] = []
        for number, each in enumerate(self._opened):
            lost = MonitorRead(each.source.name, each.path, describe_loss(each))
            read, names, results = found.get(number, (lost, (), ()))
            claims.add(read.name, names)
            monitors.append(read)
            kept += results
        if not kept:
            raise StoreError("\n".join(each.describe_fault() for each in monitors))
        totals = sum_totals([each.totals for each in monitors if each.totals is not None])
        claimed = claims.list_problems()
        return Survey(sum_heads(monitors, totals, claimed, self.now), totals, monitors, kept, claimed)

    def list_contexts(self, survey: Survey[T]) -> Iterator[tuple[str, ViewContext]]:
        """Yield the name of each monitor that could be read, and what views are built from, with all its nodes.

        The survey must have looked at all nodes. What was changed since, and cannot be read any more, is in `lost`.
        """
        for each, before in zip(self._opened, survey.monitors, strict=True):
            if before.head is not None:
                read, _, context = self._read(each, None)
                if context is None:
                    self.lost.append(read.describe_fault())
                else:
                    yield each.source.name, context

    def open_stats(self, survey: Survey[T]) -> list[Opened]:
        """Open the statistics of those monitors that could be read, in their order; whoever asks closes them."""
        pairs = zip(self._opened, survey.monitors, strict=True)
        return open_sources([each.source for each, read in pairs if read.head is not None], STATS)

    def _read(self, each: Opened, keep: RowTest | None) -> tuple[MonitorRead, ToldStatus | None, ViewContext | None]:
        name = each.source.name
        try:
            if each.error is not None:
                raise each.error
            told, context = self._read_told(each, keep)
        except PlabctlError as error:
            return MonitorRead(name, each.path, f"{error}", error.hint), None, None
        except OSError as error:
            return MonitorRead(name, each.path, f"cannot read '{each.path}': {error.strerror or error}"), None, None
        problems = context.told or ()
        is_stale = len(problems) > len(told.head.problems or ())
        return MonitorRead(name, each.path, "", "", told.head, told.totals, problems, is_stale), told, context

    def _read_told(self, each: Opened, keep: RowTest | None) -> tuple[ToldStatus, ViewContext]:
        if each.config:
            return _read_installation(each.config, each.source.name)
        with pause_collection():
            told = read_status(make_reader(each.fd, each.offset), each.path, keep, each.source.name)
        return told, build_context(told, self.now, self._max_age_s)


def read_each(work: Callable[[Item], T], items: Sequence[Item], opened: Sequence[Opened]) -> Mapping[int, T]:
    """Return what `work` gives for each item, by its place: in several processes where what was opened is large.

    Items are missing whose process failed, or took too long.
    """
    if sum(each.size for each in opened) > _LARGE:
        return map_in_processes(work, items, _SECONDS)
    return {number: work(item) for number, item in enumerate(items)}


def describe_loss(opened: Opened) -> str:
    """Return what is wrong with a source that is missing in what `read_each` returns."""
    return f"'{opened.path}' could not be read to its end"


def is_one(words: Sequence[str]) -> bool:
    """Return whether these name one source that has no name: what it tells is shown as on its machine."""
    sources = parse_sources(words)
    return len(sources) == 1 and not sources[0].is_named


def read_source(words: Sequence[str], max_age_s: float | None = None) -> ViewContext:
    """Return what views are built from, as the one source tells it; raise StoreError when it tells nothing.

    A status older than `max_age_s` is told as a problem. Raise UsageFault for several sources.
    """
    sources = parse_sources(words)
    if len(sources) > 1:
        raise UsageFault("this is read from one source", hint="several are shown as one by: plabctl status, check")
    (opened,) = open_sources(sources)
    if opened.error is not None:
        raise opened.error
    if opened.config:
        from plabctl.app.queries import read_context

        return read_context(opened.config)
    try:
        with pause_collection():
            told = read_status(make_reader(opened.fd, opened.offset), opened.path)
    except OSError as error:
        raise StoreError(f"cannot read '{opened.path}': {error.strerror or error}") from error
    finally:
        os.close(opened.fd)
    return build_context(told, time.time(), max_age_s)


def _read_installation(config: str, monitor: str) -> tuple[ToldStatus, ViewContext]:
    """Return what the status of the installation of that configuration would tell; raise PlabctlError.

    What views are built from has the views of that status beside its own state and settings.
    """
    from plabctl.app.context import open_app
    from plabctl.app.queries import read_context_of

    context = read_context_of(open_app(config))
    status = build_status_view(context, sort_names(context.state.names()))
    names: dict[str, list[str]] = {}
    members = {member.node: member for member in context.state.members()}
    views = [
        view._replace(
            monitor=monitor,
            steadiness_ratio=compute_good_ratio(members[view.name], context.settings, context.now),
        )
        for view in status.nodes
    ]
    for view in views:
        names.setdefault(view.pool, []).append(view.name)
    told = ToldStatus(
        status.head,
        status.totals,
        names,
        [view.name for view in views if not view.is_usable],
        [view.name for view in views if view.absent_since_at is not None],
        views,
    )
    return told, replace(context, told=list(status.head.problems or ()), views={view.name: view for view in views})
