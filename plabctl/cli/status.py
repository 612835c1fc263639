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
from plabctl.core.selection import build_sort_key
from plabctl.render import status_table
from plabctl.render.data_formats import format_json
from plabctl.render.listing import Listing

_PACE_S = 0.5

_EXAMPLE = """\
plabctl status
plabctl status -p bad -o name
plabctl status 'pc*.example.org' -o json
plabctl status --watch
"""


@make_command("status", example=_EXAMPLE)
@nodes_argument(required=False)
@pool_option
@listing_options
@click.option("--watch", "-w", is_flag=True, help="Keep running and show every change (in a pipe: JSON lines).")
@click.option(
    "--fail-on", metavar="POOL", shell_complete=complete_pools, help="Exit with 1 when a listed node is in this pool."
)
@config_option
def command(
    nodes: tuple[str, ...],
    pools: tuple[str, ...],
    form: str | None,
    header: bool,
    color: str,
    watch: bool,
    fail_on: str | None,
    config: str | None,
) -> int:
    """Show which nodes are good, which are bad, and why.

    NODES are names, globs or @POOL; all nodes if none are given. The totals always count all nodes.
    """
    if watch:
        return _watch(config, nodes, pools, form, color)
    context = queries.read_context(config)
    queries.check_pool_names(context, (*pools, *([fail_on] if fail_on else [])))
    names = queries.list_chosen(context, nodes, pools)
    how = output.choose_form(form, header=header, color=color)
    if how.is_for_people:
        names.sort(key=build_sort_key)
        output.show_listing(status_table.build_listing(context, names), how)
    else:
        output.show_listing(status_table.build_data_listing(context, names, how.name), how)
    return int(bool(fail_on) and queries.is_any_in(context, names, fail_on or ""))


def _watch(config: str | None, nodes: tuple[str, ...], pools: tuple[str, ...], form: str | None, color: str) -> int:
    """Show the status until the person leaves, or until nobody reads any more."""
    eye = queries.ChangeWatcher(config)
    queries.check_pool_names(eye.read(), pools)
    queries.list_chosen(eye.read(), nodes, pools)
    if sys.stdout.isatty() and form in {None, *output.FOR_PEOPLE}:
        from plabctl.render.watch_screen import watch_frame

        def frame() -> Listing:
            context = eye.read()
            return status_table.build_listing(
                context, sorted(queries.list_chosen_if_any(context, nodes, pools), key=build_sort_key)
            )

        try:
            watch_frame(frame, color=output.choose_color(color), has_changed=eye.has_changed)
        except KeyboardInterrupt:
            return 0
        return 0
    while True:
        context = eye.read()
        output.write(
            format_json(
                status_table.build_data_listing(context, queries.list_chosen_if_any(context, nodes, pools), "json")
            )
        )
        output.flush()
        while not eye.has_changed():
            time.sleep(_PACE_S)
