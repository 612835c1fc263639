"""`plabctl explain`: why a node is where it is, and what would move it."""

from __future__ import annotations

import click

from plabctl.app import queries
from plabctl.cli import output
from plabctl.cli.candidates import complete_nodes
from plabctl.cli.options import config_option, output_options, verb

_EXAMPLE = """\
plabctl explain pc1.example.org
plabctl explain pc1.example.org -o json
"""
_WIDTH = 80


@verb("explain", example=_EXAMPLE)
@click.argument("node", shell_complete=complete_nodes)
@output_options("table", "tsv", "json")
@config_option
def command(node: str, form: str | None, header: bool, color: str, config: str | None) -> None:
    """Explain one node: why it is where it is, and what would move it.

    On one page: the evidence, when and by whom; when it is tested next and why then; what a pass and what a failure
    would lead to, with times; who or what holds it; how long its next test may take and why; its last tests. A move
    that the machine made comes with the command that takes it back. `plabctl show` has the facts alone.
    """
    from plabctl.app.context import check_pools  # noqa: PLC0415 - what --help can spare
    from plabctl.app.stories import subject  # noqa: PLC0415 - as above
    from plabctl.cli.show import show_lines  # noqa: PLC0415 - as above
    from plabctl.report import explain, happened  # noqa: PLC0415 - as above

    situation = queries.look(config)
    check_pools(situation.settings, situation.state)
    found = subject(situation, queries.the_one(situation, node))
    if found.skipped_count:
        output.note(happened.skipped_note(found.skipped_count))
    how = output.choose_form(form, header=header, color=color)
    if how.name == "json":
        from plabctl.report.machine import dumps  # noqa: PLC0415 - only JSON needs it

        output.say(dumps(explain.document(found, situation)))
        return
    lines = explain.tell(found, situation)
    show_lines(explain.folded_lines(lines, _WIDTH) if how.is_for_people else lines, how)
