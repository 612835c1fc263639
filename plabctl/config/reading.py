"""Read a parsed document against the schema: the values it gives, by key, and every fault in it.

Pure. Only what one key says about itself is judged here; what keys say about each other is judged in
`plabctl.config.crosscheck`, from the values that could be read.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from plabctl.config.schema import ROOT, Shape, Table
from plabctl.config.wording import nearest, quoted, seen
from plabctl.core.names import is_pool_name

Fault = tuple[str, str]
"""Where, as the path of a key, and what."""
MAX_FAULTS = 100
"""How many faults are told; a file may have one on each of its lines."""
MAX_TABLES = 250
"""How many pools there may be, or recipes, sources of nodes, hooks."""
_SHOWN_KEY = 80


def read_document(document: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the values of `document` by key name, tables as dictionaries, and its faults in the order of the file.

    A value that is at fault is left out. Tables that may stand many times are lists, where a table at fault is empty.
    """
    faults: list[Fault] = []
    return _read_one(ROOT, document, "", faults), faults


def path_of(parent: str, name: str) -> str:
    """Return the path of the key `name` in `parent`, quoted where TOML would quote it."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    name = name if len(name) <= _SHOWN_KEY else name[:_SHOWN_KEY] + "..."
    shown = name if bare else quoted(name)
    return f"{parent}.{shown}" if parent else shown


def _read_table(table: Table, value: object, path: str, faults: list[Fault]) -> Any:  # noqa: ANN401 - as the TOML has it
    """Return what stands under one key that holds a table, by the table's shape; None if it is no table at all."""
    if table.shape is Shape.MANY:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            faults.append((path, f"cannot be {seen(value)}, write [[{path}]]"))
            return None
        if _are_few(value, path, faults):
            return [_read_one(table, item, f"{path}[{number}]", faults) for number, item in enumerate(value, 1)]
        return None
    if not isinstance(value, dict):
        faults.append((path, f"cannot be {seen(value)}, allowed: a table"))
        return None
    if table.shape is Shape.NAMED:
        return _read_named(table, value, path, faults) if _are_few(value, path, faults) else None
    return _read_one(table, value, path, faults)


def _are_few(tables: Sized, path: str, faults: list[Fault]) -> bool:
    if len(tables) > MAX_TABLES:
        faults.append((path, f"there are {len(tables)}, allowed: at most {MAX_TABLES}"))
    return len(tables) <= MAX_TABLES


def _read_named(table: Table, value: dict[str, Any], path: str, faults: list[Fault]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, item in value.items():
        place = path_of(path, name)
        if not isinstance(item, dict):
            faults.append((place, f"cannot be {seen(item)}, allowed: a table, written [{path}.NAME]"))
        elif not is_pool_name(name):
            allowed = "lower-case letters, digits, - and _, beginning with a letter, at most 63"
            faults.append((place, f"{seen(name)} is no name for a {path}, allowed: {allowed}"))
        else:
            values[name] = _read_one(table, item, place, faults)
    return values


def _read_one(table: Table, given: dict[str, Any], path: str, faults: list[Fault]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in given.items():
        place = path_of(path, name)
        key = table.keys.get(name)
        if key is None:
            is_told = len(faults) < MAX_FAULTS  # to look for the nearest name of each key takes its time
            guess = (is_told and nearest(name, table.keys)) or f", allowed: {', '.join(table.keys)}"
            faults.append((place, f"unknown key{guess}"))
        elif isinstance(key.kind, Table):
            read = _read_table(key.kind, value, place, faults)
            if read is not None:
                values[name] = read
        else:
            try:
                values[name] = key.kind.read(value)
            except ValueError as error:
                faults.append((place, f"{error}, allowed: {key.kind.allowed}"))
    for name, key in table.keys.items():
        if key.required and name not in given:
            allowed = "" if isinstance(key.kind, Table) else f", allowed: {key.kind.allowed}"
            faults.append((path_of(path, name), f"missing{allowed}"))
    return values
