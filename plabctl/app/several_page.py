"""Write one page over several monitors, each read from its source.

I/O, through `plabctl.app.monitors`. It has what their statuses say: the nodes of all, what needs attention, how each
monitor is; no past, and no page of a single node, which the page of its own monitor has. Its `status.json`, and its
`stats.json`, are sources again.
Tests: `tests/cli/test_report_from.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from plabctl.app.fetch_source import STATS, STATUS
from plabctl.app.monitors import Monitors
from plabctl.app.several_stats import StatsAsked, read_several_stats
from plabctl.app.sources import parse_sources
from plabctl.app.write_page import INDEX
from plabctl.core.names import build_sort_key
from plabctl.core.settings_parts import ReportSettings
from plabctl.core.stats.tally import Span
from plabctl.errors import PageFault, StoreBusy, StoreError, Untrusted, UsageFault
from plabctl.files.page_folder import PageFolder, explain
from plabctl.render import stats_table
from plabctl.render.data_formats import format_json
from plabctl.render.html.pages import Pages
from plabctl.render.listing import Listing
from plabctl.values import replace
from plabctl.views.node import NODE_COLUMNS
from plabctl.views.page import DAY_S, PageView, count_conditions, list_attention, list_page_nodes, view_monitors

_ELSEWHERE = "name an empty directory, or one that is not there yet"
_SHOWN = 3
_MARK = {"several": True}


class SeveralPage(NamedTuple):
    """Where the page is, and what is wrong with monitors, a line each."""

    path: str
    notes: Sequence[str]
    is_partial: bool
    """Whether a monitor could not be read."""


def write_several_page(words: Sequence[str], path: str, *, wait_s: float = 0.0, has_stats: bool = False) -> SeveralPage:
    """Write the page of the monitors that `words` name into the directory at `path`, with `has_stats` statistics, too.

    Raise StoreError when no monitor can be read, StoreBusy when another process writes there for longer than `wait_s`,
    PageFault when the directory is not ours or cannot be written, UsageFault when it is a source.
    """
    _refuse_itself(words, path)
    view, notes, is_partial = _collect(words)
    files = _render_files(view)
    if has_stats:
        now = view.head.generated_at
        asked = StatsAsked(Span(now - ReportSettings().days * DAY_S, now), is_any_span=True, is_for_page=True)
        try:
            found = read_several_stats(words, asked)
        except StoreError as error:
            notes, is_partial = [*notes, *f"{error}".splitlines()], True
        else:
            files[STATS] = "".join(format_json(stats_table.build_listing(found.head, found.views)))
            notes, is_partial = [*dict.fromkeys((*notes, *found.notes))], is_partial or found.is_partial
    _write_files(path, files, wait_s)
    return SeveralPage(f"{path}/{INDEX}", notes, is_partial)


def _refuse_itself(words: Sequence[str], path: str) -> None:
    own = {os.path.realpath(path), os.path.realpath(os.path.join(path, STATUS))}
    for source in parse_sources(words):
        if not source.is_remote and os.path.realpath(source.place) in own:
            hint = "name another directory with -O, or leave it out of --from"
            raise UsageFault(f"'{source.place}' is to be the page itself", hint=hint)


def _collect(words: Sequence[str]) -> tuple[PageView, Sequence[str], bool]:
    with closing(Monitors(words)) as monitors:
        survey = monitors.survey(lambda *_: None)
        views = [view for _, context in monitors.list_contexts(survey) for view in (context.views or {}).values()]
    nodes = list_page_nodes(views)
    nodes.sort(key=lambda node: build_sort_key(node.view.monitor or ""))
    report = ReportSettings()
    head = replace(survey.head, every_seconds=report.every_s)
    names = [each.name for each in survey.monitors]
    view = PageView(
        title=f"Nodes of {', '.join(names) if len(names) <= _SHOWN else f'{len(names)} monitors'}",
        head=head,
        totals=survey.totals,
        conditions=count_conditions(nodes),
        attention=list_attention(nodes),
        nodes=nodes,
        moves=(),
        every_s=report.every_s,
        days=report.days,
        shown_s=0.0,
        monitors=view_monitors(head.sources or (), nodes),
    )
    return view, [*survey.list_notes(), *monitors.lost], bool(monitors.lost) or not survey.are_all_read


def _render_files(view: PageView) -> dict[str, str]:
    pages = Pages(view)
    status = Listing("nodes", [node.view for node in view.nodes], NODE_COLUMNS, head=view.head)
    badges = {f"badge/{pool}.svg": pages.render_badge(pool) for pool in view.badge_pools}
    return {INDEX: pages.render_index(), STATUS: "".join(format_json(status)), **badges}


def _write_files(path: str, files: dict[str, str], wait_s: float) -> None:
    """Write the files, the index last."""
    try:
        folder = PageFolder(path, wait_s=wait_s)
        try:
            if not folder.is_locked:
                raise StoreBusy(f"the page in '{path}' is being written by another process", hint="try again soon")
            if _is_of_one(folder.read_marker()):
                raise PageFault("it has the page of one monitor", hint=_ELSEWHERE)
            folder.write_marker(json.dumps(_MARK).encode())
            for name in sorted(files, key=lambda name: name == INDEX):
                folder.write(name, files[name].encode("utf-8", "replace"))
            folder.remove("badge", folder.list_names("badge") - {os.path.basename(name) for name in files})
        finally:
            folder.close()
    except (OSError, PageFault, Untrusted) as error:
        what, hint = explain(error)
        raise PageFault(f"the page in '{path}' cannot be written: {what}", hint=hint) from error


def _is_of_one(marker: bytes) -> bool:
    try:
        return bool(marker) and json.loads(marker) != _MARK
    except ValueError:
        return False
