"""Collect the nodes of several monitors for other tools, each node once.

I/O, through `plabctl.app.monitors`. How nodes are reached stands in a configuration on this machine and in no status.
A node that two monitors claim is as the one sees it that thinks worse of it, so that it is usable, and selected as
such, only if both say so; where they reach it differently nobody can say which machine is meant, and it has no way.
Tests: `tests/cli/test_export_from.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from plabctl.app.export_nodes import Collected, Wanted, Way, collect, export_nodes, knows_way
from plabctl.app.monitors import Monitors, is_one, read_source
from plabctl.app.several import refuse_missing
from plabctl.app.status_source import ToldStatus
from plabctl.core.names import build_sort_key, fold_name
from plabctl.core.part_selection import select_part
from plabctl.core.problems import ProblemKind
from plabctl.errors import PlabctlError, StoreError
from plabctl.views.exports import Export, ExportedNode
from plabctl.views.node import ViewContext

_NO_WAY = "its status does not say how its nodes are reached"
_REMEDY = "name its configuration, on its machine"


class _Part(NamedTuple):
    """What is known of one monitor before its nodes are collected."""

    pools: Sequence[str]
    selected: frozenset[str]
    """The names, in lower case, of the nodes that words select; none where all are wanted."""
    missing: Mapping[str, PlabctlError]
    knows_way: bool


class _Seen(NamedTuple):
    """A node as one monitor sees it, and whether it is wanted as such."""

    node: ExportedNode
    is_selected: bool


def collect_from(words: Sequence[str], wanted: Wanted) -> Collected:
    """Return the nodes of the monitors that `words` name; one without a name is as on its own machine.

    Raise NoSuchNode or NoSuchPool for what no monitor has; StoreError when none can be read, or none knows the way
    where it must be known.
    """
    if is_one(words):
        context = read_source(words)
        notes = [problem.reason for problem in context.told or () if problem.kind is ProblemKind.STATUS_FILE]
        if not knows_way(context) and wanted.way is Way.ALWAYS:
            raise StoreError(_NO_WAY, hint=_REMEDY)
        if not knows_way(context) and wanted.way is not Way.UNTOLD:
            notes.append(_NO_WAY)
        return collect(context, wanted)._replace(notes=notes)
    with closing(Monitors(words)) as monitors:
        return _collect_several(monitors, wanted)


def _collect_several(monitors: Monitors, wanted: Wanted) -> Collected:
    def summarize(context: ViewContext, _: ToldStatus) -> _Part:
        names, missing = _select(context, wanted)
        selected = frozenset(map(fold_name, names)) if wanted.words else frozenset[str]()
        return _Part([*context.settings.pools], selected, missing, knows_way(context))

    survey = monitors.survey(summarize)
    refuse_missing([part.missing for part in survey.kept])
    read = [each.name for each in survey.monitors if each.head is not None]
    without_way = [name for name, part in zip(read, survey.kept, strict=True) if not part.knows_way]
    notes = [*survey.list_notes()]
    if wanted.way is not Way.UNTOLD:
        notes += [f"{name}: {_NO_WAY}" for name in without_way]
    is_needed = wanted.way is Way.ALWAYS
    if is_needed and len(without_way) == len(read):
        raise StoreError("\n".join(notes), hint=_REMEDY)
    selected = frozenset[str]().union(*(part.selected for part in survey.kept))
    found: dict[str, list[_Seen]] = {}
    remarks: list[str] = []
    for name, context in monitors.list_contexts(survey):
        own = _select(context, wanted)[0]
        others = {each for each in context.state.names() if fold_name(each) in selected}
        export = export_nodes(context, own | others, wanted)
        for node in export.nodes:
            found.setdefault(fold_name(node.view.name), []).append(_Seen(node, node.view.name in own))
        remarks += [f"{name}: {remark}" for remark in export.remarks]
    notes += monitors.lost
    nodes = sorted(_choose_each(found, remarks), key=lambda node: build_sort_key(node.view.name))
    pools = dict.fromkeys(pool for part in survey.kept for pool in part.pools)
    is_partial = not survey.are_all_read or bool(monitors.lost) or bool(is_needed and without_way)
    return Collected(Export(nodes, remarks), pools, notes, is_partial)


def _select(context: ViewContext, wanted: Wanted) -> tuple[set[str], Mapping[str, PlabctlError]]:
    if not wanted.words:
        return set(context.state.names()), {}
    return select_part(wanted.words, context.state, context.settings, context.now)


def _choose_each(found: Mapping[str, Sequence[_Seen]], remarks: list[str]) -> Iterator[ExportedNode]:
    """Yield each node once, and add a remark on each that is left without a way."""
    for seen in found.values():
        if len(seen) == 1:
            yield seen[0].node
            continue
        # One that is absent at a monitor has left it.
        there = [each for each in seen if each.node.view.absent_since_at is None] or seen
        chosen, is_selected = min(there, key=lambda each: (each.node.view.is_usable, not each.is_selected))
        if not is_selected:
            continue
        reached = [each.node for each in there if each.node.server is not None]
        if len({_list_addresses(node) for node in reached}) > 1:
            chosen, reached = chosen._replace(server=None, jumps=()), []
            remarks.append(f"{chosen.view.name}: monitors reach it differently, so it is not said how")
        way = reached[0] if reached else chosen
        yield chosen._replace(server=way.server, jumps=way.jumps, access=way.access)


def _list_addresses(node: ExportedNode) -> tuple[tuple[str, int], ...]:
    return tuple((server.host, server.port) for server in (node.server, *node.jumps) if server is not None)
