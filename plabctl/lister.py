"""Run a command that lists nodes, where and with what the configuration says.

I/O: runs the command. Inventories and occupancy sources both do; `plabctl.core.keys.lister_keys` declares the keys.
Tests: `tests/inventories/test_fetch.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from plabctl.errors import Untrusted, UsageFault
from plabctl.files.trusted import open_trusted
from plabctl.typed import NamedTuple, Protocol

MAX_PRINTED = 64 * 1024**2
"""How many bytes a listing may have."""
_SHOWN = 200


class Place(Protocol):
    """Where the configuration comes from that names the command: see `plabctl.core.settings.Origin`."""

    @property
    def folder(self) -> str:
        """The folder in which commands run that are told no other."""

    @property
    def owners(self) -> frozenset[int]:
        """The users to whom programs may belong, besides root and us."""


class Printed(NamedTuple):
    """What a command printed on standard output and standard error."""

    output: bytes
    errors: str


def run_lister(
    argv: Sequence[str],
    timeout_s: float,
    origin: Place,
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
        keep_bytes=MAX_PRINTED,
        flood_bytes=MAX_PRINTED,
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


def refuse_untrusted(path: str, origin: Place) -> None:
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
