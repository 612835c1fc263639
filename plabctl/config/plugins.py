"""Plug-ins: pool kinds, back-offs and recipes that other packages bring, found by entry point.

I/O: starts a process for each plug-in that is named (`plabctl.config.plugincall`). Where the configuration names only
what is built in, nobody looks. A package that cannot be used is a fault of the pools that want it and of nothing else.
`docs/plugins.md` says how to write one; what a plug-in gives is put in its place by `Plugins.installed`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from plabctl.core.names import is_pool_name
from plabctl.core.recipe import Recipe
from plabctl.core.settings import Backoff, BackoffKind, PoolKind, PoolSettings, Settings
from plabctl.errors import PluginFault
from plabctl.values import dataclass, replace

if TYPE_CHECKING:
    from plabctl.config.plugincall import Host
    from plabctl.core.model import Member
    from plabctl.core.pools.base import Judgement, Reading
    from plabctl.core.settings import Formula

_STAND_IN_BACKOFF = BackoffKind.ADDITIVE.value


@dataclass(frozen=True, slots=True)
class Found:
    """What an entry point gave: the process that answers for it and what is known of it, or why it cannot be used."""

    host: Host | None
    value: Any = None
    """The side of a kind of pool, a recipe itself; nothing of a back-off."""
    fault: str = ""


MAX_PLUGINS = 32
"""How many are looked for: each may take its time."""
_TOO_MANY = Found(None, fault=f"more than {MAX_PLUGINS} plug-ins are named")
_looked_up: dict[tuple[str, str], Found | None] = {}
"""What was found. A plug-in is loaded once in the life of this process, however often the configuration is read."""


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
        own = settings.recipes if recipes is None else recipes
        settings = replace(settings, pools=pools, recipes=own, plugin_faults=faults, disabled=disabled)
        self._try_kinds(settings)
        return settings

    def _try_kinds(self, settings: Settings) -> None:
        """Let each kind of pool know the settings and judge some plain cases; disable the pools of those that fail."""
        plain = replace(settings, pools={name: _plain(pool) for name, pool in settings.pools.items()})
        for name, kind in self._kinds.items():
            if (host := self._found["kind", kind].host) is None:
                continue
            try:
                host.call("settle_in", plain)
                host.call("try_pool", name)
            except PluginFault as error:
                settings.disable(name, "kind", f"the plug-in {kind!r} cannot be used: {error}")

    def _looked_over(self, name: str, pool: object, document: Mapping[str, Any]) -> object:
        """Return one pool's table with the built-in stand-ins for the plug-ins that it names."""
        if not isinstance(pool, dict):
            return pool
        pool = dict(pool)
        kind, recipe, backoff = pool.get("kind"), pool.get("recipe"), pool.get("backoff")
        if isinstance(kind, str) and kind not in tuple(PoolKind) and (found := self._find("kind", kind)):
            self._kinds[name] = kind
            pool["kind"] = found.value or _guessed_side(name, pool)
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
            if not is_pool_name(name):
                return None
            if (key, name) not in _looked_up:
                _looked_up[key, name] = _loaded(key, name) if len(_looked_up) < MAX_PLUGINS else _TOO_MANY
            found = _looked_up[key, name]
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
            host = self._found["kind", kind].host
            pool = replace(pool, plugin=kind, judged_by=partial(_HostedPool, host) if host else None)
        if (shape := self._backoffs.get(pool.name)) is not None:
            host = self._found["backoff", shape].host
            watched = _watched(host, pool.name, shape, faults, disabled) if host else None
            pool = replace(pool, backoff=replace(pool.backoff, plugin=shape, formula=watched))
        return pool

    def _of(self, pool: str) -> Iterator[tuple[str, Found]]:
        for key, names in (("kind", self._kinds), ("backoff", self._backoffs), ("recipe", self._recipes)):
            if pool in names:
                yield key, self._found[key, names[pool]]


class _HostedPool:
    """A pool whose kind judges in the process of its plug-in."""

    def __init__(self, host: Host, own: PoolSettings, settings: Settings) -> None:  # noqa: ARG002 - as pools are made
        self._host = host
        self._name = own.name

    def judge(self, member: Member, reading: Reading) -> Judgement:
        """Return what the plug-in makes of `reading`; raise PluginFault when that is nothing."""
        judgement: Judgement = self._host.call("judge", self._name, member, reading)
        return judgement


def _watched(host: Host, pool: str, name: str, faults: dict[str, str], disabled: set[str]) -> Formula:
    """Return the formula of a plug-in, which disables its pool should it fail in use."""

    def asked(backoff: Backoff, streak: int, age_s: float) -> float:
        try:
            return float(host.call("wait", replace(backoff, formula=None), streak, age_s))
        except PluginFault as error:
            why = f"the plug-in {name!r} failed for {streak} equal results: {error}"
            faults.setdefault(f"pool.{pool}.backoff.kind", why)
            disabled.add(pool)
            raise

    return asked


def _plain(pool: PoolSettings) -> PoolSettings:
    """Return the settings of a pool as another process can have them: with names of plug-ins, not with functions."""
    return replace(pool, judged_by=None, backoff=replace(pool.backoff, formula=None))


def _guessed_side(name: str, pool: Mapping[str, Any]) -> str:
    """Return what a pool is whose kind cannot be asked: nothing is tested in it, but others send nodes to it."""
    is_good = "on_fail" in pool or (name == PoolKind.GOOD.value and "on_pass" not in pool)
    return (PoolKind.GOOD if is_good else PoolKind.BAD).value


def _loaded(key: str, name: str) -> Found | None:
    """Start the process of a plug-in, which imports it and looks it over; None when no package brings it."""
    from plabctl.config.plugincall import LOAD_S, Host  # noqa: PLC0415 - only where there is a plug-in

    host = Host()
    try:
        place, value = host.call("load", key, name, limit_s=LOAD_S)
    except PluginFault as error:
        host.close()
        return Found(None, fault=f"the plug-in {name!r} cannot be used: {error}")
    if not place:
        host.close()
        return None
    return Found(host, value)
