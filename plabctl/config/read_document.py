"""Read a parsed document against the schema: the values it gives, by key, and every fault in it.

Pure. Only what one key says about itself is judged here; what keys say about each other is judged in
`plabctl.config.cross_check`, from the values that could be read.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from collections.abc import Sized

from plabctl.config.kind_name import find_fixed_kind, find_kind_name, list_keys
from plabctl.config.schema import ROOT
from plabctl.core.keys.formatting import describe_value, quote, suggest
from plabctl.core.keys.table import Key, Shape, Table
from plabctl.core.names import is_pool_name
from plabctl.kinds import find_builtin
from plabctl.typed import Any

Fault = tuple[str, str]
"""Where, as the path of a key, and what."""
MAX_FAULTS = 100
"""How many faults are told; a file may have one on each of its lines."""
MAX_TABLES = 250
"""How many pools there may be, or recipes, inventories, sinks."""
_SHOWN_KEY = 80


def read_document(document: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the values of `document` by key name, tables as dictionaries, and its faults in the order of the file.

    A value that is at fault is left out. Tables that may stand many times are lists, where a table at fault is empty.
    """
    faults: list[Fault] = []
    return _read_one(ROOT, document, "", faults), faults


def build_path(parent: str, name: str) -> str:
    """Return the path of the key `name` in `parent`, quoted where TOML would quote it."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    name = name if len(name) <= _SHOWN_KEY else name[:_SHOWN_KEY] + "..."
    shown = name if bare else quote(name)
    return f"{parent}.{shown}" if parent else shown


def _read_table(table: Table, value: object, path: str, faults: list[Fault]) -> Any:
    """Return what stands under one key that holds a table, by the table's shape; None if it is no table at all."""
    if table.shape is Shape.MANY:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            faults.append((path, f"cannot be {describe_value(value)}, write [[{path}]]"))
            return None
        if _are_few(value, path, faults):
            return [_read_one(table, item, f"{path}[{number}]", faults) for number, item in enumerate(value, 1)]
        return None
    if not isinstance(value, dict):
        faults.append((path, f"cannot be {describe_value(value)}, allowed: a table"))
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
        place = build_path(path, name)
        if not isinstance(item, dict):
            faults.append((place, f"cannot be {describe_value(item)}, allowed: a table, written [{path}.NAME]"))
        elif not is_pool_name(name):
            allowed = "lower-case letters, digits, - and _, beginning with a letter, at most 63"
            faults.append((place, f"{describe_value(name)} is not a name for a {path}, allowed: {allowed}"))
        else:
            values[name] = _read_one(table, item, place, faults)
    return values


def _read_one(table: Table, given: dict[str, Any], path: str, faults: list[Fault]) -> dict[str, Any]:
    kind, keys = _find_keys(table, given, path)
    values: dict[str, Any] = {}
    for name, value in given.items():
        place = build_path(path, name)
        key = keys.get(name)
        if key is None:
            is_told = len(faults) < MAX_FAULTS  # to look for the nearest name of each key takes its time
            faults.append((place, _describe_unknown(name, table, kind, keys) if is_told else "unknown key"))
        elif isinstance(key.type, Table):
            read = _read_table(key.type, value, place, faults)
            if read is not None:
                values[name] = read
        else:
            try:
                values[name] = kind if name == "kind" and kind is not None else key.type.read(value)
            except ValueError as error:
                faults.append((place, f"{error}, allowed: {key.type.allowed}"))
    for name, key in list_keys(table, kind).items():
        if key.required and name not in given:
            allowed = "" if isinstance(key.type, Table) else f", allowed: {key.type.allowed}"
            faults.append((build_path(path, name), f"missing{allowed}"))
    return values


def _find_keys(table: Table, given: dict[str, Any], path: str) -> tuple[Any, dict[str, Key]]:
    """Return the kind that a table chooses and the keys that may stand in it.

    A kind that cannot be read, or was not named where it must be, is a fault told elsewhere: then the keys of all kinds
    may stand here, so that one fault does not hide behind others.
    """
    kind_name = find_kind_name(table)
    if kind_name is None:
        fixed = find_fixed_kind(table)
        return fixed, list_keys(table, fixed)
    try:
        kind = kind_name.read(given["kind"]) if "kind" in given else default_kind(table, path)
        if table.shape is Shape.NAMED and kind is not None:
            kind = kind.resolve(path.rpartition(".")[2], given)
    except ValueError:
        kind = None
    if kind is not None:
        return kind, list_keys(table, kind)
    every = {name: key for each in kind_name.builtin() for name, key in each.keys.keys.items()}
    return None, {**every, **table.keys}


def default_kind(table: Table, path: str) -> Any:
    """Return the kind of a table that names none: that of the table's own name, or of its defaults; None if neither."""
    kind_name = find_kind_name(table)
    assert kind_name is not None, "asked only for tables with kinds"
    if table.shape is Shape.NAMED:
        return find_builtin(kind_name.point, path.rpartition(".")[2])
    return None if table.keys["kind"].required else kind_name.find_kind(table.defaults)


def _describe_unknown(name: str, table: Table, kind: Any, keys: dict[str, Key]) -> str:
    kind_name = find_kind_name(table)
    if kind is not None and name in kind.left_out:
        return f"means nothing where kind = {quote(kind.name)}"
    if kind is not None and kind_name is not None:
        owners = [each.name for each in kind_name.builtin() if name in each.keys.keys]
        if owners:
            where = " or ".join(quote(owner) for owner in owners)
            return f"means nothing where kind = {quote(kind.name)}, allowed: only where kind = {where}"
    guess = suggest(name, keys) or f", allowed: {', '.join(keys)}"
    return f"unknown key{guess}"
