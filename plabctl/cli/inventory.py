"""`plabctl inventory`: where nodes come from."""

from __future__ import annotations

import click

from plabctl.app import sync_inventories as use
from plabctl.app.context import open_app
from plabctl.cli import output
from plabctl.cli.options import config_option, listing_options, make_command, make_group, quiet_option
from plabctl.render import inventory_table

_EXAMPLE = """\
plabctl inventory show
plabctl inventory sync --dry-run
"""
_SYNC = """\
plabctl inventory sync --dry-run
plabctl inventory sync file:nodes.txt --accept
"""


@make_group("inventory", example=_EXAMPLE)
def command() -> None:
    """Show where nodes come from, and read it now."""


@make_command("show", example="plabctl inventory show -o json", parent=command)
@listing_options
@config_option
def show(form: str | None, header: bool, color: str, config: str | None) -> None:
    """List the sources of nodes: when each was read, what it lists, what is wrong with it, which nodes are absent.

    A node that its source does not list any more is absent: it is not tested and not offered, and all that is known of
    it is kept. It leaves only when the `grace` of its source is over.
    """
    app = open_app(config)
    sources = use.list_sources(app)
    listing = inventory_table.build_listing(sources, app.clock.now(), app.store.snapshot().rev)
    output.show_listing(listing, output.choose_form(form, header=header, color=color))


@make_command("sync", example=_SYNC, parent=command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--dry-run", "-n", "is_rehearsal", is_flag=True, help="Only show what would change.")
@click.option("--accept", "is_accepted", is_flag=True, help="Accept what the sources list, however much they drop.")
@quiet_option
@config_option
def sync(names: tuple[str, ...], is_rehearsal: bool, is_accepted: bool, quiet: bool, config: str | None) -> None:
    """Read sources of nodes now, all or those of these names, and say what changes.

    A source that drops more than its `max_leave` is not believed at once, and nodes that were absent for long do not
    leave in large numbers: `--accept` says that the list is right. See what it means with `--dry-run` first.
    """
    app = open_app(config)
    sources = use.choose_sources(app, names)
    before = app.store.snapshot()
    plans = use.sync_inventories(app, sources, is_accepted=is_accepted, is_rehearsal=is_rehearsal)
    if not quiet:
        for plan in plans:
            lines = list(inventory_table.format_inventory_changes(plan.source.name, plan.changes, before.node))
            output.write(f"{line}\n" for line in lines)
            if plan.note.remark:
                output.write_note(f"{plan.source.name}: {plan.note.remark}")
            if not lines and not plan.note.fault:
                output.write_note(f"{plan.source.name}: nothing new")
        if is_rehearsal:
            output.write_note("nothing was changed: --dry-run")
        output.flush()
    if faults := use.list_faults(plans):
        for fault in faults[1:]:
            output.write_note(f"plabctl: {fault}")
        raise faults[0]
