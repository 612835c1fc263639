"""Plug-ins: pool kinds, back-offs and recipes that other packages bring, found by entry point.

I/O: imports the packages that are named, and only those; where the configuration names nothing but what is built in,
nobody looks. A package that cannot be used is a fault of the pools that want it and of nothing else. `docs/plugins.md`
says how to write one; what a plug-in gives is put in its place by `Plugins.installed`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from plabctl.core.recipe import Recipe
from plabctl.core.settings import Backoff, BackoffKind, PoolKind, PoolSettings, Settings
from plabctl.values import dataclass, replace

if TYPE_CHECKING:
    from plabctl.core.settings import Formula

GROUPS = {"kind": "plabctl.pools", "backoff": "plabctl.backoffs", "recipe": "plabctl.recipes"}
"""The groups of entry points, by the key that names what they hold."""
_STAND_IN_BACKOFF = BackoffKind.ADDITIVE.value


@dataclass(frozen=True, slots=True)
class Found:
    """What an entry point gave: a value that was looked over, or the fault that keeps it from being used."""

    value: Any
    fault: str = ""


class Plugins:
    """What the plug-ins that a configuration names have to give."""

    def __init__(self, document: Mapping[str, Any], builtin: Mapping[str, Recipe]) -> None:
        self._builtin = builtin
        self._kinds: dict[str, str] = {}
        self._backoffs: dict[str, str] = {}
        self._recipes: dict[str, str] = {}
        self._listed: list[str] = []
        self._found: dict[tuple[str, str], Found] = {}
        self.document = dict(document)
        """The configuration with what is built in where a plug-in is named, so that all else can be judged."""
        pools = document.get("pool")
        if isinstance(pools, dict):
            self.document["pool"] = {name: self._looked_over(name, pool, document) for name, pool in pools.items()}
        listed = document.get("plugin_recipes")
        for name in listed if isinstance(listed, list) else ():
            if isinstance(name, str) and self._find("recipe", name):
                self._listed.append(name)

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """The recipes that need not be written, those of plug-ins among them; a broken one has no stages."""
        found = {name: found.value or Recipe(name) for (key, name), found in self._found.items() if key == "recipe"}
        return ChainMap(found, self._builtin) if found else self._builtin  # type: ignore[arg-type]  # it is only read

    def installed(self, settings: Settings) -> Settings:
        """Return `settings` with what the plug-ins give in its place; pools that cannot have it are disabled."""
        if not self._found:
            return settings
        faults: dict[str, str] = {}
        disabled: set[str] = set()
        pools = {name: self._pool(pool, faults, disabled) for name, pool in settings.pools.items()}
        for name in self._listed:
            if fault := self._found["recipe", name].fault:
                faults[f"plugin_recipes.{name}"] = fault
        broken = {name for (key, name), found in self._found.items() if key == "recipe" and found.fault}
        recipes = {name: recipe for name, recipe in settings.recipes.items() if name not in broken} if broken else None
        settings = replace(
            settings,
            pools=pools,
            recipes=settings.recipes if recipes is None else recipes,
            plugin_faults=faults,
            disabled=disabled,
        )
        for name, pool in pools.items():
            if pool.judged_by and (fault := _tried(pool, settings)):
                settings.disable(name, "kind", fault)
        return settings

    def _looked_over(self, name: str, pool: object, document: Mapping[str, Any]) -> object:
        """Return one pool's table with the built-in stand-ins for the plug-ins that it names."""
        if not isinstance(pool, dict):
            return pool
        pool = dict(pool)
        kind, recipe, backoff = pool.get("kind"), pool.get("recipe"), pool.get("backoff")
        if isinstance(kind, str) and kind not in tuple(PoolKind) and (found := self._find("kind", kind)):
            self._kinds[name] = kind
            pool["kind"] = side_of(found.value).value if found.value else _guessed_side(name, pool)
        own = document.get("recipe")
        is_known = isinstance(recipe, str) and (recipe in self._builtin or (isinstance(own, dict) and recipe in own))
        if isinstance(recipe, str) and not is_known and self._find("recipe", recipe):
            self._recipes[name] = recipe
        shape = backoff.get("kind") if isinstance(backoff, dict) else None
        if isinstance(shape, str) and shape not in tuple(BackoffKind) and self._find("backoff", shape):
            self._backoffs[name] = shape
            pool["backoff"] = {**pool["backoff"], "kind": _STAND_IN_BACKOFF}
        return pool

    def _find(self, key: str, name: str) -> Found | None:
        """Return what the entry point of that name gives; None when there is none: then it is a typing error."""
        if (key, name) not in self._found:
            found = _loaded(key, name)
            if found is None:
                return None
            self._found[key, name] = found
        return self._found[key, name]

    def _pool(self, pool: PoolSettings, faults: dict[str, str], disabled: set[str]) -> PoolSettings:
        for key, found in self._of(pool.name):
            path = f"pool.{pool.name}.{'backoff.kind' if key == 'backoff' else key}"
            if found.fault:
                faults[path] = found.fault
                disabled.add(pool.name)
        if (kind := self._kinds.get(pool.name)) is not None:
            pool = replace(pool, plugin=kind, judged_by=self._found["kind", kind].value)
        if (shape := self._backoffs.get(pool.name)) is not None:
            formula = self._found["backoff", shape].value
            watched = _watched(formula, pool.name, shape, faults, disabled) if formula else None
            pool = replace(pool, backoff=replace(pool.backoff, plugin=shape, formula=watched))
        return pool

    def _of(self, pool: str) -> Iterator[tuple[str, Found]]:
        for key, names in (("kind", self._kinds), ("backoff", self._backoffs), ("recipe", self._recipes)):
            if pool in names:
                yield key, self._found[key, names[pool]]


