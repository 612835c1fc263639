"""`plabctl retest`: test nodes before all others.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from plabctl.app import change_nodes as use
from plabctl.app.context import open_app
from plabctl.cli import output
from plabctl.cli.node_changes import choose_nodes, print_changes
from plabctl.cli.options import config_option, find_actor, make_command, nodes_argument, quiet_option, yes_option
from plabctl.counts import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plabctl.app.context import App
    from plabctl.app.retest_now import RetestResult
    from plabctl.core.node_orders import Order
    from plabctl.views.node import ViewContext

_FEW = 20
"""The results of more nodes are shown to people as a summary: a line for each reason."""

_EXAMPLE = """\
plabctl retest pc1.example.org
plabctl retest @bad --yes
plabctl retest pc1.example.org --wait && echo usable
"""


@make_command("retest", example=_EXAMPLE)
@nodes_argument(required=True)
@click.option("--reason", "-r", metavar="TEXT", default="", help="The reason; it is kept in the history.")
@click.option("--wait", "-w", is_flag=True, help="Test them now, wait for the results, and exit by them.")
@yes_option
@quiet_option
@config_option
def command(nodes: tuple[str, ...], reason: str, wait: bool, yes: bool, quiet: bool, config: str | None) -> int:
    """Make nodes due now: the next tick tests them before all others.

    With --wait this command tests them itself, within the window, and moves them as a tick would. It exits with 0 if
    all passed, else with 1.
    """
    app = open_app(config)
    order = use.build_order(app, find_actor(), reason)
    names = choose_nodes(app, nodes, "retest", yes=yes, quiet=quiet)
    if not wait:
        print_changes(use.retest(app, names, order), quiet=quiet)
        return 0
    return retest_nodes(app, names, order, quiet=quiet)


def retest_nodes(app: App, names: Sequence[str], order: Order, *, quiet: bool) -> int:
    """Test these nodes here and now, show what came of it, and return the exit code for that."""
    from plabctl.app.goals import ignore_progress
    from plabctl.app.retest_now import retest_and_wait

    def report_begun() -> None:
        if not quiet:
            output.write_note(f"testing {format_count(len(names), 'node')}")

    with output.open_test_bar() if not quiet else nullcontext(ignore_progress) as on_progress:
        verdict = retest_and_wait(app, names, order, report_begun, on_progress)
    if not quiet:
        _show_result(app, verdict)
    return verdict.exit_code


def _show_result(app: App, verdict: RetestResult) -> None:
    from plabctl.render import status_table

    how = output.choose_form(None)
    context, names = verdict.context, verdict.names
    if not how.is_for_people:
        output.show_listing(status_table.build_data_listing(context, names, how.name), how)
    elif len(names) > _FEW:
        from plabctl.render import group_table

        output.show_listing(group_table.build_listing(context, names, "reason"), how)
        output.write_line(f"{verdict.passed_count} of {len(names)} passed")
    else:
        output.show_listing(status_table.build_listing(context, names), how)
        if len(names) == 1:
            _show_remedy(app, context, names[0])


def _show_remedy(app: App, context: ViewContext, name: str) -> None:
    from plabctl.render.remedy import format_remedy

    node, member = context.state.node(name), context.state.member(name)
    if node and member and member.last:
        remedy = format_remedy(member.last.cause, name, node.variables, app.settings.ssh)
        if remedy:
            output.write_note(f"if that is right: {remedy}")
