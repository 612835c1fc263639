"""`plabctl explain`: why a node is where it is, and what would move it.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import sys

import click

from plabctl.app import queries
from plabctl.app.context import check_pools
from plabctl.app.history_queries import read_node
from plabctl.cli import output
from plabctl.cli.candidates import complete_nodes
from plabctl.cli.options import config_option, make_command, output_options
from plabctl.render import event_table, explanation
from plabctl.render.text_table import find_width

_EXAMPLE = """\
plabctl explain pc1.example.org
plabctl explain pc1.example.org -o json
"""
_WIDTH = 80
"""Longer lines are hard to read."""


@make_command("explain", example=_EXAMPLE)
@click.argument("node", shell_complete=complete_nodes)
@output_options("table", "tsv", "json")
@config_option
def command(node: str, form: str | None, header: bool, color: str, config: str | None) -> None:
    """Explain one node: why it is where it is, and what would move it.

    On one page: the evidence for its last move, when and by whom; when its next test is due and why; what a pass or a
    failure would lead to, and when; what holds it; how long its next test may take and why; its last tests. For a move
    that plabctl made, the command that undoes it. `plabctl show` has the facts alone.
    """
    context = queries.read_context(config)
    check_pools(context.settings, context.state)
    found = read_node(context, queries.find_one(context, node))
    if found.skipped_count:
        output.write_note(event_table.format_skipped(found.skipped_count))
    how = output.choose_form(form, header=header, color=color)
    if how.name == "json":
        output.write([explanation.format_json(found, context)])
        return
    lines = explanation.build_lines(found, context)
    if how.is_for_people:
        width = min(_WIDTH, find_width(sys.stdout)) if sys.stdout.isatty() else _WIDTH
        lines = explanation.fold_lines(lines, width)
    output.show_lines(lines, how)
