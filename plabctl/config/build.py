"""Turn the values of a faultless configuration into `Settings`, the defaults filled in.

Pure. The defaults that depend on who runs us are arguments.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any, cast

from plabctl.config.base import Base
from plabctl.config.crosscheck import EXIT_KEY, OTHER, Values, entry_pool_of, kind_of, only_pool, pools_of
from plabctl.config.schema import BACKOFF, POOL, ROOT, Shape, Table
from plabctl.core.recipe import Recipe
from plabctl.core.settings import Backoff, PoolKind, PoolSettings, Settings, default_backoff
from plabctl.values import replace


def build(
    values: Values, builtin: Mapping[str, Recipe], base: Base, *, path: str, state_dir: str, digest: str
) -> Settings:
    """Return the settings that faultless `values` mean.

    What they mean depends on where they stand and who reads them: `base` is what relative paths are relative to,
    `state_dir` is the default, `path` and `digest` say which file it was.
    """
    given: Settings = _fill(ROOT, values, base)
    state = given.state_dir or state_dir
    ssh = replace(given.ssh, known_hosts=given.ssh.known_hosts or f"{state}/known_hosts")
    own = {name: replace(recipe, name=name) for name, recipe in given.recipes.items()}
    return replace(
        given,
        path=path,
        state_dir=state,
        entry_pool=entry_pool_of(values) or "",
        pools=_pools(pools_of(values), base),
        recipes=ChainMap(own, cast("dict[str, Recipe]", builtin)),  # which loads none of them
        ssh=ssh,
        digest=digest,
    )


def _pools(pools: Mapping[str, Values], base: Base) -> dict[str, PoolSettings]:
    built = {}
    for name, values in pools.items():
        kind = kind_of(name, values)
        assert kind is not None, f"pool {name} has a kind, or the faults would say so"  # noqa: S101
        goes_to = values.get(EXIT_KEY[kind]) or only_pool(pools, OTHER[kind]) or ""
        backoff = _backoff(values.get("backoff", {}), kind, base)
        built[name] = replace(_fill(POOL, values, base), name=name, kind=kind, goes_to=goes_to, backoff=backoff)
    return built


def _backoff(values: Values, pool: PoolKind, base: Base) -> Backoff:
    """Return the back-off; what is not given is as its kind has it in a pool of this kind."""
    defaults = default_backoff(values.get("kind", Backoff().kind), pool)
    backoff: Backoff = _fill(BACKOFF, values, base, defaults)
    return backoff


def _fill(table: Table, values: Values, base: Base, defaults: object = None) -> Any:  # noqa: ANN401 - each table fills a value of its own type
    """Return the table's defaults, or these, with `values` over them."""
    fields: dict[str, object] = {}
    for name, value in values.items():
        key = table.keys[name]
        kind = key.kind
        if not isinstance(kind, Table):
            fields[key.field] = kind.placed(value, base)
        elif kind.shape is Shape.ONE:
            fields[key.field] = _fill(kind, value, base)
        elif kind.shape is Shape.NAMED:
            fields[key.field] = {each: _fill(kind, inner, base) for each, inner in value.items()}
        else:
            fields[key.field] = tuple(_fill(kind, inner, base) for inner in value)
    return replace(defaults or table.defaults, **fields)  # type: ignore[type-var]
