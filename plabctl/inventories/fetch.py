"""Read an inventory as it is now: from a file, from a command, or from Ansible.

I/O. Never raises and always ends: what went wrong is in the result, and `plabctl.inventories.merge` is not asked then.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from plabctl.core.model import Node
from plabctl.core.settings import ANYWHERE, InventorySettings, Origin
from plabctl.errors import Untrusted, UsageFault
from plabctl.files import open_trusted
from plabctl.inventories.node_list import check_rows
from plabctl.inventories.row_parsers import Row, parse_rows
from plabctl.masks import mask_secrets

MAX_BYTES = 64 * 1024**2
_KEPT_SHOWN = 200


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What an inventory lists; or why it could not be read, one fault a line."""

    source: str
    nodes: tuple[Node, ...] = ()
    fault: str = ""


def fetch(inventory: InventorySettings, origin: Origin = ANYWHERE) -> FetchResult:
    """Return what `inventory`, which a configuration from `origin` names, lists now."""
    source = inventory.name
    where = inventory.path or inventory.command[0]
    try:
        rows = _parse_rows(inventory, where, origin)
        return FetchResult(source, tuple(check_rows(rows, where, source)))
    except UsageFault as fault:
        return FetchResult(source, fault=str(fault))


def _parse_rows(inventory: InventorySettings, where: str, origin: Origin) -> Iterator[Row]:
    if inventory.kind == "file":
        return parse_rows(_decode(_read(inventory.path), where), where)
    if inventory.kind == "command":
        return parse_rows(_decode(_run_command(inventory.command, inventory.timeout_s, origin), where), where)
    from plabctl.inventories.ansible import parse_ansible

    _refuse_untrusted(inventory.path, origin)
    argv = ("ansible-inventory", "-i", inventory.path, "--list")
    return parse_ansible(_decode(_run_command(argv, inventory.timeout_s, origin), where), where)


def _refuse_untrusted(path: str, origin: Origin) -> None:
    """Raise UsageFault when others could change an inventory of Ansible's, which may be a program or name plug-ins."""
    try:
        with suppress(OSError):  # which Ansible tells
            os.close(open_trusted(path, os.O_PATH, owners=origin.owners).fd)
    except Untrusted as error:
        raise UsageFault(f"{path}: not read: {error}") from error


def _read(path: str) -> bytes:
    try:
        # It lists nodes and runs nothing: a list that is in somebody else's care may be named, a list in nobody's not.
        opened = open_trusted(path, anyone=True)
        with open(opened.fd, "rb") as file:
            if not stat.S_ISREG(opened.status.st_mode):
                raise UsageFault(f"{path}: not a file")
            raw = file.read(MAX_BYTES + 1)
    except Untrusted as error:
        raise UsageFault(f"{path}: not read: {error}") from error
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(raw) > MAX_BYTES:
        raise UsageFault(f"{path}: more than {MAX_BYTES // 1024**2} MiB")
    return raw


def _run_command(argv: tuple[str, ...], timeout_s: float, origin: Origin) -> bytes:
    from plabctl.process import run

    ran = run(
        argv,
        timeout_s=timeout_s,
        keep_bytes=MAX_BYTES,
        flood_bytes=MAX_BYTES,
        folder=origin.folder,
        owners=origin.owners,
    )
    if ran.fault or ran.exit_code:
        why = ran.fault or f"exit code {ran.exit_code}"
        said = ran.errors.decode(errors="replace").strip().split("\n")[-1].strip()
        shown = mask_secrets("".join(char if char.isprintable() else "?" for char in said[:_KEPT_SHOWN]))
        raise UsageFault(f"{argv[0]}: {why}{f': {shown}' if shown else ''}")
    return ran.output


def _decode(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageFault(f"{where}:{line}: not UTF-8") from error
