"""`plabctl check`: one line and one exit code for monitoring systems.

Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from plabctl.app.context import open_app
from plabctl.app.queries import look_at_locks, read_context_of
from plabctl.cli.error_report import escape_control
from plabctl.cli.options import long_config_option, make_command, source_option
from plabctl.cli.output import write_line
from plabctl.cli.time_types import Duration
from plabctl.core.find_problems import TICKS_COME_S
from plabctl.errors import InvalidConfig, StateDamaged, StateTooNew
from plabctl.render.nagios import (
    Affected,
    Health,
    HealthLimits,
    find_affected,
    format_line,
    format_performance_data,
    judge_health,
)
from plabctl.render.nagios_range import NagiosRange, build_least, parse_range
from plabctl.views.node import ViewContext
from plabctl.views.status import Totals, count_totals

_EXAMPLE = """\
plabctl check --max-age 3m
plabctl check -w 10% -c 25%
plabctl check --warn-unusable 5 --crit-unusable 20
plabctl check --from status.json
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
    write_line(escape_control(format_line(Health.UNKNOWN, "; ".join(words.splitlines()))))
    return click.exceptions.Exit(Health.UNKNOWN)


def _read_range(_ctx: click.Context, _param: click.Parameter, text: str | None) -> NagiosRange | None:
    try:
        return None if text is None else parse_range(text)
    except ValueError as error:
        is_path = "/" in (text or "") or (text or "").endswith(".toml")
        raise click.BadParameter(f"{error}{'; --config names the configuration' if is_path else ''}") from error


@make_command("check", example=_EXAMPLE, cls=NagiosCommand)
@click.option(
    "--max-age",
    metavar="DURATION",
    type=Duration(),
    help="The greatest age of the last tick, and of what --from reads (default: 3m).",
)
@click.option(
    "-w",
    "--warning",
    "warn",
    metavar="RANGE",
    callback=_read_range,
    help="WARNING when the number of bad nodes is outside RANGE.",
)
@click.option(
    "-c",
    "--critical",
    "crit",
    metavar="RANGE",
    callback=_read_range,
    help="CRITICAL when the number of bad nodes is outside RANGE.",
)
@click.option(
    "--warn-unusable",
    metavar="RANGE",
    callback=_read_range,
    help="WARNING when the number of nodes that are not usable is outside RANGE.",
)
@click.option(
    "--crit-unusable",
    metavar="RANGE",
    callback=_read_range,
    help="CRITICAL when the number of nodes that are not usable is outside RANGE.",
)
@click.option("--warn-bad", metavar="COUNT", type=click.IntRange(0), help="WARNING at this many bad nodes or more.")
@click.option("--crit-bad", metavar="COUNT", type=click.IntRange(0), help="CRITICAL at this many bad nodes or more.")
@source_option
@long_config_option
def command(
    *,
    max_age: float | None,
    warn: NagiosRange | None,
    crit: NagiosRange | None,
    warn_unusable: NagiosRange | None,
    crit_unusable: NagiosRange | None,
    warn_bad: int | None,
    crit_bad: int | None,
    sources: tuple[str, ...],
    config: str | None,
) -> int:
    """Report in one line whether plabctl does its work, and how many nodes are good; a Nagios plug-in.

    Exits with 0 OK, 1 WARNING, 2 CRITICAL, or 3 UNKNOWN when plabctl cannot tell. Performance data follows the bar.
    With --from, it is about all monitors; a source that cannot be read is UNKNOWN, unless another is CRITICAL.
    A RANGE is one of monitoring plug-ins: 5 alerts above 5, 2: below 2, @1:3 from 1 to 3. Its bounds may be percentages
    of all nodes, such as 10%.
    """
    limits = HealthLimits(
        TICKS_COME_S if max_age is None else max_age,
        _choose_limit("--warning", warn, "--warn-bad", warn_bad),
        _choose_limit("--critical", crit, "--crit-bad", crit_bad),
        warn_unusable,
        crit_unusable,
    )
    if sources and _are_several(sources):
        return _check_several(sources, limits, max_age)
    try:
        context = _read_context(config, sources, max_age)
    except (InvalidConfig, StateDamaged, StateTooNew) as error:  # with which every tick fails, too
        why = "; ".join(error.faults) if isinstance(error, InvalidConfig) else f"{error}"
        write_line(escape_control(format_line(Health.CRITICAL, f"ticks fail: {why}")))
        return int(Health.CRITICAL)
    return _report(context, count_totals(context), find_affected(context), limits)


def _report(
    context: ViewContext, counted: Totals, affected: Affected, limits: HealthLimits, unread: Sequence[str] = ()
) -> int:
    """Write the line and return the exit code; `unread` says which of several monitors cannot be read, and why."""
    health, words = judge_health(context, counted, limits, affected)
    if unread:
        told = "; ".join(unread)
        is_worst = health is not Health.CRITICAL
        health, words = (Health.UNKNOWN, f"{told}; {words}") if is_worst else (health, f"{words}; {told}")
    performance = format_performance_data(context, counted, limits, affected)
    write_line(escape_control(format_line(health, words, performance)))
    return int(health)


def _are_several(sources: tuple[str, ...]) -> bool:
    from plabctl.app.monitors import is_one

    return not is_one(sources)


def _check_several(sources: tuple[str, ...], limits: HealthLimits, max_age_s: float | None) -> int:
    from plabctl.app.several_health import read_health

    found = read_health(sources, max_age_s)
    return _report(found.context, found.totals, found.affected, limits, found.unread)


def _choose_limit(name: str, given: NagiosRange | None, count_name: str, count: int | None) -> NagiosRange | None:
    if given is not None and count is not None:
        raise click.UsageError(f"{name} and {count_name} cannot be used together")
    return given if count is None else build_least(count)


def _read_context(config: str | None, sources: tuple[str, ...], max_age_s: float | None) -> ViewContext:
    if sources:
        from plabctl.app.monitors import read_source

        return read_source(sources, max_age_s)
    app = open_app(config)
    context = read_context_of(app)
    if context.sight is None:
        look_at_locks(app)  # which raises why: nobody knows then whether ticks can work
    return context
