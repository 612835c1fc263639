"""The inventory `file`: a list of nodes in a file.

I/O: reads the file. See `plabctl.inventories.node_list` for its forms.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key, Table
from plabctl.errors import Untrusted, UsageFault
from plabctl.files.trusted import open_trusted
from plabctl.inventories.base import MAX_BYTES, InventoryKind, parse_listing
from plabctl.inventories.reading import Reading
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass

if TYPE_CHECKING:
    from plabctl.core.settings import InventorySettings, Origin


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What only an inventory of this kind can be told."""

    path: str = ""


class FileKind(InventoryKind):
    """A list of names, CSV or JSON in a file."""

    name = "file"
    help = "a list of names, or CSV, or JSON, in a file"
    keys = Table(
        "inventory.file",
        FileOptions(),
        Key("path", FilePath(), text="The file.", example='"nodes.txt"', required=True),
    )

    def identify(self, options: FileOptions) -> str:
        """Return the path."""
        return options.path

    def suggest_name(self, options: FileOptions) -> str:
        """Return the name of the file."""
        return os.path.basename(os.path.normpath(options.path))

    def read(self, own: InventorySettings, origin: Origin) -> Reading:
        """Return the nodes in the file."""
        assert isinstance(own.options, FileOptions), "the configuration fills it"
        path = own.options.path
        return parse_listing(_read(path), path, own.name, own.match)

    def list_named_files(self, options: FileOptions) -> Iterator[tuple[str, bool]]:
        """Yield the file: it lists nodes and runs nothing, so that it may be in the care of others."""
        yield options.path, False


def _read(path: str) -> bytes:
    try:
        # A list that is in somebody else's care may be named, a list in nobody's care may not.
        opened = open_trusted(path, anyone=True, file_only=True)
        with open(opened.fd, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except Untrusted as error:
        raise UsageFault(f"{path}: not read: {error}") from error
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(raw) > MAX_BYTES:
        raise UsageFault(f"{path}: more than {MAX_BYTES // 1024**2} MiB")
    return raw


FILE = FileKind()
