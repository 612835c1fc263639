"""`plabctl tick`: test the nodes that are due and move them.

Tests: `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

import sys
import time

import click

from plabctl.app.context import open_app
from plabctl.app.invocation import find_last_error, tick
from plabctl.cli import output
from plabctl.cli.error_report import run_reporting_errors
from plabctl.cli.options import config_option, find_actor, listing_options, make_command, nodes_argument

_EXAMPLE = """\
plabctl tick
plabctl tick --dry-run
plabctl tick pc1.example.org
"""


@make_command("tick", example=_EXAMPLE)
@nodes_argument(required=False)
@click.option("--dry-run", "-n", is_flag=True, help="Show which nodes would be tested, and do nothing else.")
@listing_options
@config_option
def command(
    nodes: tuple[str, ...], dry_run: bool, form: str | None, header: bool, color: str, config: str | None
) -> int:
    """Test the nodes that are due, as many at once as the window allows, and move them according to the results.

    This is what cron runs every minute. It prints nothing when all is well, and a lasting error once an hour; ticks may
    overlap. With NODES, those are tested now, due or not.
    """
    if dry_run:
        return _show_plan(config, nodes, output.choose_form(form, header=header, color=color))
    if nodes:
        return _tick_nodes(config, nodes)
    if sys.stderr.isatty():
        return tick(config)
    last_error = find_last_error(config)
    code = run_reporting_errors(
        lambda: tick(config), complain=lambda text: last_error.record_failure(text, time.time())
    )
    if code == 0 and (over := last_error.record_success(time.time())):
        output.write_note(over)
    return code


def _tick_nodes(config: str | None, nodes: tuple[str, ...]) -> int:
    from plabctl.app import change_nodes as use
    from plabctl.app.retest_now import retest_and_wait
    from plabctl.core.selection import read_plain_names

    app = open_app(config)
    names = read_plain_names(nodes) or use.choose_nodes(app, nodes).names
    code = retest_and_wait(app, names, use.build_order(app, find_actor(), "")).exit_code
    return 0 if code == 1 else code


def _show_plan(config: str | None, nodes: tuple[str, ...], how: output.Form) -> int:
    from plabctl.app import queries
    from plabctl.render import tick_plan_table

    context = queries.read_context(config)
    only = queries.list_chosen(context, nodes) if nodes else None
    output.show_listing(tick_plan_table.build_listing(context, only), how)
    return 0
