"""What the status of several monitors is asked for: which of their nodes, in groups or one by one.

I/O, through `plabctl.app.monitors`. `plabctl.cli.status` shows it.
Tests: `tests/cli/test_from.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from plabctl.app.monitors import Monitors, Survey
from plabctl.app.queries import UNUSABLE
from plabctl.app.status_source import RowTest, ToldStatus, build_settings
from plabctl.core.model import Cause
from plabctl.core.names import sort_names
from plabctl.core.part_selection import SEE_ALL, select_part
from plabctl.core.selection import build_unknown_pool_error, split_words
from plabctl.core.settings import Settings
from plabctl.errors import NoSuchNode, PlabctlError, UsageFault
from plabctl.views.node import NodeView, ViewContext, list_node_views
from plabctl.views.status import StatusView
from plabctl.views.status_groups import REASON, NodeGroup, find_reason, group_views, merge_groups
from plabctl.views.status_order import find_reader, sort_views_by


class Asked(NamedTuple):
    """Which nodes are asked for, how they are put in groups, and which of them are a fault."""

    nodes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    cause: Cause | None = None
    by: str | None = None
    sort: str | None = None
    fail_on: str | None = None

    def list_views(self, context: ViewContext) -> tuple[Iterator[NodeView], Mapping[str, PlabctlError]]:
        """Return the nodes of one monitor that are asked for, and which words mean none of its nodes, with why."""
        missing: Mapping[str, PlabctlError] = {}
        names: Iterable[str] = context.state.names()
        if self.nodes:
            names, missing = select_part(self.nodes, context.state, context.settings, context.now)
        views = list_node_views(context, sort_names(names))
        if self.pools:
            views = (view for view in views if view.pool in self.pools)
        if self.cause is not None:
            views = (view for view in views if view.last is not None and view.last.cause is self.cause)
        return views, missing

    def build_test(self) -> RowTest | None:
        """Return what says of which nodes no more is needed than their number, None for none."""
        if self.nodes or self.by != REASON or self.fail_on not in {None, UNUSABLE}:
            return None
        return has_reason


def has_reason(row: Mapping[str, Any]) -> bool:
    """Return whether there may be something to say of a node, as JSON has it."""
    if not row["usable"] or "hold" in row or "absent_since_at" in row or "stuck_since_at" in row:
        return True
    last = row.get("last")
    return last is None or last["outcome"] != "pass"


class Part(NamedTuple):
    """What is kept of one monitor."""

    pools: Sequence[str]
    has_answers: bool
    """Whether it logs in between tests."""
    missing: Mapping[str, PlabctlError]
    nodes_count: int
    is_failing: bool
    groups: Sequence[NodeGroup]
    fault: UsageFault | None
    """Why there is nothing to group by."""


class Several:
    """The status of several monitors."""

    def __init__(self, monitors: Monitors, asked: Asked) -> None:
        self._monitors = monitors
        self._asked = asked
        self.survey: Survey[Part] = monitors.survey(self._summarize, asked.build_test())
        self._check()

    @property
    def settings(self) -> Settings:
        """What is known of the configurations, as that of one."""
        return build_settings(self.survey.head, has_answers=any(part.has_answers for part in self.survey.kept))

    @property
    def is_failing(self) -> bool:
        """Whether a node that is asked for is a fault."""
        return any(part.is_failing for part in self.survey.kept)

    @property
    def groups(self) -> list[NodeGroup]:
        """The nodes that are asked for, in groups."""
        return merge_groups(group for part in self.survey.kept for group in part.groups)

    def build_status(self) -> StatusView:
        """Return the status with the nodes that are asked for, monitor by monitor unless they are to be sorted."""
        views = self._list_views()
        if self._asked.sort is not None:
            views = sort_views_by(list(views), self._asked.sort)
        return StatusView(self.survey.head, self.survey.totals, views)

    def _list_views(self) -> Iterable[NodeView]:
        for _, context in self._monitors.list_contexts(self.survey):
            yield from self._asked.list_views(context)[0]

    def _summarize(self, context: ViewContext, _: ToldStatus) -> Part:
        asked = self._asked
        views, missing = asked.list_views(context)
        chosen = list(views)
        fault: UsageFault | None = None
        groups: list[NodeGroup] = []
        if asked.by is not None:
            read: Callable[[NodeView], Any] = find_reason
            if asked.by != REASON:
                try:
                    read = find_reader(asked.by, chosen)
                except UsageFault as error:  # a label that no node here has
                    fault, read = error, _read_nothing
            groups = group_views(chosen, asked.by, read)
        has_answers = any(pool.liveness for pool in context.settings.pools.values())
        is_failing = asked.fail_on is not None and any(_is_fault(view, asked.fail_on, context) for view in chosen)
        return Part([*context.settings.pools], has_answers, missing, len(chosen), is_failing, groups, fault)

    def _check(self) -> None:
        """Raise NoSuchPool, NoSuchNode or UsageFault for what no monitor has."""
        asked, parts = self._asked, self.survey.kept
        pools = dict.fromkeys(pool for part in parts for pool in part.pools)
        fail_on = [asked.fail_on] if asked.fail_on not in {None, UNUSABLE} else []
        for pool in (*asked.pools, *fail_on):
            if pool not in pools:
                raise build_unknown_pool_error(f"{pool}", pools)
        refuse_missing([part.missing for part in parts])
        if split_words(asked.nodes) and not (asked.pools or asked.cause or any(part.nodes_count for part in parts)):
            raise NoSuchNode("no node is left", hint="the words that begin with ! leave out all that the others mean")
        if all(part.fault for part in parts) and parts[0].fault:
            raise parts[0].fault


def refuse_missing(missing: Sequence[Mapping[str, PlabctlError]]) -> None:
    """Raise why a word means no node when it means none of any monitor."""
    for word in missing[0]:
        if all(word in each for each in missing):
            # One of them may know what was meant.
            raise max((each[word] for each in missing), key=lambda error: error.hint != SEE_ALL)


def _read_nothing(_: NodeView) -> None:
    return None


def _is_fault(view: NodeView, fail_on: str, context: ViewContext) -> bool:
    if fail_on == UNUSABLE and UNUSABLE not in context.settings.pools:
        return not view.is_usable
    return view.pool == fail_on
