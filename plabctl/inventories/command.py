"""The inventory `command`: nodes that a command prints.

I/O: runs the command. See `plabctl.inventories.node_list` for the forms of what it prints.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

from plabctl.core.keys.lister_keys import CommandOptions, CommandSource, build_command_keys
from plabctl.core.keys.table import Table
from plabctl.inventories.base import InventoryKind, parse_listing
from plabctl.inventories.reading import Reading
from plabctl.lister import run_lister
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin


class CommandKind(CommandSource, InventoryKind):
    """A list of names, CSV or JSON, printed by a command."""

    name = "command"
    help = "a list of names, or CSV, or JSON, printed by a command"
    keys = Table(
        "inventory.command",
        CommandOptions(),
        *build_command_keys("The command, run without a shell.", '["list-nodes", "--all"]'),
    )

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the nodes that the command prints."""
        assert isinstance(own.options, CommandOptions), "the configuration fills it"
        options = own.options
        printed = run_lister(
            options.command, own.timeout_s, origin, environment=options.environment, directory=options.directory
        )
        return parse_listing(printed.output, options.command[0], own.name, own.match)


COMMAND = CommandKind()
