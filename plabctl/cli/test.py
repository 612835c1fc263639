"""`plabctl test`: run the set-up test on one node and show each stage.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from plabctl.app.context import open_app
from plabctl.cli import output
from plabctl.cli.candidates import complete_nodes, complete_recipes
from plabctl.cli.node_changes import accept_busy, busy_option
from plabctl.cli.options import color_option, config_option, make_command
from plabctl.render import test_result
from plabctl.render.listing import Cell
from plabctl.render.remedy import format_help, format_remedy

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.model import StageRun
    from plabctl.render.listing import Line

_EXAMPLE = """\
plabctl test pc1.example.org
plabctl test pc1.example.org --recipe command
plabctl test pc1.example.org -o json
plabctl test pc1.example.org --explain-ssh
"""


@make_command("test", example=_EXAMPLE)
@click.argument("node", shell_complete=complete_nodes)
@click.option(
    "-r", "--recipe", metavar="RECIPE", shell_complete=complete_recipes, help="The recipe (default: the node's own)."
)
@click.option(
    "--explain-ssh", "explains", is_flag=True, help="Connect to nothing: say how the node is reached, and why so."
)
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="Output format (default: text)."
)
@busy_option
@color_option
@config_option
def command(
    node: str, recipe: str | None, form: str, color: str, config: str | None, *, explains: bool, busy: bool
) -> int:
    """Run the set-up test on one node now, and show each stage with its time and output.

    Nothing is recorded and no node is moved; `plabctl retest NODE --wait` does that. On a terminal only the end of a
    long output is shown. The exit code is 0 for a pass, else 1.

    With --explain-ssh it shows the address, port, user, jump hosts, keys and host keys that a test would use, each
    with where it comes from: a variable of the node, ssh_config, a key of [ssh], or the default.
    """
    from plabctl.app import foreground_test, queries

    app = open_app(config)
    if explains:
        _explain(app, node, form, color=output.choose_color(color))
        return 0
    name = queries.find_one(queries.read_context_of(app), node)
    accept_busy(app, [name], takes_busy=busy)
    job = foreground_test.build_assignment(app, name, recipe)
    colored = output.choose_color(color)

    def tell(lines: Sequence[Line]) -> None:
        if form == "text":
            _show(lines, color=colored)

    def tell_stage(run: StageRun) -> None:
        tell(test_result.format_stage(run, whole=not sys.stdout.isatty()))

    tell(test_result.format_beginning(job.node.name, job.recipe, foreground_test.list_jump_hosts(app, job)))
    done = foreground_test.run_test(app, job, tell_stage)
    tell(test_result.format_verdict(done.report))
    if look_at := format_help(done.report.cause, done.report.reason, job.node.name):
        tell([("", Cell(f"look at {look_at}"))])
    if remedy := format_remedy(done.report.cause, job.node.name, job.node.variables, app.settings.ssh):
        tell([("", Cell(f"if that is right: {remedy}"))])
    if form == "json":
        output.write([test_result.format_json(done.report)])
    return done.exit_code or test_result.choose_exit_code(done.report)


def _explain(app: App, node: str, form: str, *, color: bool) -> None:
    from plabctl.app.explain_ssh import explain_ssh
    from plabctl.render import ssh_route, text_table

    route = explain_ssh(app, node)
    if form == "json":
        output.write([ssh_route.format_json(route)])
    else:
        text_table.show_table(ssh_route.build_listing(route), sys.stdout, color=color)
    output.flush()


def _show(lines: Sequence[Line], *, color: bool) -> None:
    from plabctl.render import text_table

    text_table.show_lines(lines, sys.stdout, color=color)
    output.flush()
