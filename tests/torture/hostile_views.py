"""What came in, through every view: each form of each command must be inert and keep its shape.

Draws in this process, by the functions that the commands call. Go on with `hostile`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from unittest import mock

from plabctl.app.queries import read_context_of
from plabctl.cli.output import Form, show_lines
from plabctl.core import forecast
from plabctl.core.model import Event, Member, Node, Outcome, Report
from plabctl.core.settings import Settings
from plabctl.render import (
    data_formats,
    event_table,
    explanation,
    next_moves,
    node_page,
    node_table,
    pool_table,
    rank_table,
    status_table,
    test_result,
    text_table,
    tick_plan_table,
)
from plabctl.render import experiment_tables as views
from plabctl.render.listing import Line, Listing
from plabctl.render.watch_screen import WatchView
from plabctl.views.experiments import VnodeView
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord
from tests.lab.harmless_text import find_active, without_styles
from tests.torture.hostile_outputs import Batch

_FORMULA = ("=", "+", "@", "\t", "\r")


class Screen(io.StringIO):
    """A terminal that keeps what it is sent."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def faults_of(batch: Batch) -> Iterator[str]:
    """Yield what is wrong with any view of the batch: the view, and the piece that is wrong."""
    context = read_context_of(batch.installation.app)
    for name, make in _listings(context, batch).items():
        for form in ("table", "wide", "tsv", "json", "jsonl", "csv", "name"):
            yield from (f"{name} -o {form}: {fault}" for fault in _of_form(make, form))
    yield from (
        f"status --watch: {fault}" for fault in _of_watch(status_table.build_listing(context, list(batch.names)))
    )
    tests = [line for report in batch.reports for line in _of_test(report)]
    yield from (f"test: {fault}" for fault in _of_lines(tests))
    documents = (test_result.format_json(report) for report in batch.reports)
    yield from (f"test -o json: {fault}" for text in documents for fault in _of_json(text))
    with mock.patch.object(next_moves, "find_path", _path_once()):
        for name, view in (("show", node_page), ("explain", explanation)):
            found = list(subjects(context, batch))
            lines = [line for subject in found for line in view.build_lines(subject, context)]
            yield from (f"{name}: {fault}" for fault in _of_lines(lines))
            documents = (view.format_json(subject, context) for subject in found)
            yield from (f"{name} -o json: {fault}" for text in documents for fault in _of_json(text))


def _path_once() -> Callable[..., object]:
    """Return what reckons once what tests would lead to for nodes that stand alike: no text of a node is in that."""
    known: dict[object, object] = {}

    def path(member: Member, settings: Settings, outcome: Outcome, now: float, *, is_guarded: bool = False) -> object:
        stand = (member.pool, member.ok_streak, member.fail_streak, member.is_suspect, outcome, is_guarded)
        if stand not in known:
            known[stand] = forecast.find_path(member, settings, outcome, now, is_guarded=is_guarded)
        return known[stand]

    return path


def _listings(context: ViewContext, batch: Batch) -> dict[str, Callable[[str], Listing]]:
    names = list(batch.names)
    events = batch.events

    def of_status(form: str) -> Listing:
        is_quick = form in {"tsv", "json", "jsonl", "name"}
        return (
            status_table.build_data_listing(context, names, form)
            if is_quick
            else status_table.build_listing(context, names)
        )

    return {
        "status": of_status,
        "node list": lambda _: node_table.build_listing(context, names),
        "history": lambda _: event_table.build_listing(events),
        "pool list": lambda _: pool_table.build_listing(context),
        "rank": lambda _: rank_table.build_listing(context, (), None),
        "tick --dry-run": lambda _: tick_plan_table.build_listing(context),
        "experiment list": lambda _: views.build_listing(context),
        "experiment show": lambda _: views.build_experiment_listing(context, "web"),
    }


