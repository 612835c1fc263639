"""`plabctl sink`: other systems that plabctl keeps in line with its list."""

from __future__ import annotations

from collections.abc import Iterator

import click

from plabctl.app.context import open_app
from plabctl.app.due_sources import find_synced_sinks
from plabctl.app.sink_sync import sync_now
from plabctl.app.sync_results import EndedSync
from plabctl.cli import output
from plabctl.cli.options import config_option, make_command, make_group, quiet_option
from plabctl.errors import HookFault, UsageFault

_EXAMPLE = "plabctl sink sync --dry-run"


@make_group("sink", example=_EXAMPLE)
def command() -> None:
    """Keep other systems, such as Slurm, in line with what is usable."""


@make_command("sync", example=_EXAMPLE, parent=command)
@click.option("--dry-run", "-n", "is_rehearsal", is_flag=True, help="Only show what would change.")
@quiet_option
@config_option
def sync(is_rehearsal: bool, quiet: bool, config: str | None) -> None:
    """Do now what ticks do for every [[sink]] that goes by how nodes stand, such as Slurm, and say what changes.

    In Slurm nodes that are not usable are drained, and those usable again are resumed if their drain is plabctl's.
    Nodes that were never tested, and drains of others, stay as they are. Notices that are due are sent.
    """
    app = open_app(config)
    if not find_synced_sinks(app.settings.sinks):
        raise UsageFault("no such sink is configured", hint='add a [[sink]] with kind = "slurm"; see: docs/slurm.md')
    ended = sync_now(app, is_rehearsal=is_rehearsal)
    if not quiet:
        for each in ended:
            lines = list(_format_changes(each))
            output.write(f"{line}\n" for line in lines)
            if each.result.remark:
                output.write_note(f"{each.name}: {each.result.remark}")
            if not lines and not each.result.error:
                output.write_note(f"{each.name}: nothing to change")
        if is_rehearsal:
            output.write_note("nothing was changed: --dry-run")
        output.flush()
    if errors := [each.result.error for each in ended if each.result.error]:
        raise HookFault("; ".join(errors), hint="the next tick tries again")


def _format_changes(ended: EndedSync) -> Iterator[str]:
    result = ended.result
    yield from (f"{ended.name}: {change}" for change in result.changes)
    yield from (f"plabctl: hold {node}, drained by {taken.by}: {taken.reason}" for node, taken in result.holds.items())
    yield from (f"plabctl: release {node}, which is in use again" for node in result.releases)
