"""`plabctl tick`: test the nodes that are due and move them."""

from __future__ import annotations

import sys
import time

import click

from plabctl.cli import output
from plabctl.cli.faults import guarded
from plabctl.cli.options import actor, config_option, nodes_argument, output_options, verb

_EXAMPLE = """\
plabctl tick
plabctl tick --dry-run
plabctl tick pc1.example.org
"""


@verb("tick", example=_EXAMPLE)
@nodes_argument(required=False)
@click.option("--dry-run", "-n", is_flag=True, help="Say which nodes would be tested, and do nothing.")
@output_options("table", "wide", "tsv", "json", "jsonl", "name")
@config_option
def command(
    nodes: tuple[str, ...], dry_run: bool, form: str | None, header: bool, color: str, config: str | None
) -> int:
    """Test the nodes that are due, as many at once as the window allows, and move them by what is found.

    This is what cron runs every minute. It says nothing when all is well, and a lasting error once an hour; ticks may
    overlap. With NODES these are tested now, due or not.
    """
    if dry_run:
        return _plan(config, nodes, output.choose_form(form, header=header, color=color))
    if nodes:
        return _these(config, nodes)
    if sys.stderr.isatty():
        return _tick(config)
    from plabctl.app.invocation import nag_of  # noqa: PLC0415 - what --help can spare

    nag = nag_of(config)
    code = guarded(lambda: _tick(config), complain=lambda text: nag.failed(text, time.time()))
    if code == 0 and (over := nag.succeeded(time.time())):
        output.note(over)
    return code


def _tick(config: str | None) -> int:
    from plabctl.app.invocation import tick  # noqa: PLC0415 - what --help can spare

    return tick(config)


def _these(config: str | None, nodes: tuple[str, ...]) -> int:
    from plabctl.app import orders as use  # noqa: PLC0415 - what --help can spare
    from plabctl.app.context import open_app  # noqa: PLC0415 - as above
    from plabctl.app.waiting import test_and_wait  # noqa: PLC0415 - as above

    app = open_app(config)
    names = use.choose(app, nodes).names
    use.retest(app, names, use.order_of(app, actor(), ""))
    code = test_and_wait(app, names).exit_code
    return 0 if code == 1 else code


def _plan(config: str | None, nodes: tuple[str, ...], how: output.Form) -> int:
    from plabctl.app import queries  # noqa: PLC0415 - what --help can spare
    from plabctl.report import plan  # noqa: PLC0415 - as above

    situation = queries.look(config)
    only = queries.chosen(situation, nodes) if nodes else None
    output.show(plan.listing(situation, only), how)
    return 0
