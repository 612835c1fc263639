"""Turn the values of a valid configuration into `Settings`, with the defaults filled in.

Pure. The defaults that depend on who runs us are arguments.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence

from plabctl.config.cross_check import (
    Values,
    find_entry_pool,
    find_kind,
    find_only_pool,
    is_variant,
    list_recipes,
    read_pools,
)
from plabctl.config.kind_name import find_fixed_kind, list_keys
from plabctl.config.locate import BaseDir
from plabctl.config.pool_keys import BACKOFF, POOL, RECIPE
from plabctl.config.schema import ROOT
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff, BackoffKind
from plabctl.core.keys.table import Shape, Table
from plabctl.core.keys.types import ValueType
from plabctl.core.recipe import Recipe
from plabctl.core.settings import InventorySettings, PoolSettings, Settings
from plabctl.kinds import find
from plabctl.typed import TYPE_CHECKING, Any
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.core.occupancy import OccupancySettings


def build_settings(values: Values, base: BaseDir, *, path: str, state_dir: str, digest: str) -> Settings:
    """Return the settings that faultless `values` mean.

    What they mean depends on where they stand and who reads them: `base` is what relative paths are relative to,
    `state_dir` is the default, `path` and `digest` say which file it was.
    """
    # Pools take part with their kinds, which their names may stand for.
    given: Settings = _fill(ROOT, {name: value for name, value in values.items() if name != "pool"}, base)
    state = given.state_dir or state_dir
    ssh = replace(given.ssh, known_hosts=given.ssh.known_hosts or f"{state}/known_hosts")
    of_plugins, builtin = list_recipes(values).maps
    usable = {name: recipe for name, recipe in of_plugins.items() if not recipe.fault}
    own = _build_recipes(given, values, ChainMap(usable, builtin))
    return replace(
        given,
        path=path,
        state_dir=state,
        entry_pool=find_entry_pool(values) or "",
        pools=_build_pools(read_pools(values), base),
        recipes=ChainMap(own, usable, builtin),
        recipe_faults={name: recipe.fault for name, recipe in of_plugins.items() if recipe.fault},
        ssh=ssh,
        inventories=_name_sources(given.inventories),
        occupancies=_name_occupancies(given.occupancies) if given.occupancies else (),
        kind_faults=_list_kind_faults(given),
        digest=digest,
    )


def _build_recipes(given: Settings, values: Values, others: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Return the recipes that have a table; one that only says how it is run has its stages from `others`."""
    built = {}
    for name, recipe in given.recipes.items():
        table = values["recipe"][name]
        if not is_variant(table):
            built[name] = replace(recipe, name=name)
        elif name in others:
            changes = {RECIPE.keys[key].field: getattr(recipe, RECIPE.keys[key].field) for key in table}
            built[name] = replace(others[name], **changes)
    return built


def _list_kind_faults(given: Settings) -> dict[str, str]:
    """Return why kinds of inventories and sinks cannot be used, by the key that names them."""
    named = {f"inventory[{number}].kind": ("inventory", each.kind) for number, each in enumerate(given.inventories, 1)}
    named |= {f"sink[{number}].kind": ("sink", each.kind) for number, each in enumerate(given.sinks, 1)}
    named |= {f"occupancy[{number}].kind": ("occupancy", each.kind) for number, each in enumerate(given.occupancies, 1)}
    faults = {path: find(point, kind).fault for path, (point, kind) in named.items()}
    return {path: fault for path, fault in faults.items() if fault}


def _name_sources(inventories: Sequence[InventorySettings]) -> tuple[InventorySettings, ...]:
    """Return the sources of nodes with their names, and those that the nodes of each may still carry.

    Version 0.1 named a source by all that its kind is told: what is called so is still known. Sources that would have
    the same name without one of their own go on being named like that.
    """
    kinds = [find("inventory", each.kind) for each in inventories]
    whole = [f"{each.kind}:{kind.identify(each.options)}" for each, kind in zip(inventories, kinds, strict=True)]
    short = [f"{each.kind}:{kind.suggest_name(each.options)}" for each, kind in zip(inventories, kinds, strict=True)]
    named = []
    for inventory, long_name, short_name in zip(inventories, whole, short, strict=True):
        others = (short_name,) if short.count(short_name) == 1 else ()
        name = inventory.name or (*others, long_name)[0]
        aliases = tuple(dict.fromkeys(each for each in (*others, long_name) if each != name))
        named.append(replace(inventory, name=name, aliases=aliases))
    return tuple(named)


def _name_occupancies(sources: Sequence[OccupancySettings]) -> tuple[OccupancySettings, ...]:
    """Return the occupancy sources with their names; those that would share a short one are told apart by all."""
    kinds = [find("occupancy", each.kind) for each in sources]
    pairs = list(zip(sources, kinds, strict=True))
    short = [each.name or f"{each.kind}:{kind.suggest_name(each.options)}" for each, kind in pairs]
    long = [each.name or f"{each.kind}:{kind.identify(each.options)}" for each, kind in pairs]
    names = (name if short.count(name) == 1 else whole for name, whole in zip(short, long, strict=True))
    return tuple(replace(each, name=name) for each, name in zip(sources, names, strict=True))


def _build_pools(pools: Mapping[str, Values], base: BaseDir) -> dict[str, PoolSettings]:
    built = {}
    for name, values in pools.items():
        kind = find_kind(name, values)
        assert kind is not None, f"pool {name} has a kind, or the faults would say so"
        goes_to = values.get(kind.exit_key) or find_only_pool(pools, is_good=not kind.is_good) or ""
        backoff = _build_backoff(values.get("backoff", {}), base, is_good=kind.is_good)
        pool = _fill(POOL, {**values, "kind": kind}, base)
        built[name] = replace(pool, name=name, goes_to=goes_to, backoff=backoff)
    return built


def _build_backoff(values: Values, base: BaseDir, *, is_good: bool) -> Backoff:
    """Return the back-off; what is not given is as its kind has it in a pool of this side."""
    kind: BackoffKind = values.get("kind", ADDITIVE)
    backoff: Backoff = _fill(BACKOFF, {**values, "kind": kind}, base, kind.default(is_good=is_good))
    return backoff


def _fill(table: Table, values: Values, base: BaseDir, defaults: Any = None) -> Any:
    """Return the table's defaults, or these, with `values` over them.

    What a key of a kind says goes into the field of that name, or else into the `options` of the value.
    """
    value: Any = table.defaults if defaults is None else defaults
    kind = values.get("kind", find_fixed_kind(table))
    keys = list_keys(table, kind if hasattr(kind, "keys") else None)
    given = {keys[name].field: _place(keys[name].type, each, base) for name, each in values.items()}
    own = {name: given.pop(name) for name in list(given) if not hasattr(value, name)}
    if hasattr(value, "options"):
        options = kind.keys.defaults if kind else value.options
        # A kind that cannot be loaded takes every key; nothing is done with its options.
        given["options"] = replace(options, **own) if own and not kind.fault else options
    return replace(value, **given)


def _place(kind: ValueType | Table, value: Any, base: BaseDir) -> Any:
    """Return a value that was read as the program uses it."""
    if not isinstance(kind, Table):
        return kind.resolve_paths(value, base)
    if kind.shape is Shape.ONE:
        return _fill(kind, value, base)
    if kind.shape is Shape.NAMED:
        return {name: _fill(kind, each, base) for name, each in value.items()}
    return tuple(_fill(kind, each, base) for each in value)
