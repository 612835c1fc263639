"""Judge what keys of the configuration say about each other: pools that name pools, recipes that must exist.

Pure. Works on the values that `plabctl.config.read_document` could read, so that one fault does not hide the others:
what was given and could not be read counts as given and is not judged again.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping, MutableMapping

from plabctl.config.read_document import Fault
from plabctl.config.schema import ROOT
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import BackoffKind
from plabctl.core.keys.formatting import quote, suggest
from plabctl.core.keys.table import Kind
from plabctl.core.keys.types import Base
from plabctl.core.pools.good import GOOD
from plabctl.core.recipe import DEFAULT_STAGES, Become, Recipe, Transport
from plabctl.core.settings import PoolKind, PoolSettings, Settings
from plabctl.kinds import Builtin, builtin_kinds, builtin_names, find, find_builtin
from plabctl.typed import Any, cast

Values = Mapping[str, Any]

DEFAULT_POOLS: Mapping[str, Values] = {"good": {}, "bad": {}}
_VERDICT_STAGES = ("setup", "up", "check")
_DEFAULT_POOL = PoolSettings("", GOOD, "")
_DEFAULTS = cast(Settings, ROOT.defaults)
_EXPERIMENT, _DEFAULT_ENTRY_POOL = _DEFAULTS.experiment, _DEFAULTS.entry_pool


def read_pools(values: Values) -> Mapping[str, Values]:
    """Return the pools by name: those of the file, or good and bad when it has none."""
    return values.get("pool") or DEFAULT_POOLS


def find_kind(name: str, pool: Values) -> PoolKind | None:
    """Return a pool's kind; a pool that is called like a kind need not say it. None when nobody said it."""
    given: PoolKind | None = pool.get("kind")
    return given or find_builtin("pool", name)


def list_pools_on(pools: Mapping[str, Values], *, is_good: bool) -> list[str]:
    """Return the names of the pools whose nodes are offered, or of those whose nodes are not."""
    return [name for name, pool in pools.items() if (kind := find_kind(name, pool)) and kind.is_good is is_good]


def find_only_pool(pools: Mapping[str, Values], *, is_good: bool) -> str | None:
    """Return the name of the one pool on that side; None when there is none or more than one."""
    names = list_pools_on(pools, is_good=is_good)
    return names[0] if len(names) == 1 else None


def find_entry_pool(values: Values) -> str | None:
    """Return the pool that new nodes enter: as given, else the default's name if it exists, else the only bad one."""
    pools = read_pools(values)
    given: str | None = values.get("entry_pool")
    return given or (_DEFAULT_ENTRY_POOL if _DEFAULT_ENTRY_POOL in pools else find_only_pool(pools, is_good=False))


def list_recipes(values: Values) -> ChainMap[str, Recipe]:
    """Return the recipes that need not be written: those of plug-ins that are named, then the built-in ones."""
    builtin: MutableMapping[str, Recipe] = cast("MutableMapping[str, Recipe]", Builtin("recipe"))  # it is only read
    pools = read_pools(values).values()
    named = [each["recipe"] for pool in pools for each in (pool, pool.get("liveness", {})) if "recipe" in each]
    whole = {name for name, recipe in values.get("recipe", {}).items() if not is_variant(recipe)}
    variants = values.get("recipe", {}).keys() - whole
    unknown = {*named, *values.get("plugin_recipes", ()), *variants} - builtin.keys() - whole
    found = {name: recipe for name in sorted(unknown) if (recipe := find("recipe", name)) is not None}
    return ChainMap(found, builtin)


def is_variant(recipe: Values) -> bool:
    """Return whether a table of a recipe has no stages of its own: it says as whom those of that name are run."""
    return "become" in recipe and "transport" not in recipe and not DEFAULT_STAGES.keys() & recipe.keys()


