"""`plabctl hold`: pin nodes where they are.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

from plabctl.app import change_nodes as use
from plabctl.app.context import open_app
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
plabctl hold pc1.example.org --reason "being debugged" --for 4h
plabctl hold @good --reason "power works tonight" --for 12h --yes
"""


@make_command("hold", example=_EXAMPLE)
@nodes_argument(required=True)
@reason_option
@for_option
@if_rev_option
@yes_option
@quiet_option
@config_option
def command(
    nodes: tuple[str, ...],
    reason: str,
    until_at: float | None,
    if_rev: int | None,
    yes: bool,
    quiet: bool,
    config: str | None,
) -> None:
    """Keep nodes in their pools: tests go on, but do not move them."""
    app = open_app(config)
    order = use.build_order(app, find_actor(), reason, if_rev)
    names = choose_nodes(app, nodes, "hold", yes=yes, quiet=quiet)
    print_changes(use.hold(app, names, order, until_at), quiet=quiet)
