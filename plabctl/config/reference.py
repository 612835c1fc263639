"""The reference of the configuration, as `docs/config.md` has it.

Pure. Made from the schema and its texts; a test keeps the page equal to what this returns.
"""

from __future__ import annotations

from collections.abc import Iterator

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

_HEAD = """\
# The configuration

plabctl reads one TOML file: the one that `--config` names, else `$PLABCTL_CONFIG`, else the first of `./plabctl.toml`,
`$XDG_CONFIG_HOME/plabctl/config.toml` (`~/.config/plabctl/config.toml`) and `/etc/plabctl/config.toml` that exists.
`plabctl init` writes one with every key and its default; `plabctl config check` reports all errors in one, and while
there is an error ticks do nothing; `plabctl config show` prints the values in force and where each was set.

Durations are strings such as `"90s"`, `"2m30s"`, `"12h"`, `"2d"`, `"1y"` (365 days), or `0`. Sizes are strings such
as `"64KiB"`. Paths are relative to the folder of the config file (links are resolved), and `~` is the home directory.
Hooks, inventory commands and local recipes run in that folder. Scripts, commands given by a path, Ansible inventories
and `known_hosts`, and every folder that leads to them, must belong to root, to the user who runs plabctl or to the
owner of the config file. In messages, `hook[2]` is the second `[[hook]]`.

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


def build_reference() -> str:
    """Return the reference as Markdown: every key with what it does, what is allowed, its default and an example."""
    return "\n".join([_HEAD, *(part for title, table in _SECTIONS for part in _format_sections(title, table))])


def _format_sections(title: str, table: Table) -> Iterator[str]:
    """Yield the section of a table, and one for each of its built-in kinds that has keys of its own."""
    yield _format_section(title, table)
    if kind_name := find_kind_name(table):
        for kind in kind_name.builtin():
            if kind.keys.keys:
                yield _format_section(f"{title} of kind `{kind.name}`", kind.keys)


def _format_section(title: str, table: Table) -> str:
    keys = list_keys(table, find_fixed_kind(table)).values()
    rows = [_format_row(table, key) for key in keys if not (table is ROOT and isinstance(key.type, Table))]
    head = ["| key | what it does | allowed | default | example |", "|---|---|---|---|---|"]
    intro = [describe_table(table), ""] if table.text else []
    return "\n".join([f"## {title}", "", *intro, *head, *rows, ""])


def _format_row(table: Table, key: Key) -> str:
    if key.name not in table.keys:
        table = find_fixed_kind(table).keys
    allowed = "a table, see below" if isinstance(key.type, Table) else key.type.allowed
    default = "none: it must be given" if key.required else key.default or _find_constant(table, key)
    cells = [f"`{key.name}`", describe_key(key), allowed, default, f"`{key.name} = {key.example}`"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _find_constant(table: Table, key: Key) -> str:
    if isinstance(key.type, Table):
        return "its own defaults" if key.type.topic == BACKOFF.topic else "none"
    default = format_default(table, key)
    return "none" if default in {None, '""'} else f"`{default}`"
