"""The inventory `command`: nodes that a command prints.

I/O: runs the command. See `plabctl.inventories.node_list` for the forms of what it prints.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from plabctl.core.keys.lister_keys import LISTER_KEYS
from plabctl.core.keys.path_types import Argv
from plabctl.core.keys.table import Key, Table
from plabctl.inventories.base import InventoryKind, parse_listing
from plabctl.inventories.reading import Reading
from plabctl.lister import run_lister
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin


@dataclass(frozen=True, slots=True)
class ListerOptions:
    """What only an inventory of this kind can be told."""

    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = ""


class CommandKind(InventoryKind):
    """A list of names, CSV or JSON, printed by a command."""

    name = "command"
    help = "a list of names, or CSV, or JSON, printed by a command"
    keys = Table(
        "inventory.command",
        ListerOptions(),
        Key(
            "command",
            Argv(),
            text="The command, run without a shell.",
            example='["list-nodes", "--all"]',
            required=True,
        ),
        *LISTER_KEYS,
    )

    def identify(self, options: ListerOptions) -> str:
        """Return the command line, with no secret that the command is given."""
        from plabctl.masks import mask_secrets

        return mask_secrets(" ".join(options.command))

    def suggest_name(self, options: ListerOptions) -> str:
        """Return the name of the program."""
        return os.path.basename(options.command[0])

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the nodes that the command prints."""
        assert isinstance(own.options, ListerOptions), "the configuration fills it"
        options = own.options
        printed = run_lister(
            options.command, own.timeout_s, origin, environment=options.environment, directory=options.directory
        )
        return parse_listing(printed.output, options.command[0], own.name, own.match)

    def list_named_files(self, options: ListerOptions) -> Iterator[tuple[str, bool]]:
        """Yield the program, if a path names it, and the folder in which it runs."""
        if "/" in options.command[0]:
            yield options.command[0], True
        if options.directory:
            yield options.directory, True


COMMAND = CommandKind()
