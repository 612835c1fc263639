"""`plabctl retest`: test nodes before all others.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from plabctl.app import change_nodes as use
from plabctl.app.context import open_app
from plabctl.cli import output
from plabctl.cli.node_changes import accept_busy, busy_option, choose_nodes, print_changes
from plabctl.cli.options import (
    config_option,
    find_actor,
    make_command,
    nodes_argument,
    quiet_option,
    yes_option,
)
from plabctl.cli.time_types import Duration
from plabctl.counts import format_count
from plabctl.errors import UsageFault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from plabctl.app.context import App
    from plabctl.app.goals import OnProgress
    from plabctl.app.retest_now import RetestResult
    from plabctl.core.node_orders import Order
    from plabctl.views.node import ViewContext

_FEW = 20
"""The results of more nodes are shown to people as a summary: a line for each reason."""

_EXAMPLE = """\
plabctl retest pc1.example.org
plabctl retest @bad --yes
plabctl retest pc1.example.org --wait && echo passed
plabctl retest pc1.example.org --wait --fresh 15m --timeout 2m && echo usable
"""


@make_command("retest", example=_EXAMPLE)
@nodes_argument(required=True)
@click.option("--reason", "-r", metavar="TEXT", default="", help="The reason; it is kept in the history.")
@click.option("--wait", "-w", is_flag=True, help="Test them now, wait for the results, and exit by them.")
@click.option(
    "--fresh",
    "fresh_s",
    metavar="AGE",
    type=Duration(),
    help="With --wait: do not test a usable node that passed a test within this time.",
)
@click.option(
    "--timeout",
    "timeout_s",
    metavar="TIME",
    type=Duration(),
    help="With --wait: give up what has not ended after this time.",
)
@busy_option
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="With --fresh: print the result as JSON.")
@yes_option
@quiet_option
@config_option
def command(
    nodes: tuple[str, ...],
    *,
    reason: str,
    wait: bool,
    fresh_s: float | None,
    timeout_s: float | None,
    busy: bool,
    form: str | None,
    yes: bool,
    quiet: bool,
    config: str | None,
) -> int:
    """Make nodes due now: the next tick tests them before all others.

    With --wait this command tests them itself, within the window, and moves them as a tick would. It exits with 0 if
    all passed, else with 1.

    A node that somebody uses is tested only with --busy, or when you say so on a terminal; see occupancy.md.

    With --wait --fresh AGE it is a gate for prologs and scripts: a usable node whose last test passed at most AGE ago
    is not tested again, and the others are tested now, unless a person keeps them where they are. It exits with 0 only
    if all are usable then, else with 1 and a line for each reason. It asks nothing, and in a pipe it is silent when all
    is well.
    """
    if not wait and (fresh_s is not None or timeout_s is not None):
        raise UsageFault(f"{'--timeout' if fresh_s is None else '--fresh'} needs --wait")
    if form and fresh_s is None:
        raise UsageFault("-o json needs --wait --fresh AGE")
    app = open_app(config)
    order = replace(use.build_order(app, find_actor(), reason), takes_busy=busy)
    if fresh_s is not None:
        return _ask_gate(app, use.choose_nodes(app, nodes).names, order, fresh_s, timeout_s, form=form, quiet=quiet)
    names = choose_nodes(app, nodes, "retest", yes=yes, quiet=quiet)
    order = replace(order, takes_busy=accept_busy(app, names, takes_busy=busy))
    if not wait:
        print_changes(use.retest(app, names, order), quiet=quiet)
        return 0
    return retest_nodes(app, names, order, timeout_s, quiet=quiet)


def retest_nodes(app: App, names: Sequence[str], order: Order, timeout_s: float | None = None, *, quiet: bool) -> int:
    """Test these nodes here and now, show what came of it, and return the exit code for that."""
    from plabctl.app.retest_now import retest_and_wait

    with _open_bar(quiet=quiet) as on_progress:
        verdict = retest_and_wait(
            app, names, order, lambda: _note_begun(names, quiet=quiet), on_progress, timeout_s=timeout_s
        )
    if not quiet:
        _show_result(app, verdict)
    if verdict.warning:
        output.write_note(f"plabctl: {verdict.warning}")
    return verdict.exit_code


def _open_bar(*, quiet: bool) -> AbstractContextManager[OnProgress]:
    from plabctl.app.goals import ignore_progress

    return nullcontext(ignore_progress) if quiet else output.open_test_bar()


def _note_begun(names: Sequence[str], *, quiet: bool) -> None:
    if not quiet:
        output.write_note(f"testing {format_count(len(names), 'node')}")


def _ask_gate(
    app: App,
    names: Sequence[str],
    order: Order,
    fresh_s: float,
    timeout_s: float | None,
    *,
    form: str | None,
    quiet: bool,
) -> int:
    from plabctl.app.ask_gate import ask_and_test
    from plabctl.render import gate_result

    is_shown = sys.stdout.isatty() and not quiet and form is None
    with _open_bar(quiet=quiet) as on_progress:
        result = ask_and_test(
            app, names, fresh_s, timeout_s, order, lambda stale: _note_begun(stale, quiet=not is_shown), on_progress
        )
    if form:
        output.write([gate_result.format_json(result)])
    elif is_shown and result.is_open:
        output.write_line(gate_result.format_open(result))
    if result.warning:
        output.write_note(f"plabctl: {result.warning}")
    for line in gate_result.format_closed(result):
        output.write_note(line)
    return result.exit_code


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
    from plabctl.render.remedy import format_help, format_remedy

    node, member = context.state.node(name), context.state.member(name)
    if node and member and member.last:
        if look_at := format_help(member.last.cause, member.last.reason, name):
            output.write_note(f"look at {look_at}")
        remedy = format_remedy(member.last.cause, name, node.variables, app.settings.ssh)
        if remedy:
            output.write_note(f"if that is right: {remedy}")
