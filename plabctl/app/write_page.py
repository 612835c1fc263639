"""Write the page: collect what stands on it, and replace the files that changed, each as a whole.

I/O. Nothing of the state is locked. What stands there is in `plabctl.views.page`, how it looks in
`plabctl.render.html.pages`.
Tests: `tests/cli/test_report.py`, `tests/app/test_write_page.py`.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from plabctl.app.context import App
from plabctl.app.fork_map import map_in_processes
from plabctl.app.queries import read_context_of
from plabctl.app.read_curves import read_curves
from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.model import Event
from plabctl.core.names import sort_names
from plabctl.core.steadiness import compute_good_ratio
from plabctl.errors import PageFault, StoreBusy, StoreError, Untrusted
from plabctl.files.page_folder import PageFolder, explain
from plabctl.history.database import History
from plabctl.history.past_rows import PastHistory
from plabctl.render.data_formats import format_json
from plabctl.render.html.pages import Pages, find_page_name
from plabctl.render.listing import Listing
from plabctl.values import replace
from plabctl.views.curves import Curves
from plabctl.views.node import NODE_COLUMNS, NodeView, ViewContext
from plabctl.views.page import DAY_S, PageNode, PageView, count_conditions, list_attention, list_page_nodes
from plabctl.views.status import build_status_view

_MOVES = (
    "transition", "stuck", "guard-on", "guard-off", "hold", "release", "node-added", "node-removed", "node-absent",
    "node-back", "node-renamed", "fault", "fault-over",
)  # fmt: skip
"""The kinds of events that stand on the page."""
_MOST_MOVES = 100
_LEAST_SHOWN_S = 10.0
_OF_NODES = tuple(kind for kind in EVENT_KINDS if kind != "vnode-probe")
_MOST_EVENTS = 10
_LEAST_PART = 200
"""So many pages of nodes are worth a process: some 300 ms."""
INDEX = "index.html"
Afterwards = Callable[[PageFolder, ViewContext], None]


class WrittenPage(NamedTuple):
    """Where the page is, which state it shows, and how long it took."""

    path: str
    rev: int
    seconds: float


def write_page(app: App, path: str, *, wait_s: float = 0.0, then: Afterwards | None = None) -> WrittenPage:
    """Write the page into the directory at `path`; when that is done, `then` may write something beside it.

    Raise StoreError when the state cannot be read, StoreBusy when another process writes there for longer than
    `wait_s`, PageFault when the directory is not ours or cannot be written.
    """
    began = time.monotonic()
    try:
        folder = PageFolder(path, app.settings.origin.owners, not_in=app.settings.state_dir, wait_s=wait_s)
        try:
            if not folder.is_locked:
                raise StoreBusy(f"the page in '{path}' is being written by another process", hint="try again soon")
            context = read_context_of(app)
            view = collect(context)
            _write_files(folder, context, view)
            took_s = time.monotonic() - began
            if then:
                then(folder, context)
        finally:
            folder.close()
    except (OSError, PageFault, Untrusted) as error:
        what, hint = explain(error)
        raise PageFault(f"the page in '{path}' cannot be written: {what}", hint=hint) from error
    return WrittenPage(f"{path}/{INDEX}", view.head.rev, took_s)


def collect(context: ViewContext) -> PageView:
    """Return what stands on the page."""
    report = context.settings.report
    status = build_status_view(context, sort_names(context.state.names()))
    curves, moves, fault = _read_past(context, report.days)
    nodes = list_page_nodes(status.nodes, curves, report.days)
    return PageView(
        title=report.title or f"Nodes of {socket.gethostname()}",
        head=status.head,
        totals=status.totals,
        conditions=count_conditions(nodes),
        attention=list_attention(nodes),
        nodes=nodes,
        moves=moves,
        every_s=report.every_s,
        days=report.days,
        shown_s=curves.until_at - curves.since_at if curves else 0.0,
        curves=curves,
        history_fault=fault,
    )


def _read_past(context: ViewContext, days: int) -> tuple[Curves | None, Sequence[Event], str]:
    """Return what was, what happened lately, and why that cannot be told."""
    try:
        with PastHistory(Path(context.settings.state_dir)) as history:
            found = [record.event for record in history.read(kinds=_MOVES, limit=_MOST_MOVES)]
            begins_at = history.find_begin()
        # Where plabctl is new, a month would be one empty picture.
        known_s = max(_LEAST_SHOWN_S, context.now - (context.now if begins_at is None else begins_at))
        curves = read_curves(context, min(days, known_s / DAY_S))
    except StoreError as error:
        return None, (), str(error)
    known = {event.id for event in found}
    found += [event for event in context.state.outbox if event.kind in _MOVES and event.id not in known]
    return curves, found[: -_MOST_MOVES - 1 : -1], ""


def _write_files(folder: PageFolder, context: ViewContext, view: PageView) -> None:
    """Write the files, the index last."""
    pages = Pages(view)
    NodePages(folder, pages, Path(context.settings.state_dir)).write(view)
    by_name = {node.view.name: node.view for node in view.nodes}
    rows = [by_name[name] for name in sort_names(by_name)]
    head = replace(view.head, every_seconds=view.every_s)
    status = "".join(format_json(Listing("nodes", _add_ratios(context, rows), NODE_COLUMNS, head=head)))
    folder.write("status.json", _encode(status))
    for pool in view.badge_pools:
        folder.write(f"badge/{pool}.svg", _encode(pages.render_badge(pool)))
    folder.remove("badge", folder.list_names("badge") - {f"{pool}.svg" for pool in view.badge_pools})
    folder.write("feed.atom", _encode(pages.render_feed()))
    folder.write(INDEX, _encode(pages.render_index()))


def _add_ratios(context: ViewContext, views: Iterable[NodeView]) -> Iterator[NodeView]:
    """Yield the views with what `rank` goes by, for those who have no state."""
    members = {member.node: member for member in context.state.members()}
    for view in views:
        ratio = compute_good_ratio(members[view.name], context.settings, context.now) if view.name in members else None
        yield view._replace(steadiness_ratio=ratio)


class NodePages:
    """The pages of single nodes, of which only those are written that changed; the marker remembers what they show."""

    def __init__(self, folder: PageFolder, pages: Pages, state_dir: Path) -> None:
        self._folder = folder
        self._pages = pages
        self._history = History(state_dir)
        self._digest = f"{pages.digest} {folder.file_mode:o}"

    def write(self, view: PageView) -> None:
        """Write those that changed, and remove those of nodes that are gone."""
        known, there = self._read_marks(), self._folder.list_names("node")
        marks = {find_page_name(node.view.name): _mark(node) for node in view.nodes}
        changed = [
            (name, node)
            for node in view.nodes
            if (name := find_page_name(node.view.name)) not in there or known.get(name) != marks[name]
        ]
        self._write_pages(changed, has_events=not view.history_fault)
        self._folder.remove("node", there - marks.keys())
        self._folder.write_marker(_encode(json.dumps({"digest": self._digest, "pages": marks})))

    def _write_pages(self, changed: Sequence[tuple[str, PageNode]], *, has_events: bool) -> None:
        """Write the pages, in several processes where they are many."""
        count = max(1, len(changed) // _LEAST_PART)
        parts = [changed[place::count] for place in range(count)]
        done = map_in_processes(lambda part: self._write_part(part, has_events=has_events), parts)
        for number in set(range(count)) - done.keys():  # what failed there is raised here
            self._write_part(parts[number], has_events=has_events)

    def _write_part(self, changed: Sequence[tuple[str, PageNode]], *, has_events: bool) -> None:
        with self._history:
            for name, node in changed:
                text = self._pages.render_node(node, self._list_events(node.view.name) if has_events else [])
                self._folder.write(f"node/{name}", _encode(text))

    def _read_marks(self) -> Mapping[str, str]:
        try:
            found = json.loads(self._folder.read_marker())
            return dict(found["pages"]) if found["digest"] == self._digest else {}
        except (ValueError, TypeError, KeyError, RecursionError):
            return {}

    def _list_events(self, name: str) -> Sequence[Event]:
        return [record.event for record in self._history.read(nodes=[name], kinds=_OF_NODES, limit=_MOST_EVENTS)][::-1]


def _mark(node: PageNode) -> str:
    """Return what changes with everything that the page of the node shows."""
    view = node.view._replace(penalty=0.0, is_testing=False)
    return blake2b(repr(view).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")
