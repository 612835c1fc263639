"""The commented sample config that `plabctl init` and `plabctl config sample` write.

Pure. Made from the schema: every key stands there, after a `#`, with its default. A line `#key = value` is a key; a
line `# words` is a comment.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from plabctl.config.cross_check import DEFAULT_POOLS, find_only_pool
from plabctl.config.kind_name import (
    describe_key,
    describe_table,
    find_fixed_kind,
    find_kind_name,
    find_kind_of,
    list_keys,
)
from plabctl.config.occupancy_keys import OCCUPANCY
from plabctl.config.policy_keys import ADAPTIVE, EXPERIMENT, FLAP, GUARD
from plabctl.config.pool_keys import BACKOFF, POOL, RECIPE
from plabctl.config.schema import ROOT
from plabctl.config.ssh_keys import DEADLINES, EXECUTOR, SSH
from plabctl.config.stream_keys import HISTORY, HOOK, INVENTORY, REPORT, SINK
from plabctl.core.keys.formatting import quote
from plabctl.core.keys.table import Key, Table
from plabctl.kinds import builtin_kinds, find_builtin

_WIDTH = 100
_INTRO = """\
# The configuration of plabctl: every key with its default, or with an example if it has none. Remove the "#" to
# set it. `plabctl config check` reports errors, `plabctl config show` prints the values in force.
"""


def build_sample(live: Mapping[str, str] | None = None) -> str:
    """Return the text of a config file that means the defaults, but for the keys in `live`.

    `live` maps the path of a key (`ssh.key`) to its value as TOML (text by `quote`); those keys stand there
    without `#`.
    """
    given = {**_list_default_pools(), **(live or {})}
    blocks = [
        _INTRO,
        _format_block(ROOT, "", given),
        _format_block(SSH, "[ssh]", given),
        *_format_pools(given),
        _format_block(FLAP, "[flap]", given),
        _format_block(GUARD, "[guard]", given),
        _format_block(ADAPTIVE, "[adaptive]", given),
        _format_block(DEADLINES, "[deadlines]", given),
        _format_block(EXPERIMENT, "[experiment]", given),
        _format_block(HISTORY, "[history]", given),
        _format_block(REPORT, "[report]", given),
        *_format_executors(given),
        _format_block(RECIPE, "#[recipe.mine]", given),
        *_format_kinds(INVENTORY, "#[[inventory]]"),
        *_format_kinds(OCCUPANCY, "#[[occupancy]]"),
        *_format_kinds(SINK, "#[[sink]]"),
        _format_block(HOOK, "#[[hook]]", given, kind=find_fixed_kind(HOOK)),
    ]
    return "\n".join(blocks)


def _list_default_pools() -> dict[str, str]:
    """Return the keys that make the two default pools: their kinds, and each other's names."""
    given = {}
    for name in DEFAULT_POOLS:
        kind = find_builtin("pool", name)
        given[f"pool.{name}.kind"] = quote(kind.name)
        given[f"pool.{name}.{kind.exit_key}"] = quote(find_only_pool(DEFAULT_POOLS, is_good=not kind.is_good) or "")
    return given


def format_default(table: Table, key: Key) -> str | None:
    """Return the default of `key` as TOML; None when it has none or it is no constant."""
    if key.required or key.default:
        return None
    value = getattr(table.defaults, key.field)
    if isinstance(key.type, Table):
        return None if value is None else format_inline(key.type, value)
    return key.type.format(value)


def format_inline(table: Table, value: object) -> str:
    """Return `value`, which `table` fills, as an inline table of TOML; empty texts are left out."""
    parts = []
    for name, key in table.keys.items():
        assert not isinstance(key.type, Table), "an inline table holds no table"
        field = getattr(value, key.field)
        if field != "":
            parts.append(f"{name} = {key.type.format(field)}")
    return "{ " + ", ".join(parts) + " }"


def _format_pools(live: Mapping[str, str]) -> Iterator[str]:
    """Yield a pool of each built-in kind, called like it; what all pools share is explained once."""
    for number, kind in enumerate(builtin_kinds("pool")):
        mark = "" if kind.name in DEFAULT_POOLS else "#"
        yield _format_block(POOL, f"{mark}[pool.{kind.name}]", live, kind=kind, again=number > 0)


def _format_executors(live: Mapping[str, str]) -> Iterator[str]:
    """Yield the table of the default executor, and an example of each other kind that has keys of its own."""
    default = find_kind_of(EXECUTOR, EXECUTOR.defaults)
    for kind in builtin_kinds("executor"):
        if kind is default:
            yield _format_block(EXECUTOR, "[executor]", live, kind=kind)
        elif kind.keys.keys:
            yield _format_block(EXECUTOR, "#[executor]", {}, kind=kind, again=True)


def _format_kinds(table: Table, header: str) -> Iterator[str]:
    """Yield an example of each built-in kind that the table may choose; what all share stands in the first alone."""
    kind_name = find_kind_name(table)
    assert kind_name is not None, "asked only for tables with kinds"
    for number, kind in enumerate(kind_name.builtin()):
        shared = {name for name in table.keys if name != "kind"} if number else set()
        yield _format_block(table, header, {}, kind=kind, without=shared, again=number > 0)


def _format_block(
    table: Table,
    header: str,
    live: Mapping[str, str],
    *,
    kind: Any = None,
    without: Collection[str] = (),
    again: bool = False,
) -> str:
    """Return one table of the sample; `again`: a table before it has the same common keys and explained them."""
    lines = [*_format_comment(describe_table(table)), header] if header and not again else [header] if header else []
    prefix = header.strip("#[]")
    for name, key in list_keys(table, kind).items():
        if name in without or (table is ROOT and isinstance(key.type, Table)):
            continue
        owner = table if name in table.keys else kind.keys
        path = f"{prefix}.{name}" if prefix else name
        if not again or owner is not table:
            lines += _format_comment(describe_key(key) + (f" Default: {key.default}." if key.default else ""))
            lines += _describe_inline_kinds(key.type) if key.type is BACKOFF else ()
        value = live.get(path)
        is_choice = kind is not None and name == "kind"
        other = quote(kind.name) if is_choice else format_default(owner, key) or key.example
        lines.append(f"{name} = {value}" if value else f"#{name} = {other}")
    return "\n".join(lines) + "\n"


def _describe_inline_kinds(table: Table) -> Iterator[str]:
    """Yield what the kinds do that an inline table may choose, and the keys that only they have."""
    yield from _format_comment(describe_key(table.keys["kind"]))
    kind_name = find_kind_name(table)
    assert kind_name is not None, "asked only for tables with kinds"
    for kind in kind_name.builtin():
        for name, key in kind.keys.keys.items():
            value = format_default(kind.keys, key) or key.example
            yield from _format_comment(f"With kind = {quote(kind.name)} also {name} = {value}: {describe_key(key)}")


def _format_comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text.replace("`", ""), _WIDTH, break_on_hyphens=False):
        yield f"# {line}"