def _of_form(make: Callable[[str], Listing], form: str) -> Iterator[str]:
    if form in {"table", "wide"}:
        plain, coloured = (_drawn(make(form), wide=form == "wide", color=color) for color in (False, True))
        count = sum(1 for _ in make("json").rows)
        if found := find_active(plain):
            yield found
        if without_styles(coloured) != plain:
            yield "the colours are not ours alone"
        plain = _drawn(replace(make(form), warnings=()), wide=form == "wide", color=False)  # they stand above the rows
        if plain.partition("\n\n")[0].count("\n") + ("\n\n" not in plain) * -1 + 1 not in {count, count + 1, count + 2}:
            yield f"{count} rows, and {plain.count(chr(10))} lines"
        return
    listing = make(form)
    text = "".join(data_formats.render(listing, form, header=True))
    if found := find_active(text, "\n\t" if form == "tsv" else "\n"):
        yield found
    yield from _of_shape(text, form, len(listing.fields))


def _of_shape(text: str, form: str, columns: int) -> Iterator[str]:
    match form:
        case "tsv":
            yield from (repr(line) for line in text.split("\n")[:-1] if line.count("\t") != columns - 1)
        case "csv":
            for row in csv.reader(io.StringIO(text), strict=True):
                if len(row) != columns:
                    yield repr(row)
                yield from (repr(cell) for cell in row if cell.startswith(_FORMULA) and not _is_number(cell))
        case "json" | "jsonl":
            for line in text.splitlines():
                yield from _of_json(line)


def _of_json(text: str) -> Iterator[str]:
    if found := find_active(text.removesuffix("\n"), ""):
        yield found
    try:
        json.loads(text)
    except ValueError as error:
        yield f"{error}: {text[:200]!r}"


def _of_lines(lines: Sequence[Line]) -> Iterator[str]:
    """Yield what is wrong with labelled lines, on a terminal and as TSV. What a stage printed may hold tabs there."""
    screens = [Screen(), Screen()]
    for color, screen in zip((False, True), screens, strict=True):
        text_table.show_lines(lines, screen, color=color)
    plain, coloured = (screen.getvalue() for screen in screens)
    if found := find_active(plain, "\n\t"):
        yield found
    if without_styles(coloured) != plain:
        yield f"the colours are not ours alone: {coloured!r}"
    if plain.count("\n") != len(lines):
        yield f"{len(lines)} lines are drawn as {plain.count(chr(10))}"
    with contextlib.redirect_stdout(io.StringIO()) as written:
        show_lines(lines, Form("tsv"))
    text = written.getvalue()
    if found := find_active(text, "\n\t"):
        yield f"-o tsv: {found}"
    yield from (f"-o tsv: {line!r}" for line in text.split("\n")[:-1] if line.count("\t") != 1)


def subjects(context: ViewContext, batch: Batch) -> Iterator[NodeRecord]:
    """Yield each node with its events, as `show` and `explain` get them."""
    recent: dict[str | None, list[Event]] = {}
    for event in batch.events:
        recent.setdefault(event.node, []).append(event)
    state = context.state
    for name in batch.names:
        node, member, vnode = state.node(name), state.member(name), state.vnode(f"web/{name}")
        assert isinstance(node, Node)
        assert member
        assert vnode
        yield NodeRecord(node, member, None, tuple(recent[name]), (VnodeView(vnode, vnode.state),))


def _of_watch(listing: Listing) -> Iterator[str]:
    lines = WatchView().compose(listing, 80, 24)
    if found := find_active("".join(text_table.style_text(line, color=False) for line in lines)):
        yield found


def _of_test(report: Report) -> Iterator[Line]:
    for run in report.stages:
        yield from test_result.format_stage(run, whole=True)
    yield from test_result.format_verdict(report)


def _drawn(listing: Listing, *, wide: bool, color: bool) -> str:
    screen = Screen()
    text_table.show_table(listing, screen, color=color, wide=wide)
    return screen.getvalue()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
