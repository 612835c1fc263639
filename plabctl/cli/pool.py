"""`plabctl pool`: the pools and their rules.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import click

from plabctl.app import queries
from plabctl.cli import output
from plabctl.cli.candidates import complete_pools
from plabctl.cli.options import config_option, listing_options, make_command, make_group, output_options
from plabctl.render import pool_table
from plabctl.render.data_formats import format_document
from plabctl.views.pools import list_pool_views

_EXAMPLE = """\
plabctl pool list
plabctl pool show bad
"""


@make_group("pool", example=_EXAMPLE)
def command() -> None:
    """Show the pools and their rules."""


@make_command("list", example="plabctl pool list -o json", parent=command)
@listing_options
@config_option
def list_(form: str | None, header: bool, color: str, config: str | None) -> None:
    """List the pools, including those of experiments: how many nodes they have, and how they share the window.

    USE is the share of slot-seconds that a pool used recently, SHARE the part of the window that it is guaranteed now,
    OLDEST WAIT how long its longest-waiting member has been due.
    """
    output.show_listing(
        pool_table.build_listing(queries.read_context(config)), output.choose_form(form, header=header, color=color)
    )


@make_command("show", example="plabctl pool show bad", parent=command)
@click.argument("pool", shell_complete=complete_pools)
@output_options("table", "tsv", "json")
@config_option
def show(pool: str, form: str | None, header: bool, color: str, config: str | None) -> None:
    """Show one pool: its nodes, its recipe, when nodes leave it, and its back-off."""
    context = queries.read_context(config)
    queries.check_pool_names(context, [pool])
    view = next(view for view in list_pool_views(context) if view.name == pool)
    how = output.choose_form(form, header=header, color=color)
    if how.name == "json":
        output.write([format_document(view)])
    else:
        output.show_lines(pool_table.build_pool_lines(view, context.settings), how)
