"""Read an inventory as it is now: from a file, from a command, or from Ansible.

I/O. Never raises and always ends: what went wrong is in the result, and `plabctl.inventory.merge` is not asked then.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from plabctl.core.model import Node
from plabctl.core.settings import InventorySettings
from plabctl.errors import UsageFault
from plabctl.inventory.rows import Row, rows_of
from plabctl.inventory.text import judge
from plabctl.masks import masked

MAX_BYTES = 64 * 1024**2
_KEPT_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an inventory lists; or why it could not be read, one fault a line."""

    source: str
    nodes: tuple[Node, ...] = ()
    fault: str = ""


def fetch(inventory: InventorySettings) -> Fetched:
    """Return what `inventory` lists now."""
    source = inventory.name
    where = inventory.path or inventory.command[0]
    try:
        rows = _rows(inventory, where)
        return Fetched(source, tuple(judge(rows, where, source)))
    except UsageFault as fault:
        return Fetched(source, fault=str(fault))


def _rows(inventory: InventorySettings, where: str) -> Iterator[Row]:
    if inventory.kind == "file":
        return rows_of(_text(_read(inventory.path), where), where)
    if inventory.kind == "command":
        return rows_of(_text(_printed_by(inventory.command, inventory.timeout_s), where), where)
    from plabctl.inventory.ansible import ansible_rows  # noqa: PLC0415 - only for this kind

    argv = ("ansible-inventory", "-i", inventory.path, "--list")
    return ansible_rows(_text(_printed_by(argv, inventory.timeout_s), where), where)


def _read(path: str) -> bytes:
    try:
        # Without O_NONBLOCK a pipe of that name would keep us until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageFault(f"{path}: not a file")
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageFault(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(raw) > MAX_BYTES:
        raise UsageFault(f"{path}: more than {MAX_BYTES // 1024**2} MiB")
    return raw


def _printed_by(argv: tuple[str, ...], timeout_s: float) -> bytes:
    from plabctl.process import run  # noqa: PLC0415 - a list in a file needs no process

    ran = run(argv, timeout_s=timeout_s, keep_bytes=MAX_BYTES, flood_bytes=MAX_BYTES)
    if ran.fault or ran.exit_code:
        why = ran.fault or f"exit code {ran.exit_code}"
        said = ran.errors.decode(errors="replace").strip().split("\n")[-1].strip()
        shown = masked("".join(char if char.isprintable() else "?" for char in said[:_KEPT_SHOWN]))
        raise UsageFault(f"{argv[0]}: {why}{f': {shown}' if shown else ''}")
    return ran.output


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageFault(f"{where}:{line}: not UTF-8") from error
