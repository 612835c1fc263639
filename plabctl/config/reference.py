"""The reference of the configuration, as `docs/config.md` has it.

Pure. Made from the schema and its texts; a test keeps the page equal to what this returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from plabctl.config.kind_name import describe_key, describe_table, find_fixed_kind, find_kind_name, list_keys
from plabctl.config.liveness_keys import LIVENESS
from plabctl.config.occupancy_keys import OCCUPANCY
from plabctl.config.policy_keys import ADAPTIVE, EXPERIMENT, FLAP, GUARD
from plabctl.config.pool_keys import BACKOFF, POOL, RECIPE
from plabctl.config.sample import format_default
from plabctl.config.schema import ROOT
from plabctl.config.ssh_keys import DEADLINES, EXECUTOR, SSH
from plabctl.config.stream_keys import HISTORY, HOOK, INVENTORY, REPORT, SINK
from plabctl.core.keys.table import Key, Table

INTRO = """\
plabctl reads one TOML file: the one that `--config` names, else `$PLABCTL_CONFIG`, else the first of `./plabctl.toml`,
`$XDG_CONFIG_HOME/plabctl/config.toml` (`~/.config/plabctl/config.toml`) and `/etc/plabctl/config.toml` that exists.
`plabctl init` writes one with every key and its default; `plabctl config check` reports all errors in one, and while
there is an error ticks do nothing; `plabctl config show` prints the values in force and where each was set.

Durations are strings such as `"90s"`, `"2m30s"`, `"12h"`, `"2d"`, `"1y"` (365 days), or `0`. Sizes are strings such
as `"64KiB"`. Paths are relative to the folder of the config file (links are resolved), and `~` is the home directory.
Hooks, inventory commands and local recipes run in that folder. Scripts, commands given by a path, Ansible inventories
and `known_hosts`, and every folder that leads to them, must belong to root, to the user who runs plabctl or to the
owner of the config file. In messages, `hook[2]` is the second `[[hook]]`.
"""
"""What holds for the whole file, in Markdown."""
_HEAD = f"""\
# The configuration

{INTRO}
`make docs` generates this page from the program; a test compares the two.
"""

_STAGE = RECIPE.keys["up"].type
assert isinstance(_STAGE, Table), "a stage is a table"
_SECTIONS: tuple[tuple[str, Table], ...] = (
    ("Top of the file", ROOT),
    ("`[ssh]`", SSH),
    ("`[pool.NAME]`", POOL),
    ("`backoff` of a pool", BACKOFF),
    ("`liveness` of a pool", LIVENESS),
    ("`[flap]`", FLAP),
    ("`[guard]`", GUARD),
    ("`[adaptive]`", ADAPTIVE),
    ("`[deadlines]`", DEADLINES),
    ("`[experiment]`", EXPERIMENT),
    ("`[history]`", HISTORY),
    ("`[report]`", REPORT),
    ("`[executor]`", EXECUTOR),
    ("`[recipe.NAME]`", RECIPE),
    ("`setup`, `up`, `check`, `teardown` of a recipe", _STAGE),
    ("`[[inventory]]`", INVENTORY),
    ("`[[occupancy]]`", OCCUPANCY),
    ("`[[sink]]`", SINK),
    ("`[[hook]]`", HOOK),
)


class KeyEntry(NamedTuple):
    """A key: what it does, what is allowed, its default and an example, in Markdown without bars."""

    name: str
    text: str
    allowed: str
    default: str
    example: str


class Section(NamedTuple):
    """The keys of a table, or those of a kind of it."""

    title: str
    text: str
    keys: list[KeyEntry]


def build_reference() -> str:
    """Return the reference as Markdown: every key with what it does, what is allowed, its default and an example."""
    return "\n".join([_HEAD, *map(_format_section, list_sections())])


def list_sections() -> Iterator[Section]:
    """Yield a section for each table, and one for each of its built-in kinds that has keys of its own."""
    for title, table in _SECTIONS:
        yield _read_section(title, table)
        if kind_name := find_kind_name(table):
            for kind in kind_name.builtin():
                if kind.keys.keys:
                    yield _read_section(f"{title} of kind `{kind.name}`", kind.keys)


def _read_section(title: str, table: Table) -> Section:
    keys = list_keys(table, find_fixed_kind(table)).values()
    entries = [_read_key(table, key) for key in keys if not (table is ROOT and isinstance(key.type, Table))]
    return Section(title, describe_table(table) if table.text else "", entries)


def _read_key(table: Table, key: Key) -> KeyEntry:
    if key.name not in table.keys:
        table = find_fixed_kind(table).keys
    allowed = "a table, see below" if isinstance(key.type, Table) else key.type.allowed
    default = "none: it must be given" if key.required else key.default or _find_constant(table, key)
    return KeyEntry(key.name, describe_key(key), allowed, default, f"{key.name} = {key.example}")


def _format_section(section: Section) -> str:
    rows = [_format_row(key) for key in section.keys]
    head = ["| key | what it does | allowed | default | example |", "|---|---|---|---|---|"]
    intro = [section.text, ""] if section.text else []
    return "\n".join([f"## {section.title}", "", *intro, *head, *rows, ""])


def _format_row(key: KeyEntry) -> str:
    cells = [f"`{key.name}`", key.text, key.allowed, key.default, f"`{key.example}`"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _find_constant(table: Table, key: Key) -> str:
    if isinstance(key.type, Table):
        return "its own defaults" if key.type.topic == BACKOFF.topic else "none"
    default = format_default(table, key)
    return "none" if default in {None, '""'} else f"`{default}`"
