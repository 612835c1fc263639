"""`plabctl status`: which nodes are good, which are bad, and why.

Tests: `tests/cli/test_reading_commands.py`; with `--watch`, `tests/cli/test_watch.py`.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing, suppress
from typing import Any

import click

from plabctl.app import queries
from plabctl.cli import output
from plabctl.cli.candidates import complete_faults
from plabctl.cli.options import config_option, listing_options, make_command, nodes_argument, pool_option, source_option
from plabctl.cli.time_types import Duration
from plabctl.core.model import Cause, Outcome
from plabctl.errors import NoSuchNode, UsageFault
from plabctl.render import status_table
from plabctl.render.listing import Listing
from plabctl.values import dataclass, replace
from plabctl.views.node import NODE_COLUMNS, ViewContext
from plabctl.views.status_changes import StatusChanges

_PACE_S = 0.5

_EXAMPLE = """\
plabctl status
plabctl status -p bad -o name
plabctl status 'pc[1-2].example.org' -o json
plabctl status @usable -o nodeset
plabctl status --by reason
plabctl status --cause connect --sort since
plabctl status --watch
"""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be listed, in which order, and which of it is a fault."""

    nodes: tuple[str, ...]
    pools: tuple[str, ...]
    sort: str | None
    cause: str | None
    by: str | None
    fail_on: str | None

    def list_names(self, context: ViewContext) -> list[str]:
        """Return the names of the nodes; raise NoSuchNode, NoSuchPool, or UsageFault for a field that is none."""
        names = queries.list_chosen(context, self.nodes, self.pools)
        if self.cause is None and self.sort is None:
            return names
        from plabctl.views.status_order import filter_cause, sort_names_by

        if self.cause is not None:
            names = list(filter_cause(context, names, Cause(self.cause)))
        return names if self.sort is None else sort_names_by(context, names, self.sort)

    def list_names_if_any(self, context: ViewContext) -> list[str]:
        """Return the same, or nothing when there is no such node now."""
        try:
            return self.list_names(context)
        except NoSuchNode:
            return []

    def build_listing(self, context: ViewContext, names: list[str], form: str) -> Listing:
        """Return the status of these nodes, in the form of that name."""
        if self.by is not None and form not in {"name", "nodeset"}:
            from plabctl.render import group_table

            return group_table.build_listing(context, names, self.by)
        if form in output.FOR_PEOPLE:
            tests = _list_tests(context, names) if form == "wide" else None
            return status_table.build_listing(context, names, by_need=self.sort is None, tests=tests)
        return status_table.build_data_listing(context, names, form)


def _list_tests(context: ViewContext, names: list[str]) -> dict[str, tuple[Outcome, ...]]:
    from plabctl.app.history_queries import list_last_tests
    from plabctl.render.strip import LENGTH

    return list_last_tests(context, names, LENGTH)


@make_command("status", example=_EXAMPLE)
@nodes_argument(required=False)
@pool_option
@listing_options
@click.option(
    "--by",
    metavar="FIELD",
    help="A line for each reason, site, label or other field, its nodes folded; by reason: usable nodes left out.",
)
@click.option(
    "--sort",
    metavar="FIELD",
    help="Sort by a column of TSV or a label, such as since, reason or site; -FIELD: the highest first.",
)
@click.option(
    "--cause",
    type=click.Choice([each.value for each in Cause]),
    metavar="CAUSE",
    help="Only nodes whose last test ended with this cause, such as connect.",
)
@click.option("--watch", "-w", is_flag=True, help="Keep running; in a pipe print what changes, as JSON lines.")
@click.option(
    "--fail-on",
    metavar="POOL|unusable",
    shell_complete=complete_faults,
    help="Exit with 1 when a listed node is in this pool, or is not usable.",
)
@source_option
@click.option(
    "--max-age",
    metavar="DURATION",
    type=Duration(),
    help="With --from: how old a status may be (default: 3m, and what its page takes to be written anew).",
)
@config_option
def command(
    *,
    form: str | None,
    header: bool,
    color: str,
    watch: bool,
    sources: tuple[str, ...],
    max_age: float | None,
    config: str | None,
    **asked: Any,
) -> int:
    """Show which nodes are good, which are bad, and why.

    All nodes if no NODES are given. The totals always count all nodes.

    With --from, it is the status that another machine wrote; several are shown as one, and a source that is old or
    cannot be read is told and hides no other. The exit code is 1 when one cannot be read, and 74 when none can.
    """
    wanted = _Wanted(**asked)
    _check_options(wanted, sources, max_age, watch=watch)
    how = output.choose_form(form, header=header, color=color)
    if watch:
        how = replace(how, pages=False)
        is_stream = form is None and not how.is_for_people
        return _watch(config, wanted, replace(how, name="jsonl") if is_stream else how)
    if sources and _are_several(sources):
        return _show_several(sources, max_age, wanted, how)
    context = _read_source(sources, max_age) if sources else queries.read_context(config)
    fail_on = wanted.fail_on
    queries.check_pool_names(context, (*wanted.pools, *([fail_on] if fail_on and fail_on != queries.UNUSABLE else [])))
    names = wanted.list_names(context)
    output.show_listing(wanted.build_listing(context, names, how.name), how)
    return int(bool(fail_on) and queries.is_any_in(context, names, fail_on or ""))


