"""`plabctl release`: remove the hold, or let a node that is stuck begin anew.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import click

from plabctl.app import change_nodes as use
from plabctl.app.context import open_app
from plabctl.cli.node_changes import choose_nodes, print_changes
from plabctl.cli.options import (
    config_option,
    find_actor,
    if_rev_option,
    make_command,
    nodes_argument,
    quiet_option,
    yes_option,
)

_EXAMPLE = """\
plabctl release pc1.example.org
"""


@make_command("release", example=_EXAMPLE)
@nodes_argument(required=True)
@click.option("--reason", "-r", metavar="TEXT", default="", help="The reason; it is kept in the history.")
@if_rev_option
@yes_option
@quiet_option
@config_option
def command(
    nodes: tuple[str, ...], reason: str, if_rev: int | None, yes: bool, quiet: bool, config: str | None
) -> None:
    """Release nodes that a person holds or moved to bad, or that need a person because they failed too often.

    They are tested at once, and tests move them again. How often they failed before is forgotten.
    """
    app = open_app(config)
    order = use.build_order(app, find_actor(), reason, if_rev)
    print_changes(use.release(app, choose_nodes(app, nodes, "release", yes=yes, quiet=quiet), order), quiet=quiet)
