"""`plabctl move`: put nodes into another pool.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import click

from plabctl.app import change_nodes as use
from plabctl.app.context import open_app
from plabctl.cli.candidates import complete_pools
from plabctl.cli.node_changes import choose_nodes, print_changes
from plabctl.cli.options import (
    config_option,
    find_actor,
    for_option,
    if_rev_option,
    make_command,
    nodes_argument,
    quiet_option,
    reason_option,
    yes_option,
)

_EXAMPLE = """\
plabctl move pc1.example.org bad --reason "disk is being replaced"
plabctl move pc1.example.org bad --reason "disk is being replaced" --for 2d
plabctl move @bad good --reason "the switch is back" --yes
"""


@make_command("move", example=_EXAMPLE)
@nodes_argument(required=True)
@click.argument("pool", shell_complete=complete_pools)
@reason_option
@for_option
@if_rev_option
@yes_option
@quiet_option
@config_option
def command(
    nodes: tuple[str, ...],
    pool: str,
    reason: str,
    for_s: float | None,
    if_rev: int | None,
    yes: bool,
    quiet: bool,
    config: str | None,
) -> None:
    """Move nodes to another pool, where they are tested at once.

    Later tests move them again, unless --for keeps them there for a while. A test that is already running does not
    count.
    """
    app = open_app(config)
    order = use.build_order(app, find_actor(), reason, if_rev)
    names = choose_nodes(app, nodes, f"move to {pool}", yes=yes)
    print_changes(use.move(app, names, pool, order, for_s), quiet=quiet)