def check_across_keys(values: Values, broken: Collection[str], base: Base) -> Iterator[Fault]:
    """Yield every fault between keys; `broken` are the paths of keys at fault already, `base` makes paths absolute."""
    recipes, builtin = values.get("recipe", {}), list_recipes(values)
    yield from _check_stages(recipes, builtin, broken)
    for point in ("inventory", "occupancy", "sink"):
        yield from _check_sources(point, values.get(point, ()), broken, base)
    yield from _check_experiment(values.get("experiment", {}), {*builtin, *recipes}, broken)
    yield from _check_reserves(values)
    # A pool that could not be read at all may be the very one that others name: then nothing is said about pools.
    if not any(path == "pool" or (path.startswith("pool.") and path.count(".") == 1) for path in broken):
        yield from _check_pools(read_pools(values), broken)
        yield from _check_entry(values)
    yield from (fault for fault in _check_kinds(values) if fault[0] not in broken)
    users: dict[str, str] = {}
    for name, pool in read_pools(values).items():
        if f"pool.{name}.recipe" not in broken:
            users.setdefault(pool.get("recipe", _DEFAULT_POOL.recipe), name)
        if "liveness" in pool:
            from plabctl.config.liveness_keys import check_recipe  # few files have it

            yield from check_recipe(name, pool["liveness"], recipes, builtin, broken)
    for name, pool_name in users.items():
        yield from _check_recipe(pool_name, name, recipes, builtin, broken)


def _check_pools(pools: Mapping[str, Values], broken: Collection[str]) -> Iterator[Fault]:
    undecided = False
    for name, pool in pools.items():
        path = f"pool.{name}"
        kind = find_kind(name, pool)
        if f"{path}.kind" in broken:
            undecided = True
        elif kind is None:
            undecided = True
            yield f"{path}.kind", f"missing, allowed: one of {_join_words(builtin_names('pool'))}"
        else:
            yield from _check_exits(path, kind, pool, pools, broken)
    for is_good in (True, False):
        if not undecided and not list_pools_on(pools, is_good=is_good):
            names = [quote(kind.name) for kind in builtin_kinds("pool") if kind.is_good is is_good]
            yield "pool", f"no pool is of kind {' or '.join(names)}, add [pool.NAME] with kind = {names[0]}"


def _check_exits(
    path: str, kind: PoolKind, pool: Values, pools: Mapping[str, Values], broken: Collection[str]
) -> Iterator[Fault]:
    mine, targets = kind.exit_key, list_pools_on(pools, is_good=not kind.is_good)
    if mine in pool:
        target = pool[mine]
        if target not in targets and f"pool.{target}.kind" not in broken:
            other = find_kind(target, pools[target]) if target in pools else None
            alike = "too" if other is kind else "on the same side"
            what = f'{quote(target)} is of kind "{other.name}" {alike}' if other else f"no pool {quote(target)}"
            yield f"{path}.{mine}", f"{what}, allowed: {_format_choices(targets)}{suggest(target, targets)}"
    elif len(targets) > 1 and f"{path}.{mine}" not in broken:
        yield f"{path}.{mine}", f"missing, allowed: {_format_choices(targets)}"


def _check_entry(values: Values) -> Iterator[Fault]:
    pools = read_pools(values)
    entry = find_entry_pool(values)
    if entry is None and len(list_pools_on(pools, is_good=False)) > 1:
        yield "entry_pool", f"missing, allowed: {_format_choices(pools)}"
    elif entry is not None and entry not in pools:
        yield "entry_pool", f"no pool {quote(entry)}, allowed: {_format_choices(pools)}{suggest(entry, pools)}"


def _check_experiment(given: Values, recipes: Collection[str], broken: Collection[str]) -> Iterator[Fault]:
    recipe = given.get("recipe", _EXPERIMENT.recipe)
    if "recipe" in given and recipe not in recipes and not {"recipe", f"recipe.{recipe}"} & set(broken):
        known = sorted(recipes)
        yield (
            "experiment.recipe",
            f"no recipe {quote(recipe)}, allowed: {_format_choices(known)}{suggest(recipe, known)}",
        )


def _check_reserves(values: Values) -> Iterator[Fault]:
    reserves = [pool.get("reserve", _DEFAULT_POOL.reserve) for pool in read_pools(values).values()]
    whole = sum(reserves) + values.get("experiment", {}).get("reserve", _EXPERIMENT.reserve)
    if whole > 1:
        yield "pool", f"the reserves of all pools and of an experiment come to {whole:g}, allowed: at most 1"


def _check_kinds(values: Values) -> Iterator[Fault]:
    """Yield what the kinds that were chosen say against the keys of their tables."""
    for path, kind, given, defaults in _list_choices(values):
        yield from ((f"{path}.{key}", what) for key, what in kind.check(given, defaults))


