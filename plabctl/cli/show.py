"""`plabctl show`: all about one node, in words.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import sys

import click

from plabctl.app import queries
from plabctl.app.history_queries import read_node
from plabctl.cli import output
from plabctl.cli.candidates import complete_nodes
from plabctl.cli.options import config_option, make_command, output_options
from plabctl.render import event_table, node_page

_EXAMPLE = """\
plabctl show pc1.example.org
plabctl show pc1.example.org -o json
"""


@make_command("show", example=_EXAMPLE)
@click.argument("node", shell_complete=complete_nodes)
@output_options("table", "tsv", "json")
@config_option
def command(node: str, form: str | None, header: bool, color: str, config: str | None) -> None:
    """Show one node: its pool, since when and why, its last test, and when it is tested next.

    The last test is shown with the output of each stage. In TSV each line is a label and a text.
    """
    context = queries.read_context(config)
    found = read_node(context, queries.find_one(context, node))
    if found.skipped_count:
        output.write_note(event_table.format_skipped(found.skipped_count))
    how = output.choose_form(form, header=header, color=color)
    if how.name == "json":
        output.write([node_page.format_json(found, context)])
        return
    lines = node_page.build_lines(found, context)
    if how.is_for_people and sys.stdout.isatty():
        from plabctl.render.explanation import fold_lines
        from plabctl.render.text_table import find_width

        lines = fold_lines(lines, find_width(sys.stdout))
    output.show_lines(lines, how)
