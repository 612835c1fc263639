"""The configuration in force: every key with its value and its origin.

I/O: reads the config file, also for the lines. What it prints is TOML that means the same settings,
but for secrets, which are masked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from plabctl.config.key_lines import find_key_lines
from plabctl.config.kind_name import find_kind_of, list_keys
from plabctl.config.load import build_from_source
from plabctl.config.locate import read_source
from plabctl.config.read_document import build_path
from plabctl.config.schema import ROOT
from plabctl.core.keys.table import Key, Shape, Table
from plabctl.core.recipe import DEFAULT_STAGES


class EffectiveKey(NamedTuple):
    """A key with its path, its value as TOML, and its origin: `default`, `built in`, `$VARIABLE` or `FILE:LINE`."""

    key: str
    value: str
    origin: str


class _Origins(NamedTuple):
    """Where values come from: the lines of the file, and which recipes are built in."""

    file: str
    lines: Mapping[str, int]
    environ: Mapping[str, str]

    def find(self, path: str) -> str:
        if path in self.lines:
            return f"{self.file}:{self.lines[path]}"
        if path == "state_dir" and self.environ.get("PLABCTL_STATE_DIR"):
            return "$PLABCTL_STATE_DIR"
        if path.startswith("recipe.") and self._is_builtin(".".join(path.split(".")[:2])):
            return "built in"
        return "default"

    def _is_builtin(self, recipe: str) -> bool:
        """Return whether the file has no table of that recipe, or one that only says how it is run."""
        has_stages = any(f"{recipe}.{stage}" in self.lines for stage in DEFAULT_STAGES)
        return recipe not in self.lines or (f"{recipe}.become" in self.lines and not has_stages)


def list_effective(path: str | None, environ: Mapping[str, str] | None = None) -> list[EffectiveKey]:
    """Return every key that holds, in the order of the schema; raise ConfigError as `load` does."""
    environ = os.environ if environ is None else environ
    source = read_source(path, environ)
    settings = build_from_source(source, environ)
    origins = _Origins(os.path.basename(settings.path), find_key_lines(source.raw.decode("utf-8-sig")), environ)
    return list(_list_table(ROOT, settings, "", origins))


def format_effective(items: list[EffectiveKey]) -> str:
    """Return `items` as TOML, each with its origin as a comment."""
    lines: list[str] = []
    table = ""
    width = max(len(f"{item.key.rpartition('.')[2]} = {item.value}") for item in items)
    width = min(width, 60)
    for item in items:
        parent, _, name = item.key.rpartition(".")
        if parent != table:
            table = parent
            lines += ["", f"[[{parent.partition('[')[0]}]]" if parent.endswith("]") else f"[{parent}]"]
        lines.append(f"{f'{name} = {item.value}':<{width}}  # {item.origin}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _list_table(table: Table, value: object, path: str, origins: _Origins) -> Iterator[EffectiveKey]:
    """Yield the keys of one table, those that hold no table first, as TOML wants them."""
    keys = sorted(list_keys(table, find_kind_of(table, value)).values(), key=lambda key: isinstance(key.type, Table))
    for key in keys:
        owner = value if hasattr(value, key.field) else getattr(value, "options", None)
        if hasattr(owner, key.field):  # a kind that cannot be loaded takes keys that it has no values for
            yield from _list_key(key, getattr(owner, key.field), build_path(path, key.name), origins)


def _list_key(key: Key, value: object, path: str, origins: _Origins) -> Iterator[EffectiveKey]:
    kind = key.type
    if not isinstance(kind, Table):
        if value not in {"", ()} or path in origins.lines:
            yield EffectiveKey(path, kind.show(value), origins.find(path))
    elif value is None:
        return
    elif kind.shape is Shape.NAMED:
        assert isinstance(value, Mapping), "a table of named tables fills a mapping"
        for name, each in value.items():
            yield from _list_table(kind, each, build_path(path, name), origins)
    elif kind.shape is Shape.MANY:
        assert isinstance(value, tuple), "a table that may stand many times fills a tuple"
        for number, each in enumerate(value, 1):
            yield from _list_table(kind, each, f"{path}[{number}]", origins)
    else:
        yield from _list_table(kind, value, path, origins)
