"""`plabctl tick`: test the nodes that are due and move them.

Tests: `tests/cli/test_terminal.py`.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from plabctl.app.background import Background
from plabctl.app.context import open_app
from plabctl.app.invocation import find_last_error, record_success, report_failure, tick
from plabctl.app.last_error import classify_error
from plabctl.cli import output
from plabctl.cli.error_report import run_reporting_errors
from plabctl.cli.options import config_option, find_actor, listing_options, make_command, nodes_argument
from plabctl.errors import PlabctlError

if TYPE_CHECKING:
    from plabctl.app.tick_sinks import TickSinks
    from plabctl.core.problems import ProblemKind

_EXAMPLE = """\
plabctl tick
plabctl tick --dry-run
plabctl tick pc1.example.org
"""


@make_command("tick", example=_EXAMPLE)
@nodes_argument(required=False)
@click.option("--dry-run", "-n", is_flag=True, help="Show which nodes would be tested, and do nothing else.")
@listing_options
@config_option
def command(
    nodes: tuple[str, ...], dry_run: bool, form: str | None, header: bool, color: str, config: str | None
) -> int:
    """Test the nodes that are due, as many at once as the window allows, and move them according to the results.

    This is what cron runs every minute. It prints nothing when all is well, and a lasting error once an hour; ticks may
    overlap. With NODES, those are tested now, due or not.
    """
    if dry_run:
        return _show_plan(config, nodes, output.choose_form(form, header=header, color=color))
    if nodes:
        return _tick_nodes(config, nodes)
    return _tick(config, is_watched=sys.stderr.isatty())


def _tick(config: str | None, *, is_watched: bool) -> int:
    """Run one tick and remember how it ended; say every error where somebody watches, else what is new."""
    last_error, background = find_last_error(config), Background(may_outlive=not is_watched)
    kind: ProblemKind | None = None
    may_tell = True

    def work() -> int:
        nonlocal kind, may_tell
        try:
            return tick(config, background, output.open_test_bar if is_watched else None)
        except PlabctlError as error:
            kind = classify_error(error)
            raise
        except (ImportError, MemoryError, OSError):  # what is not all there, or short of something, changes nothing
            may_tell = False
            raise

    def complain(text: str) -> str | None:
        said = last_error.record_failure(text, time.time(), kind or "")
        report_failure(config, kind, background, may_tell=may_tell)
        return text if is_watched else said

    sinks = _begin_sinks(config, background)
    code = run_reporting_errors(work, complain)
    if code == 0 and (over := record_success(config, background, time.time())) and not is_watched:
        output.write_note(over)
    for remark in sinks.end(code, background, says_all=is_watched) if sinks else ():
        output.write_note(f"plabctl: {remark}")
    return background.end(code)


def _begin_sinks(config: str | None, background: Background) -> TickSinks | None:
    """Tell the sinks that are told of ticks that one begins; return what tells them how it ended, if there are any."""
    with suppress(PlabctlError):  # the tick tells what is wrong
        app = open_app(config)
        if app.settings.eventless_sinks:
            from plabctl.app.tick_sinks import begin_tick  # few have such sinks

            return begin_tick(app, background)
    return None


def _tick_nodes(config: str | None, nodes: tuple[str, ...]) -> int:
    from dataclasses import replace

    from plabctl.app import change_nodes as use
    from plabctl.app.retest_now import retest_and_wait
    from plabctl.cli.node_changes import accept_busy
    from plabctl.core.selection import read_plain_names
    from plabctl.errors import HookFault

    app = open_app(config)
    names = read_plain_names(nodes) or use.choose_nodes(app, nodes).names
    is_accepted = accept_busy(app, names, takes_busy=False)
    order = replace(use.build_order(app, find_actor(), ""), takes_busy=is_accepted)
    with output.open_test_bar() as on_progress:
        result = retest_and_wait(app, names, order, on_progress=on_progress)
    if result.warning:
        raise HookFault(result.warning)
    return 0 if result.exit_code == 1 else result.exit_code


def _show_plan(config: str | None, nodes: tuple[str, ...], how: output.Form) -> int:
    from plabctl.app import queries
    from plabctl.render import tick_plan_table

    context = queries.read_context(config)
    only = queries.list_chosen(context, nodes) if nodes else None
    output.show_listing(tick_plan_table.build_listing(context, only), how)
    return 0
