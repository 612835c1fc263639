"""What kinds have in common that run a command which lists something: keys, options, names.

Pure. Cron gives commands a bare environment: what they need can be said by these keys, which the kinds of inventories
and occupancy sources that run a command declare among their own. `plabctl.lister` runs them.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from plabctl.core.keys.formatting import describe_value, quote
from plabctl.core.keys.path_types import Argv, FilePath
from plabctl.core.keys.table import Key
from plabctl.core.keys.types import ValueType
from plabctl.typed import cast
from plabctl.values import dataclass

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


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """What a source can be told that is a command."""

    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = ""


def build_command_keys(text: str, example: str) -> tuple[Key, ...]:
    """Return the keys of a source that is a command; `text` and `example` are those of the command itself."""
    return (Key("command", Argv(), text=text, example=example, required=True), *LISTER_KEYS)


class CommandSource:
    """What the kinds of sources say of themselves that are a command. Their options are `CommandOptions`."""

    def identify(self, options: CommandOptions) -> str:
        """Return the command line, with no secret that the command is given."""
        from plabctl.masks import mask_secrets

        return mask_secrets(" ".join(options.command))

    def suggest_name(self, options: CommandOptions) -> str:
        """Return the name of the program."""
        return options.command[0].rpartition("/")[2]

    def list_named_files(self, options: CommandOptions) -> Iterator[tuple[str, bool]]:
        """Yield the program, if a path names it, and the folder in which it runs."""
        if "/" in options.command[0]:
            yield options.command[0], True
        if options.directory:
            yield options.directory, True
