"""`plabctl retest`: test nodes before all others."""

from __future__ import annotations

import click

from plabctl.cli.options import actor, config_option, nodes_argument, quiet_option, verb, yes_option

_EXAMPLE = """\
plabctl retest pc1.example.org
plabctl retest @bad --yes
plabctl retest pc1.example.org --wait && echo usable
"""


@verb("retest", example=_EXAMPLE)
@nodes_argument(required=True)
@click.option("--reason", "-r", metavar="TEXT", default="", help="Why; kept in the history.")
@click.option("--wait", "-w", is_flag=True, help="Test them here and now, and exit by the verdict.")
@yes_option
@quiet_option
@config_option
def command(nodes: tuple[str, ...], reason: str, wait: bool, yes: bool, quiet: bool, config: str | None) -> int:
    """Make nodes due now: the next tick tests them before all others.

    With --wait they are tested here, within the window, and their pools change as they would by a tick. The exit code
    is then 0 if all passed, else 1.
    """
    from plabctl.app import orders as use  # noqa: PLC0415 - what --help can spare
    from plabctl.app.context import open_app  # noqa: PLC0415 - as above
    from plabctl.cli import output  # noqa: PLC0415 - as above
    from plabctl.cli.orders import choose, report  # noqa: PLC0415 - as above

    app = open_app(config)
    order = use.order_of(app, actor(), reason)
    names = choose(app, nodes, "retest", yes=yes)
    done = use.retest(app, names, order)
    if not wait:
        report(done, quiet=quiet)
        return 0
    from plabctl.app.waiting import test_and_wait  # noqa: PLC0415 - fabric, only to test at once

    if not quiet:
        output.note(f"testing {len(names)} node{'' if len(names) == 1 else 's'}")
    verdict = test_and_wait(app, names)
    if not quiet:
        from plabctl.report import status  # noqa: PLC0415 - as above

        how = output.choose_form(None)
        situation = verdict.situation
        output.show(
            status.listing(situation, names) if how.is_for_people else status.data(situation, names, how.name), how
        )
    return verdict.exit_code
