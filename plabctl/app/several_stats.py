"""What nodes of several monitors did: each monitor's statistics, node by node, by group, and over all.

I/O, through `plabctl.app.monitors`: the status of each monitor says which nodes are meant, how old it is, and which two
claim; its statistics stand beside the status of its page, or come from its history where that is on this machine.
Tests: `tests/cli/test_stats_from.py`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from typing import NamedTuple

from plabctl.app.monitors import Monitors, Survey, describe_loss, is_one, read_each
from plabctl.app.page_stats import EVERY_S
from plabctl.app.several import refuse_missing
from plabctl.app.sources import Opened
from plabctl.app.stats_source import ToldStats, read_installation_stats, read_page_stats
from plabctl.app.status_source import ToldStatus
from plabctl.core.names import fold_name, is_alias
from plabctl.core.part_selection import select_part
from plabctl.core.selection import build_unknown_pool_error
from plabctl.core.stats.tally import Span
from plabctl.durations import format_duration
from plabctl.errors import PlabctlError, StoreError, UsageFault
from plabctl.files.spool import make_reader
from plabctl.views.node import ViewContext
from plabctl.views.several_stats import group_stats, sum_stats
from plabctl.views.stats import StatsHead, StatsSource, StatsView, rank_worst

SITE, MONITOR = "site", "monitor"
_SLACK_S = 2 * EVERY_S
"""Statistics that are written once an hour may be so old, and may be of a span that began so much earlier."""


class StatsAsked(NamedTuple):
    """Which nodes are asked for, in which groups, and over which span: that which each page has, if `span` is None."""

    span: Span
    is_any_span: bool
    nodes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    by: str | None = None
    is_for_page: bool = False
    """Whether nodes are of their monitor also where it is the only one, and has no name."""

    @property
    def label(self) -> str | None:
        """The label by which nodes are grouped."""
        return None if self.by in {None, SITE, MONITOR} else self.by


class SeveralStats(NamedTuple):
    """The statistics. `notes` say what is wrong with which monitor, a line each."""

    head: StatsHead
    views: Sequence[StatsView]
    notes: Sequence[str]
    is_partial: bool


class _Chosen(NamedTuple):
    """Which nodes of one monitor are meant."""

    names: Collection[str] | None
    """None for all."""
    missing: Mapping[str, PlabctlError]
    values: Mapping[str, str]
    """The label of each node, by which they are grouped."""

    @property
    def gone(self) -> set[str]:
        """The names, in lower case, of nodes that are named and may have been there."""
        return {fold_name(word) for word in self.missing if is_alias(word)}


class _Part(NamedTuple):
    """What is kept of the statistics of one monitor."""

    source: StatsSource
    total: StatsView | None = None
    rows: Sequence[StatsView] = ()
    """Of its nodes, or of its groups."""
    found: Collection[str] = ()
    """The names, in lower case, of nodes that are gone and were named."""
    hint: str = ""


def read_several_stats(words: Sequence[str], asked: StatsAsked) -> SeveralStats:
    """Return the statistics of the monitors that `words` name; nodes of one alone without a name have no `monitor`.

    Raise NoSuchNode, NoSuchPool or UsageFault for what no monitor has, StoreError when none can be read.
    """
    needs_nodes = bool(asked.nodes or asked.pools or asked.label)
    is_alone = is_one(words) and not asked.is_for_page
    with closing(Monitors(words)) as monitors:
        survey = monitors.survey(partial(_choose, asked), None if needs_nodes else lambda _: False)
        _refuse_unknown(survey, asked)
        opened = monitors.open_stats(survey)
        try:
            parts = _read_all(opened, survey.kept, partial(_read_part, asked, is_alone, monitors.now))
        finally:
            for each in opened:
                if each.fd >= 0:
                    os.close(each.fd)
    told = [part for part in parts if part.total is not None]
    notes = [*survey.list_notes(), *_list_notes(parts, monitors.now)]
    if not told:
        raise StoreError("\n".join(notes))
    found = {name for part in told for name in part.found}
    refuse_missing(
        [{word: why for word, why in each.missing.items() if fold_name(word) not in found} for each in survey.kept]
    )
    rows = chain.from_iterable(part.rows for part in told)
    views = list(rows) if asked.by is None else [*group_stats(rows, lambda view: view.name).values()]
    head = _build_head(survey, parts, asked.by, monitors.now)
    if is_alone:
        head = head._replace(sources=None)
    is_partial = not survey.are_all_read or len(told) < len(parts)
    return SeveralStats(head, sorted(views, key=rank_worst), notes, is_partial)


def _choose(asked: StatsAsked, context: ViewContext, _: ToldStatus) -> _Chosen:
    if not (asked.nodes or asked.pools or asked.label):
        return _Chosen(None, {}, {})
    names = set(context.state.names())
    missing: Mapping[str, PlabctlError] = {}
    if asked.nodes:
        names, missing = select_part(asked.nodes, context.state, context.settings, context.now)
    views = context.views or {}
    if asked.pools:
        names = {name for name in names if views[name].pool in asked.pools}
    labels = ((name, (views[name].labels or {}).get(asked.label or "")) for name in names)
    values = {name: value for name, value in labels if value is not None}
    return _Chosen(names if asked.nodes or asked.pools else None, missing, values)


def _refuse_unknown(survey: Survey[_Chosen], asked: StatsAsked) -> None:
    for pool in asked.pools:
        if pool not in survey.totals.pools:
            raise build_unknown_pool_error(pool, survey.totals.pools)
    if asked.label is not None and not any(chosen.values for chosen in survey.kept):
        raise UsageFault(f"no node has the label {asked.label!r}", hint="see: plabctl status --from SOURCE -o wide")


def _read_all(opened: Sequence[Opened], kept: Sequence[_Chosen], work: partial[_Part]) -> Sequence[_Part]:
    found = read_each(work, list(zip(opened, kept, strict=True)), opened)
    return [found.get(number) or _fail(each, describe_loss(each)) for number, each in enumerate(opened)]


def _fail(opened: Opened, fault: str, hint: str = "") -> _Part:
    return _Part(StatsSource(opened.source.name, opened.path, fault=fault), hint=hint)


def _read_part(asked: StatsAsked, is_alone: bool, now: float, pair: tuple[Opened, _Chosen]) -> _Part:
    opened, chosen = pair
    name = opened.source.name
    try:
        told = _read_told(opened, asked, "" if is_alone else name)
    except PlabctlError as error:
        return _fail(opened, f"{error}", error.hint)
    except OSError as error:
        return _fail(opened, f"cannot read '{opened.path}': {error.strerror or error}")
    views, gone = told.views, chosen.gone
    found = {fold_name(view.name or "") for view in views if gone} & gone
    if chosen.names is not None:
        also = set() if asked.pools else found  # what is gone is in no pool
        views = [view for view in views if view.name in chosen.names or fold_name(view.name or "") in also]
    total = told.head.total if len(views) == len(told.views) else sum_stats(views, None)
    rows: Sequence[StatsView] = views
    if asked.by is not None:
        read = {SITE: lambda view: view.site, MONITOR: lambda view: view.monitor}.get(
            asked.by, lambda view: chosen.values.get(view.name or "")
        )
        rows = [*group_stats(views, read).values()]
    head = told.head
    source = StatsSource(
        name,
        opened.path,
        is_stale=now - head.generated_at > _SLACK_S,
        generated_at=head.generated_at,
        since_at=head.since_at,
        until_at=head.until_at,
        history_begins_at=head.history_begins_at,
        nodes_count=total.nodes_count,
    )
    return _Part(source, total, rows, found)


def _read_told(opened: Opened, asked: StatsAsked, monitor: str) -> ToldStats:
    if opened.error is not None:
        raise opened.error
    if opened.config:
        return read_installation_stats(opened.config, monitor, asked.span)
    told = read_page_stats(make_reader(opened.fd, opened.offset), opened.path, monitor)
    since_at, until_at = told.head.since_at, told.head.until_at
    if not asked.is_any_span and max(abs(since_at - asked.span.since), abs(until_at - asked.span.until)) > _SLACK_S:
        length = format_duration(round(until_at - since_at))
        raise StoreError(
            f"'{opened.path}' is about the last {length} alone", hint="name the configuration, on its machine"
        )
    return told


def _list_notes(parts: Sequence[_Part], now: float) -> Iterator[str]:
    lengths = {
        part.source.monitor: round(((part.source.until_at or 0.0) - (part.source.since_at or 0.0)) / 3600)
        for part in parts
        if part.total is not None
    }
    for part in parts:
        name, source = part.source.monitor, part.source
        if source.fault is not None:
            yield f"{name}: {source.fault}{f'; {part.hint}' if part.hint else ''}"
        elif source.is_stale:
            yield f"{name}: its statistics are {format_duration(round(now - (source.generated_at or now)))} old"
        if name in lengths and lengths[name] != max(lengths.values()):
            yield f"{name}: its statistics are of {format_duration(lengths[name] * 3600)}, those of others of more"


def _build_head(survey: Survey[_Chosen], parts: Sequence[_Part], by: str | None, now: float) -> StatsHead:
    told, others, every = [part for part in parts if part.total is not None], iter(parts), []
    for each in survey.monitors:
        if each.head is None:
            every.append(StatsSource(each.name, each.source, fault=each.fault))
        else:
            source = next(others).source
            every.append(source._replace(is_stale=source.is_stale or each.is_stale))
    sources = [part.source for part in told]
    begins = [each.history_begins_at for each in sources if each.history_begins_at is not None]
    totals = [part.total for part in told if part.total is not None]
    return StatsHead(
        now,
        survey.head.rev,
        min(each.since_at for each in sources if each.since_at is not None),
        max(each.until_at for each in sources if each.until_at is not None),
        min(begins, default=None),
        None,
        by,
        totals[0] if len(totals) == 1 else sum_stats(totals, None),
        every,
    )
