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
from plabctl.errors import UsageFault

_EXAMPLE = """\
plabctl move pc1.example.org bad --reason "disk is being replaced"
plabctl move pc1.example.org bad --reason "disk is being replaced" --for 2d
plabctl move pc1.example.org bad --reason "looks slow" --once
plabctl move @bad good --reason "the switch is back" --yes
"""


@make_command("move", example=_EXAMPLE)
@nodes_argument(required=True, before_pool=True)
@click.argument("pool", shell_complete=complete_pools)
@reason_option
@for_option
@click.option("--once", is_flag=True, help="Only move them: tests go on deciding.")
@if_rev_option
@yes_option
@quiet_option
@config_option
def command(
    nodes: tuple[str, ...],
    pool: str,
    reason: str,
    until_at: float | None,
    *,
    once: bool,
    if_rev: int | None,
    yes: bool,
    quiet: bool,
    config: str | None,
) -> None:
    """Move nodes to another pool, where they are tested at once.

    In a bad pool they stay until `plabctl release`, or until --for ends; --once leaves it to tests when they return. In
    a good pool they stay until a test fails, or at least until --for ends. Nodes that are there already are kept there.
    A test that is already running does not count.
    """
    if once and until_at is not None:
        raise UsageFault("--once and --for exclude each other")
    app = open_app(config)
    order = use.build_order(app, find_actor(), reason, if_rev)
    names = choose_nodes(app, nodes, "move", f"to {pool}", yes=yes, quiet=quiet)
    print_changes(use.move(app, names, pool, order, until_at, is_once=once), quiet=quiet)
