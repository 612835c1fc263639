"""The commented sample config that `plabctl init` and `plabctl config sample` write.

Pure. Made from the schema: every key stands there, after a `#`, with its default. A line `#key = value` is a key; a
line `# words` is a comment.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping

from plabctl.config.schema import (
    ADAPTIVE,
    DEADLINES,
    EXPERIMENT,
    FLAP,
    GUARD,
    HOOK,
    INVENTORY,
    POOL,
    RECIPE,
    ROOT,
    SSH,
    Key,
    Table,
)
from plabctl.config.texts import TABLES, text_of

_WIDTH = 100
_LIVE = {
    "pool.good.kind": '"good"',
    "pool.good.on_fail": '"bad"',
    "pool.bad.kind": '"bad"',
    "pool.bad.on_pass": '"good"',
}
_INTRO = """\
# The configuration of plabctl. Each key stands here with its default, or with an example where it has none;
# take the "#" away to set it. `plabctl config check` looks for mistakes, `plabctl config show` says what holds.
"""


def sample(live: Mapping[str, str] | None = None) -> str:
    """Return the text of a config file that means the defaults, but for the keys in `live`.

    `live` maps the path of a key (`ssh.key`) to its value as TOML (text by `wording.quoted`); those keys stand there
    without `#`.
    """
    given = dict(_LIVE, **(live or {}))
    blocks = [
        _INTRO,
        _block(ROOT, "", given),
        _block(SSH, "[ssh]", given),
        _block(POOL, "[pool.good]", given, without={"on_pass"}),
        _block(POOL, "[pool.bad]", given, without={"on_fail", "confirm", "suspects"}, again=True),
        _block(FLAP, "[flap]", given),
        _block(GUARD, "[guard]", given),
        _block(ADAPTIVE, "[adaptive]", given),
        _block(DEADLINES, "[deadlines]", given),
        _block(EXPERIMENT, "[experiment]", given),
        _block(RECIPE, "#[recipe.mine]", given),
        _block(INVENTORY, "#[[inventory]]", given, without={"command"}),
        _block(HOOK, "#[[hook]]", given),
    ]
    return "\n".join(blocks)


def default_of(table: Table, key: Key) -> str | None:
    """Return the default of `key` as TOML; None when it has none or it is no constant."""
    value = getattr(table.defaults, key.field)
    if key.required or text_of(table.topic, key.name).default:
        return None
    if isinstance(key.kind, Table):
        return None if value is None else inline(key.kind, value)
    return key.kind.show(value)


def inline(table: Table, value: object) -> str:
    """Return `value`, which `table` fills, as an inline table of TOML; empty texts are left out."""
    parts = []
    for name, key in table.keys.items():
        assert not isinstance(key.kind, Table), "an inline table holds no table"  # noqa: S101
        field = getattr(value, key.field)
        if field != "":
            parts.append(f"{name} = {key.kind.show(field)}")
    return "{ " + ", ".join(parts) + " }"


def _block(
    table: Table, header: str, live: Mapping[str, str], *, without: Collection[str] = (), again: bool = False
) -> str:
    """Return one table of the sample; `again`: the table before it was of the same kind and explained itself."""
    lines = [*_comment(TABLES[table.topic]), header] if header and not again else [header] if header else []
    prefix = header.strip("#[]")
    for name, key in table.keys.items():
        if name in without or (table is ROOT and isinstance(key.kind, Table)):
            continue
        path = f"{prefix}.{name}" if prefix else name
        text = text_of(table.topic, name)
        if not again or name == "on_pass":
            lines += _comment(text.help + (f" Default: {text.default}." if text.default else ""))
        value = live.get(path)
        lines.append(f"{name} = {value}" if value else f"#{name} = {default_of(table, key) or text.example}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text.replace("`", ""), _WIDTH, break_on_hyphens=False):
        yield f"# {line}"
