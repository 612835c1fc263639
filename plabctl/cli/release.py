"""`plabctl release`: take the pin out."""

from __future__ import annotations

import click

from plabctl.cli.options import actor, config_option, if_rev_option, nodes_argument, quiet_option, verb, yes_option

_EXAMPLE = """\
plabctl release pc1.example.org
"""


@verb("release", example=_EXAMPLE)
@nodes_argument(required=True)
@click.option("--reason", "-r", metavar="TEXT", default="", help="Why; kept in the history.")
@if_rev_option
@yes_option
@quiet_option
@config_option
def command(
    nodes: tuple[str, ...], reason: str, if_rev: int | None, yes: bool, quiet: bool, config: str | None
) -> None:
    """Take the pin out of held nodes: they are tested at once, and go where the test says."""
    from plabctl.app import orders as use  # noqa: PLC0415 - what --help can spare
    from plabctl.app.context import open_app  # noqa: PLC0415 - as above
    from plabctl.cli.orders import choose, report  # noqa: PLC0415 - as above

    app = open_app(config)
    order = use.order_of(app, actor(), reason, if_rev)
    report(use.release(app, choose(app, nodes, "release", yes=yes), order), quiet=quiet)