def _watched(formula: Formula, pool: str, name: str, faults: dict[str, str], disabled: set[str]) -> Formula:
    """Return `formula`, which disables its pool should it fail in use."""

    def asked(backoff: Backoff, streak: int, age_s: float) -> float:
        from plabctl.config import plugincheck  # noqa: PLC0415 - as below

        try:
            return plugincheck.wait_of(formula, backoff, streak, age_s)
        except Exception as error:
            why = f"the plug-in {name!r} failed for {streak} equal results: {plugincheck.words(error)}"
            faults.setdefault(f"pool.{pool}.backoff.kind", why)
            disabled.add(pool)
            raise

    return asked


def side_of(kind: type) -> PoolKind:
    """Return which of the two built-in kinds a kind of pool is one of."""
    from plabctl.core.pools.good import GoodPool  # noqa: PLC0415 - only where a plug-in brings a kind of pool

    return PoolKind.GOOD if issubclass(kind, GoodPool) else PoolKind.BAD


def _guessed_side(name: str, pool: Mapping[str, Any]) -> str:
    """Return what a pool is whose kind cannot be asked: nothing is tested in it, but others send nodes to it."""
    is_good = "on_fail" in pool or (name == PoolKind.GOOD.value and "on_pass" not in pool)
    return (PoolKind.GOOD if is_good else PoolKind.BAD).value


def _loaded(key: str, name: str) -> Found | None:
    """Import what the entry point of that name points to and look it over."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - costs as much as all the rest of a short command

    from plabctl.config import plugincheck  # noqa: PLC0415 - as above

    points = {point.value: point for point in entry_points(group=GROUPS[key], name=name)}
    if not points:
        return None
    if len(points) > 1:
        return Found(None, f"more than one package brings {name!r}: {', '.join(sorted(points))}")
    ((value, point),) = points.items()
    try:
        return Found(plugincheck.CHECKS[key](name, point.load()))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a package of others may do anything when it is imported
        return Found(None, f"the plug-in {name!r} ({value}) cannot be used: {plugincheck.words(error)}")


def _tried(pool: PoolSettings, settings: Settings) -> str:
    """Return what is wrong with a kind of pool when it judges a pass and a failure; nothing when all is well."""
    from plabctl.config import plugincheck  # noqa: PLC0415 - as above

    try:
        plugincheck.try_pool(pool, settings)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
        return f"the plug-in {pool.plugin!r} cannot be used: {plugincheck.words(error)}"
    return ""
