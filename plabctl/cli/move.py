"""`plabctl move`: put nodes into another pool."""

from __future__ import annotations

import click

from plabctl.cli.candidates import complete_pools
from plabctl.cli.options import (
    actor,
    config_option,
    for_option,
    if_rev_option,
    nodes_argument,
    quiet_option,
    reason_option,
    verb,
    yes_option,
)

_EXAMPLE = """\
plabctl move pc1.example.org bad --reason "disk is being replaced"
plabctl move pc1.example.org bad --reason "disk is being replaced" --for 2d
plabctl move @bad good --reason "the switch is back" --yes
"""


@verb("move", example=_EXAMPLE)
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
    """Put nodes into another pool, to be tested there at once.

    What the tests say afterwards moves them again, unless --for keeps them there for a time. A test that is running
    meanwhile decides nothing.
    """
    from plabctl.app import orders as use  # noqa: PLC0415 - what --help can spare
    from plabctl.app.context import open_app  # noqa: PLC0415 - as above
    from plabctl.cli.orders import choose, report  # noqa: PLC0415 - as above

    app = open_app(config)
    order = use.order_of(app, actor(), reason, if_rev)
    names = choose(app, nodes, f"move to {pool}", yes=yes)
    report(use.move(app, names, pool, order, for_s), quiet=quiet)
