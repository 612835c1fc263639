"""What every kind of an extension point has: a name, words, keys of its own, and the checks between keys.

Pure. `plabctl.kinds` finds a kind by its name. What else a kind of pool, back-off, inventory, sink or executor can do
stands in the `base` of its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plabctl.core.keys.table import NO_KEYS, Table


class Kind:
    """One kind. Its instances hold no state: what is configured stands in settings."""

    name = ""
    help = ""
    """What it does, for the reference: `name: help` stands beside the other kinds of the extension point."""
    keys: Table = NO_KEYS
    """The keys that only this kind has; their defaults are those of the `options` of the settings."""
    fault = ""
    """Why it cannot be used: only those of plug-ins ever have one."""

    def check(self, given: Mapping[str, Any], defaults: Any) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between the keys of a table that chose this kind: a key of it, and what is wrong with it.

        `given` are the values that could be read, by key; keys that were not given, or are at fault, are missing.
        `defaults` are the settings that hold where nothing is given.
        """
        yield from ()
