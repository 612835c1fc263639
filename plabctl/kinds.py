"""One lazy registry for every extension point: what is built in and what plug-ins bring, found by name.

I/O: imports the module of a kind when that kind is first asked for, and no other. A new built-in kind is its own module
and one line in `POINTS`; a plug-in brings one by an entry point (`docs/plugins.md`), and takes the same way in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from plabctl.typed import Any, NamedTuple


class Point(NamedTuple):
    """An extension point: where its built-in kinds are, by name, and in which group plug-ins announce theirs."""

    builtin: Mapping[str, str]
    """`MODULE:ATTRIBUTE` by name."""
    group: str
    """Of entry points; empty where plug-ins bring none, since their code never runs in our process."""


POINTS: Mapping[str, Point] = {
    "pool": Point(
        {
            "good": "plabctl.core.pools.good:GOOD",
            "bad": "plabctl.core.pools.bad:BAD",
        },
        "plabctl.pools",
    ),
    "backoff": Point(
        {
            "additive": "plabctl.core.backoffs.additive:ADDITIVE",
            "fixed": "plabctl.core.backoffs.fixed:FIXED",
            "exponential": "plabctl.core.backoffs.exponential:EXPONENTIAL",
            "linear": "plabctl.core.backoffs.linear:LINEAR",
            "quadratic": "plabctl.core.backoffs.quadratic:QUADRATIC",
            "age": "plabctl.core.backoffs.age:AGE",
            "adaptive": "plabctl.core.backoffs.adaptive:ADAPTIVE",
        },
        "plabctl.backoffs",
    ),
    "recipe": Point(
        {
            "process": "plabctl.probes.plain_recipes:PROCESS",
            "command": "plabctl.probes.plain_recipes:COMMAND",
            "netns": "plabctl.probes.netns:NETNS",
            "podman": "plabctl.probes.container:PODMAN",
            "docker": "plabctl.probes.container:DOCKER",
            "nspawn": "plabctl.probes.container:NSPAWN",
        },
        "plabctl.recipes",
    ),
    "inventory": Point(
        {
            "file": "plabctl.inventories.file:FILE",
            "command": "plabctl.inventories.command:COMMAND",
            "ansible": "plabctl.inventories.ansible:ANSIBLE",
            "netbox": "plabctl.inventories.netbox:NETBOX",
            "plcapi": "plabctl.inventories.plcapi:PLCAPI",
        },
        "plabctl.inventories",
    ),
    "occupancy": Point(
        {
            "command": "plabctl.occupancy.command:COMMAND",
            "slurm": "plabctl.occupancy.slurm:SLURM",
        },
        "plabctl.occupancy",
    ),
    "sink": Point(
        {
            "history": "plabctl.sinks.history:HISTORY",
            "command": "plabctl.sinks.command:COMMAND",
            "slurm": "plabctl.sinks.slurm:SLURM",
            "textfile": "plabctl.sinks.textfile:TEXTFILE",
            "ping": "plabctl.sinks.ping:PING",
            "apprise": "plabctl.sinks.apprise:APPRISE",
        },
        "plabctl.sinks",
    ),
    "executor": Point(
        {
            "threads": "plabctl.executors.threads:THREADS",
            "dask": "plabctl.executors.dask.kind:DASK",
        },
        "",
    ),
}
_PLUGINS = "plabctl.plugins.hosted:find"


def builtin_names(point: str) -> tuple[str, ...]:
    """Return the names of the built-in kinds of an extension point, in the order in which they are shown."""
    return tuple(POINTS[point].builtin)


@cache
def find_builtin(point: str, name: str) -> Any:
    """Return the built-in kind of that name, or None when there is none."""
    place = POINTS[point].builtin.get(name)
    return None if place is None else load(place)


def find(point: str, name: str) -> Any:
    """Return the kind of that name, built in or of a plug-in, or None when there is none."""
    kind = find_builtin(point, name)
    # Nobody looks for plug-ins while the configuration names only what is built in.
    return load(_PLUGINS)(point, name) if kind is None and POINTS[point].group else kind


def builtin_kinds(point: str) -> Iterator[Any]:
    """Yield every built-in kind of an extension point."""
    return (find_builtin(point, name) for name in POINTS[point].builtin)


class Builtin(Mapping[str, Any]):
    """The built-in kinds of one extension point by name, each loaded when somebody looks at it."""

    def __init__(self, point: str) -> None:
        self._point = point

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return find_builtin(self._point, name)

    def __contains__(self, name: object) -> bool:
        return name in POINTS[self._point].builtin

    def __iter__(self) -> Iterator[str]:
        return iter(POINTS[self._point].builtin)

    def __len__(self) -> int:
        return len(POINTS[self._point].builtin)


def load(place: str) -> Any:
    """Return what `place` names as `MODULE:ATTRIBUTE`; the module is imported."""
    module, _, attribute = place.partition(":")
    # As `importlib.import_module` does; but to import that takes two modules more.
    return getattr(__import__(module, fromlist=[attribute]), attribute)