def _list_choices(values: Values) -> Iterator[tuple[str, Kind, Values, object]]:
    """Yield each table that chooses a kind: its path, the kind, what it gives, and what holds besides."""
    for name, pool in read_pools(values).items():
        kind, backoff = find_kind(name, pool) or GOOD, pool.get("backoff", {})
        waiting: BackoffKind = backoff.get("kind", ADDITIVE)
        yield f"pool.{name}", kind, pool, kind.keys.defaults
        yield f"pool.{name}.backoff", waiting, backoff, waiting.default(is_good=kind.is_good)
    for name, defaults in (("retry", _EXPERIMENT.retry), ("check", _EXPERIMENT.check)):
        backoff = values.get("experiment", {}).get(name, {})
        yield f"experiment.{name}", backoff.get("kind", defaults.kind), backoff, defaults
    for point in ("inventory", "occupancy", "sink"):
        for number, each in enumerate(values.get(point, ()), 1):
            if "kind" in each:
                yield f"{point}[{number}]", each["kind"], each, each["kind"].keys.defaults
    if executor := values.get("executor"):
        runs: Kind = executor.get("kind") or find_builtin("executor", _DEFAULTS.executor.kind)
        yield "executor", runs, executor, runs.keys.defaults


def _check_recipe(
    pool: str, name: str, recipes: Mapping[str, Values], builtin: Mapping[str, Recipe], broken: Collection[str]
) -> Iterator[Fault]:
    if {"recipe", f"recipe.{name}", f"recipe.{name}.become"} & set(broken):
        return
    if name in recipes and not (name in builtin and is_variant(recipes[name])):
        if not any(stage in recipes[name] or f"recipe.{name}.{stage}" in broken for stage in _VERDICT_STAGES):
            needed = ", ".join(_VERDICT_STAGES)
            yield f"recipe.{name}", f"tests nothing, but pool.{pool} uses it, allowed: at least one of {needed}"
    elif name not in builtin:
        known = sorted({*builtin, *recipes})
        yield f"pool.{pool}.recipe", f"no recipe {quote(name)}, allowed: {_format_choices(known)}{suggest(name, known)}"


def _check_stages(
    recipes: Mapping[str, Values], others: Mapping[str, Recipe], broken: Collection[str]
) -> Iterator[Fault]:
    for name, recipe in recipes.items():
        if is_variant(recipe) and name not in others:
            yield f"recipe.{name}", f"has no stages, and no other recipe is named {quote(name)}{suggest(name, others)}"
        if recipe.get("transport") is Transport.LOCAL and recipe.get("become") is Become.SUDO:
            yield (
                f"recipe.{name}.become",
                f'"{Become.SUDO}" with transport = "{Transport.LOCAL}", allowed: only over SSH',
            )
        for stage, keys in recipe.items():
            path = f"recipe.{name}.{stage}"
            if not isinstance(keys, dict):
                continue
            given = [key for key in ("run", "script") if key in keys or f"{path}.{key}" in broken]
            if len(given) != 1:
                what = "has both run and script" if given else "does nothing"
                yield path, f"{what}, allowed: one of run and script"


def _check_sources(point: str, sources: Collection[Values], broken: Collection[str], base: Base) -> Iterator[Fault]:
    """Yield each source, or sink that is told no events, that is of one kind and in one place with one before it."""
    known, names = list[tuple[int, Values]](), dict[object, int]()
    for number, each in enumerate(sources, 1):
        path, kind = f"{point}[{number}]", each.get("kind")
        if kind is None or (point == "sink" and not kind.is_eventless):
            continue
        if any(f"{path}.{key}" in broken for key in kind.keys.keys):
            continue
        keys = {key: kind.keys.keys[key] for key in kind.place_keys or kind.keys.keys}
        source = {"kind": kind, **{key: keys[key].resolve_paths(each[key], base) for key in keys if key in each}}
        if same := next((first for first, other in known if other == source), None):
            yield path, f"the same as {point}[{same}], allowed: each {'sink' if point == 'sink' else 'source'} once"
        name = each.get("name")
        if name is not None and (first := names.setdefault(name, number)) != number:
            yield f"{path}.name", f"{point}[{first}] has that name, allowed: a name of its own"
        known.append((number, source))


def _join_words(words: Collection[str]) -> str:
    return ", ".join(quote(str(word)) for word in words)


def _format_choices(names: Collection[str]) -> str:
    words = _join_words(names) or "nothing yet, such a pool is missing"
    return f"one of {words}" if len(names) > 1 else words
