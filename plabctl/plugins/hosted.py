"""Kinds that plug-ins bring, as kinds like the built-in ones: each is answered for by a process of its own.

I/O: starts a process for each entry point that is asked for (`plabctl.plugins.call`). What goes wrong in a plug-in ends
here: its kind has a `fault` then, and the pools that use it are out of use for as long as this process runs.
Tests: `tests/plugins/test_plugins.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from plabctl.core.backoffs.base import Backoff, BackoffKind, WaitBasis
from plabctl.core.keys.table import Table
from plabctl.core.model import Member
from plabctl.core.names import is_pool_name
from plabctl.core.pools.base import Judgement, Pool, Reading
from plabctl.core.recipe import Recipe
from plabctl.core.settings import PoolKind, PoolSettings, Settings
from plabctl.errors import PluginFault
from plabctl.kinds import builtin_kinds, find_builtin
from plabctl.plugins import local
from plabctl.plugins.call import LOAD_S, PluginHost

MAX_PLUGINS = 32
"""How many are looked for: each may take its time."""


@cache
def find(point: str, name: str) -> Any | None:
    """Return the kind that a plug-in brings under that name; None when no package brings one.

    A plug-in is loaded once in the life of this process. One that cannot be loaded gives a kind with a `fault`.
    """
    if not is_pool_name(name):
        return None
    host, value, fault = PluginHost(), None, ""
    if find.cache_info().currsize >= MAX_PLUGINS:
        return _MAKERS[point](name, host, None, f"more than {MAX_PLUGINS} plug-ins are named")
    try:
        place, value = host.call("load", point, name, limit_s=LOAD_S)
    except PluginFault as error:
        host.close()
        fault = f"the plug-in {name!r} cannot be used: {error}"
    else:
        if not place:
            host.close()
            return None
    return _MAKERS[point](name, host, value, fault)


class HostedBackoff(BackoffKind):
    """A back-off whose formula is a plug-in's."""

    by_count = False

    def __init__(self, name: str, host: PluginHost, fault: str = "") -> None:
        self.name = name
        self.fault = fault
        self._host = host

    def __reduce__(self) -> tuple[Callable[[str], BackoffKind], tuple[str]]:
        """Become, in the process of a plug-in, a kind that loads the formula there."""
        return local.LocalBackoff, (self.name,)

    def wait_s(self, own: Backoff, streak: int, age_s: float, fair_s: float) -> float:
        """Return what the plug-in says, the longest wait when it says nothing."""
        if self.fault:
            return own.max_s
        try:
            return float(self._host.call("wait", own, streak, age_s))
        except PluginFault as error:
            self.fault = f"the plug-in {self.name!r} failed for {streak} equal results: {error}"
            return own.max_s

    def describe(self, own: Backoff) -> str:
        """Return whose it is."""
        return f"what the plug-in {self.name} says"

    def uncapped(self, own: Backoff, basis: WaitBasis) -> str:
        """Return whose it is: nobody here knows the formula."""
        return f"what the plug-in {self.name} says"


class HostedPoolKind(PoolKind):
    """A kind of pool whose judging is a plug-in's. In all else it is like the built-in kind of its side."""

    def __init__(self, name: str, side: PoolKind, host: PluginHost, fault: str = "") -> None:
        self.name = name
        self.is_good = side.is_good
        self.keys = side.keys
        self.fault = fault
        self.host = host
        self._side = side

    def __reduce__(self) -> tuple[Callable[[str], PoolKind], tuple[str]]:
        """Become, in the process of a plug-in, the built-in kind of its side."""
        return local.find_side, (self._side.name,)

    def check(self, given: Mapping[str, Any], defaults: Any) -> Iterator[tuple[str, str]]:
        """Yield what the built-in kind of its side does."""
        yield from self._side.check(given, defaults)

    def prepare(self, own: PoolSettings, settings: Settings) -> None:
        """Let the plug-in know the settings and judge some plain cases, in the time of loading: nothing is locked."""
        if self.fault:
            return
        try:
            self.host.call("try_pool", own.name, settings, limit_s=LOAD_S)
        except PluginFault as error:
            self.fault = f"the plug-in {self.name!r} cannot be used: {error}"

    def build(self, own: PoolSettings, settings: Settings) -> Pool:
        """Return a pool that asks the plug-in."""
        return HostedPool(self, own, settings)

    def count_quick_retests(self, own: PoolSettings) -> int:
        """Return what the built-in kind of its side does."""
        return self._side.count_quick_retests(own)

    def simplify(self, own: PoolSettings) -> PoolSettings:
        """Return what the built-in kind of its side does."""
        return self._side.simplify(own)

    def describe_exit(self, own: PoolSettings, settings: Settings) -> str:
        """Return what the built-in kind of its side does."""
        return self._side.describe_exit(own, settings)


