"""`plabctl check`: one line and one exit code for monitoring systems.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from typing import Any

import click

from plabctl.app.context import open_app
from plabctl.app.queries import look_at_locks, read_context_of
from plabctl.cli.error_report import escape_control
from plabctl.cli.options import config_option, make_command
from plabctl.cli.output import write_line
from plabctl.cli.time_types import Duration
from plabctl.errors import InvalidConfig
from plabctl.render.nagios import Health, HealthLimits, format_line, format_performance_data, judge_health
from plabctl.views.status import count_totals

_EXAMPLE = """\
plabctl check --max-age 3m
plabctl check --warn-bad 5 --crit-bad 20
"""


class NagiosCommand(click.Command):
    """A command whose own faults come out as UNKNOWN: a wrong option must not read as CRITICAL."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line; a fault in it is UNKNOWN."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise _exit_unknown(error.format_message().rstrip(".")) from error

    def invoke(self, ctx: click.Context) -> int:
        """Run the check; whatever keeps it from an answer is UNKNOWN."""
        try:
            return int(super().invoke(ctx))
        except click.exceptions.Exit:
            raise
        except Exception as error:
            raise _exit_unknown(f"{error}") from error


def _exit_unknown(words: str) -> click.exceptions.Exit:
    write_line(escape_control(format_line(Health.UNKNOWN, words)))
    return click.exceptions.Exit(Health.UNKNOWN)


@make_command("check", example=_EXAMPLE, cls=NagiosCommand)
@click.option(
    "--max-age",
    metavar="DURATION",
    type=Duration(),
    default="3m",
    help="The greatest age of the last tick (default: 3m).",
)
@click.option("--warn-bad", metavar="COUNT", type=click.IntRange(0), help="WARNING at this many bad nodes or more.")
@click.option("--crit-bad", metavar="COUNT", type=click.IntRange(0), help="CRITICAL at this many bad nodes or more.")
@config_option
def command(max_age: float, warn_bad: int | None, crit_bad: int | None, config: str | None) -> int:
    """Report in one line whether ticks run and how many nodes are good; a Nagios plug-in.

    Exits with 0 OK, 1 WARNING, 2 CRITICAL, or 3 UNKNOWN when plabctl cannot tell. Performance data follows the bar.
    """
    try:
        app = open_app(config)
    except InvalidConfig as error:  # with which every tick fails, too
        write_line(escape_control(format_line(Health.CRITICAL, f"ticks fail: {'; '.join(error.faults)}")))
        return int(Health.CRITICAL)
    context = read_context_of(app)
    if context.sight is None:
        look_at_locks(app)  # which raises why: nobody knows then whether ticks can work
    counted = count_totals(context)
    limits = HealthLimits(max_age, warn_bad, crit_bad)
    health, words = judge_health(context, counted, limits)
    write_line(format_line(health, words, format_performance_data(context, counted, limits)))
    return int(health)