def _check_options(wanted: _Wanted, sources: tuple[str, ...], max_age: float | None, *, watch: bool) -> None:
    if wanted.by and wanted.sort:
        raise UsageFault("--by has an order of its own", hint="give --by or --sort")
    if watch and sources:
        hint = "run: watch plabctl status --from SOURCE"
        raise UsageFault("--watch looks at the state, and --from at a file", hint=hint)
    if max_age is not None and not sources:
        raise UsageFault("--max-age is for --from", hint="how old ticks may be is told by: plabctl check --max-age")


def _are_several(sources: tuple[str, ...]) -> bool:
    from plabctl.app.monitors import is_one

    return not is_one(sources)


def _read_source(sources: tuple[str, ...], max_age_s: float | None) -> ViewContext:
    from plabctl.app.monitors import read_source

    return read_source(sources, max_age_s)


def _show_several(sources: tuple[str, ...], max_age_s: float | None, wanted: _Wanted, how: output.Form) -> int:
    from plabctl.app.monitors import Monitors
    from plabctl.app.several import Asked, Several
    from plabctl.render.group_table import build_group_listing

    by = None if how.name in {"name", "nodeset"} else wanted.by
    cause = None if wanted.cause is None else Cause(wanted.cause)
    asked = Asked(wanted.nodes, wanted.pools, cause, by, wanted.sort, wanted.fail_on)
    with closing(Monitors(sources, max_age_s)) as monitors:
        found = Several(monitors, asked)
        status = found.build_status()
        if by is not None:
            listing = build_group_listing(found.groups, by, status, found.settings)
        elif how.is_for_people:
            listing = status_table.build_status_listing(status, found.settings, by_need=wanted.sort is None)
        else:
            listing = Listing("nodes", status.nodes, NODE_COLUMNS, head=status.head)
        output.show_listing(listing, how, found.survey.list_notes())
    for fault in monitors.lost:  # known only after its nodes were to be shown
        output.write_note(f"plabctl: {fault}")
    return int(found.is_failing or bool(monitors.lost) or not found.survey.are_all_read)


def _watch(config: str | None, wanted: _Wanted, how: output.Form) -> int:
    """Show the status until the person leaves, or until nobody reads any more."""
    eye = queries.ChangeWatcher(config)
    queries.check_pool_names(eye.read(), wanted.pools)
    wanted.list_names(eye.read())

    def look() -> Listing:
        context = eye.read()
        form = "jsonl" if how.name == "name" else how.name  # more than names, to see what changes
        return wanted.build_listing(context, wanted.list_names_if_any(context), form)

    if how.is_for_people and output.can_redraw(sys.stdout):
        from plabctl.render.watch_screen import watch_frame

        with suppress(KeyboardInterrupt):
            watch_frame(look, color=how.color, has_changed=eye.has_changed)
        return 0
    changes = StatusChanges()
    while True:
        _show_changes(look(), changes, how)
        output.flush()
        how = replace(how, header=False)
        while not eye.has_changed():
            time.sleep(_PACE_S)


def _show_changes(listing: Listing, changes: StatusChanges, how: output.Form) -> None:
    """Show the rows that changed since the last time, and which nodes are gone; in JSON always all."""
    if how.name == "json":
        output.show_listing(listing, how)
        return
    is_first = changes.is_first
    rows, gone = changes.take(listing.rows)
    if is_first or rows:
        shown = listing if is_first else replace(listing, titles=False, warnings=(), footer="")
        output.show_listing(replace(shown, rows=rows), how)
    if how.is_for_people:
        for name in gone:
            output.write_line(f"{name} is gone")
    elif gone:
        rows = [{listing.key: name, "removed": True} for name in gone]
        output.show_listing(replace(listing, rows=rows, encode=None), how)
