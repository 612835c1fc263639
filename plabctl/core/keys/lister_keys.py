"""The keys of commands that list something: where they run and with what in their environment.

Pure. Cron gives commands a bare environment: what they need can be said by these keys, which the kinds of inventories
and occupancy sources that run a command declare among their own. `plabctl.lister` runs them.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

import re

from plabctl.core.keys.formatting import describe_value, quote
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key
from plabctl.core.keys.types import ValueType
from plabctl.typed import cast

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
MAX_VARIABLES = 100


class Environment(ValueType):
    """A table of environment variables."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a table of environment variables, all texts")

    def read(self, value: object) -> tuple[tuple[str, str], ...]:
        """Return the pairs of the table."""
        if not isinstance(value, dict) or len(value) > MAX_VARIABLES:
            raise ValueError(f"cannot be {describe_value(value)}")
        for name, text in value.items():
            if not re.fullmatch(_NAME, name):
                raise ValueError(f"{describe_value(name)} cannot name a variable")
            if not isinstance(text, str) or "\0" in text:
                raise ValueError(f"{name} cannot be {describe_value(text)}")
        return tuple(value.items())

    def format(self, value: object) -> str:
        """Return the pairs as TOML."""
        pairs = cast("tuple[tuple[str, str], ...]", value)
        return "{ " + ", ".join(f"{name} = {quote(text)}" for name, text in pairs) + " }" if pairs else "{}"


LISTER_KEYS = (
    Key(
        "environment",
        Environment(),
        text="Variables for the command, added to its environment, of which cron gives it little.",
        example='{ PATH = "/opt/tools/bin:/usr/bin:/bin" }',
        default="none",
    ),
    Key(
        "directory",
        FilePath(),
        text="The folder in which the command runs.",
        example='"/etc/ansible"',
        default="the folder of the config file",
    ),
)
