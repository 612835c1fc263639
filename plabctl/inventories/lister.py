"""Run a command that lists nodes, where and with what the configuration says.

I/O: runs the command. Cron gives commands a bare environment: what they need can be said by the keys below, which the
kinds that run a command declare among their own.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple, cast

from plabctl.core.keys.formatting import describe_value, quote
from plabctl.core.keys.path_types import FilePath
from plabctl.core.keys.table import Key
from plabctl.core.keys.types import ValueType
from plabctl.core.settings import Origin
from plabctl.errors import Untrusted, UsageFault
from plabctl.files.trusted import open_trusted
from plabctl.inventories.base import MAX_BYTES

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SHOWN = 200
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


class Printed(NamedTuple):
    """What a command printed on standard output and standard error."""

    output: bytes
    errors: str


def run_lister(
    argv: Sequence[str],
    timeout_s: float,
    origin: Origin,
    *,
    environment: Iterable[tuple[str, str]] = (),
    directory: str = "",
) -> Printed:
    """Run a command that lists nodes; raise UsageFault when it fails, hangs or prints too much."""
    from plabctl.process import run

    if directory:
        refuse_untrusted(directory, origin)
    ran = run(
        argv,
        timeout_s=timeout_s,
        keep_bytes=MAX_BYTES,
        flood_bytes=MAX_BYTES,
        variables=dict(environment),
        folder=directory or origin.folder,
        owners=origin.owners,
    )
    errors = ran.errors.decode(errors="replace")
    if ran.fault or ran.exit_code:
        why = ran.fault or f"exit code {ran.exit_code}"
        said = clean_line(errors.strip().split("\n")[-1])
        raise UsageFault(f"{argv[0]}: {why}{f': {said}' if said else ''}")
    return Printed(ran.output, errors)


def refuse_untrusted(path: str, origin: Origin) -> None:
    """Raise UsageFault when others could change a file or folder that may be a program or name programs."""
    try:
        with suppress(OSError):  # reported where it is used
            os.close(open_trusted(path, os.O_PATH, owners=origin.owners).fd)
    except Untrusted as error:
        raise UsageFault(f"{path}: not read: {error}") from error


def clean_line(text: str) -> str:
    """Return what a command said as one short line that can be shown, without secrets."""
    from plabctl.masks import mask_secrets

    line = " ".join(text.split())[:_SHOWN]
    return mask_secrets("".join(char if char.isprintable() else "?" for char in line))