class BrokenPoolKind(HostedPoolKind):
    """A kind of pool that cannot be loaded. Nothing is tested in its pool, but others send nodes to it."""

    def resolve(self, pool: str, given: Mapping[str, object]) -> PoolKind:
        """Return this kind as one of the built-in kind that the table of its pool speaks for."""
        kinds = sorted(builtin_kinds("pool"), key=lambda kind: kind.exit_key not in given)
        named = (kind for kind in kinds if kind.keys.keys.keys() & given.keys())
        side = next(named, None) or find_builtin("pool", pool) or next(kind for kind in kinds if not kind.is_good)
        kind = BrokenPoolKind(self.name, side, self.host, self.fault)
        # Which keys it would take can no longer be asked: all of them mean something.
        keys = {name: key for each in kinds for name, key in each.keys.keys.items() if name != each.exit_key}
        kind.keys = Table(side.keys.topic, side.keys.defaults, side.keys.keys[side.exit_key], *keys.values())
        return kind


class HostedPool(Pool):
    """A pool that is judged in the process of its plug-in."""

    def __init__(self, kind: HostedPoolKind, own: PoolSettings, settings: Settings) -> None:
        super().__init__(own, settings)
        self._kind = kind

    def judge(self, member: Member, reading: Reading) -> Judgement:
        """Return what the plug-in makes of `reading`, or a wait when it makes nothing of it."""
        if not self._kind.fault:
            try:
                judgement = self._kind.host.call("judge", self.own.name, member, reading)
                return self._check(judgement, member)
            except PluginFault as error:
                self._kind.fault = f"the plug-in {self._kind.name!r} failed on {member.node!r}: {error}"
        return Judgement(self.wait(member, reading, self.own.backoff.base_s))

    def passed(self, member: Member, reading: Reading) -> Judgement:
        """Judge as a whole: see `judge`."""
        raise NotImplementedError

    def failed(self, member: Member, reading: Reading, *, ok_streak: int) -> Judgement:
        """Judge as a whole: see `judge`."""
        raise NotImplementedError

    def _check(self, judgement: object, member: Member) -> Judgement:
        if not isinstance(judgement, Judgement) or judgement.member.node != member.node:
            raise PluginFault("it did not return a Judgement of the node")
        if judgement.member.pool not in self.settings.pools:
            raise PluginFault(f"no pool is named {judgement.member.pool!r}")
        return judgement


def _make_pool_kind(name: str, host: PluginHost, value: Any, fault: str) -> PoolKind:
    if fault:  # until `resolve` knows better
        return BrokenPoolKind(name, next(builtin_kinds("pool")), host, fault)
    return HostedPoolKind(name, find_builtin("pool", value), host)


def _make_backoff(name: str, host: PluginHost, _: object, fault: str) -> BackoffKind:
    return HostedBackoff(name, host, fault)


def _make_recipe(name: str, host: PluginHost, value: Any, fault: str) -> Recipe:
    host.close()  # a recipe is a value: there is nothing more to ask
    return replace(value, name=name) if value else Recipe(name, fault=fault)


def _make_inventory(name: str, host: PluginHost, _: object, fault: str) -> Any:
    from plabctl.plugins.hosted_ends import HostedInventory

    return HostedInventory(name, host, fault)


def _make_occupancy(name: str, host: PluginHost, _: object, fault: str) -> Any:
    from plabctl.plugins.hosted_ends import HostedOccupancy

    return HostedOccupancy(name, host, fault)


def _make_sink(name: str, host: PluginHost, _: object, fault: str) -> Any:
    from plabctl.plugins.hosted_ends import HostedSink

    return HostedSink(name, host, fault)


_MAKERS: Mapping[str, Callable[[str, PluginHost, Any, str], Any]] = {
    "pool": _make_pool_kind,
    "backoff": _make_backoff,
    "recipe": _make_recipe,
    "inventory": _make_inventory,
    "occupancy": _make_occupancy,
    "sink": _make_sink,
}
