"""`plabctl notify`: see whether notices reach people."""

from __future__ import annotations

import click

from plabctl.app.context import open_app
from plabctl.app.try_sinks import try_sinks
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command, make_group, quiet_option
from plabctl.durations import format_duration
from plabctl.errors import HookFault

_EXAMPLE = "plabctl notify test"


@make_group("notify", example=_EXAMPLE)
def command() -> None:
    """See whether notices reach people."""


@make_command("test", example=_EXAMPLE, parent=command)
@click.argument("names", nargs=-1, metavar="[SINK]...")
@quiet_option
@config_option
def test(names: tuple[str, ...], quiet: bool, config: str | None) -> None:
    """Send a test to every [[sink]] that notifies people, or to those of these names, and say how it went.

    It is sent now, also in quiet hours, and changes nothing of what was told or will be.
    """
    errors = []
    for trial in try_sinks(open_app(config), names):
        if trial.error:
            where = "" if trial.where == trial.name else f"{trial.where}: "
            errors.append(f"{trial.name}: {where}{trial.error}")
        elif not quiet:
            output.write_line(f"{trial.name}: {trial.where} took it in {format_duration(trial.seconds)}")
            output.flush()
    if errors:
        raise HookFault("\n".join(errors))
