"""`plabctl status`: which nodes are good, which are bad, and why.

Tests: `tests/cli/test_reading_commands.py`; with `--watch`, `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

import sys
import time

import click

from plabctl.app import queries
from plabctl.cli import output
from plabctl.cli.candidates import complete_pools
from plabctl.cli.options import config_option, listing_options, make_command, nodes_argument, pool_option
from plabctl.core.model import Cause
from plabctl.errors import NoSuchNode
from plabctl.render import status_table
from plabctl.render.data_formats import format_json
from plabctl.render.listing import Listing
from plabctl.values import dataclass
from plabctl.views.node import ViewContext

_PACE_S = 0.5

_EXAMPLE = """\
plabctl status
plabctl status -p bad -o name
plabctl status 'pc*.example.org' -o json
plabctl status --cause connect --sort since
plabctl status --watch
"""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be listed, and in which order."""

    nodes: tuple[str, ...]
    pools: tuple[str, ...]
    sort: str | None
    cause: Cause | None

    def list_names(self, context: ViewContext) -> list[str]:
        """Return the names of the nodes; raise NoSuchNode, NoSuchPool, or UsageFault for a field that is none."""
        names = queries.list_chosen(context, self.nodes, self.pools)
        if self.cause is None and self.sort is None:
            return names
        from plabctl.views.status_order import filter_cause, sort_names_by

        if self.cause is not None:
            names = list(filter_cause(context, names, self.cause))
        return names if self.sort is None else sort_names_by(context, names, self.sort)

    def list_names_if_any(self, context: ViewContext) -> list[str]:
        """Return the same, or nothing when there is no such node now."""
        try:
            return self.list_names(context)
        except NoSuchNode:
            return []

    def build_listing(self, context: ViewContext, names: list[str], form: str) -> Listing:
        """Return the status of these nodes, in the form of that name."""
        if form in output.FOR_PEOPLE:
            return status_table.build_listing(context, names, by_need=self.sort is None)
        return status_table.build_data_listing(context, names, form)


@make_command("status", example=_EXAMPLE)
@nodes_argument(required=False)
@pool_option
@listing_options
@click.option(
    "--sort",
    metavar="FIELD",
    help="Sort by a column of TSV or a label, such as since, reason or site; -FIELD: the highest first.",
)
@click.option(
    "--cause",
    type=click.Choice([each.value for each in Cause]),
    help="Only nodes whose last test ended so.",
)
@click.option("--watch", "-w", is_flag=True, help="Keep running and show every change (in a pipe: JSON lines).")
@click.option(
    "--fail-on", metavar="POOL", shell_complete=complete_pools, help="Exit with 1 when a listed node is in this pool."
)
@config_option
def command(
    nodes: tuple[str, ...],
    *,
    pools: tuple[str, ...],
    form: str | None,
    header: bool,
    color: str,
    sort: str | None,
    cause: str | None,
    watch: bool,
    fail_on: str | None,
    config: str | None,
) -> int:
    """Show which nodes are good, which are bad, and why.

    NODES are names, globs or @POOL; all nodes if none are given. The totals always count all nodes.
    """
    wanted = _Wanted(nodes, pools, sort, Cause(cause) if cause else None)
    if watch:
        return _watch(config, wanted, form, color)
    context = queries.read_context(config)
    queries.check_pool_names(context, (*pools, *([fail_on] if fail_on else [])))
    names = wanted.list_names(context)
    how = output.choose_form(form, header=header, color=color)
    output.show_listing(wanted.build_listing(context, names, how.name), how)
    return int(bool(fail_on) and queries.is_any_in(context, names, fail_on or ""))


def _watch(config: str | None, wanted: _Wanted, form: str | None, color: str) -> int:
    """Show the status until the person leaves, or until nobody reads any more."""
    eye = queries.ChangeWatcher(config)
    queries.check_pool_names(eye.read(), wanted.pools)
    wanted.list_names(eye.read())
    if sys.stdout.isatty() and form in {None, *output.FOR_PEOPLE}:
        from plabctl.render.watch_screen import watch_frame

        def frame() -> Listing:
            context = eye.read()
            return wanted.build_listing(context, wanted.list_names_if_any(context), "table")

        try:
            watch_frame(frame, color=output.choose_color(color), has_changed=eye.has_changed)
        except KeyboardInterrupt:
            return 0
        return 0
    while True:
        context = eye.read()
        output.write(format_json(wanted.build_listing(context, wanted.list_names_if_any(context), "json")))
        output.flush()
        while not eye.has_changed():
            time.sleep(_PACE_S)
