"""Names of the API of version 0.1 that have changed, so that a plug-in that uses one is told what to change.

Pure. Used in the process of a plug-in only: see `plabctl.plugins.check_value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType

METHODS: Mapping[str, str] = {"confirmed": "confirm_move", "flopped": "add_flap_penalty"}
"""Methods of `Pool`."""
NAMES: Mapping[str, str] = {
    **METHODS,
    "longest_s": "compute_longest_s",
    "confirm": "options.confirm",
    "suspects": "options.suspects",
    "entered": "enter_pool",
    "interval": "compute_interval",
    "fill": "fill_placeholders",
    "debris": "leftovers",
    "spells": "uptime",
    "flops": "flaps",
    "slow": "slowest_s",
    "turned_away_at": "refused_since_at",
    "Debris": "Leftover",
    "Flop": "Flap",
    "Spells": "UptimeStats",
    "plabctl.core.backoff": "plabctl.core.backoffs.base",
    "plabctl.core.records": "plabctl.core.suspicion",
    "plabctl.core.spells": "plabctl.core.uptime",
}
"""By the old name of an attribute, a function, a class or a module."""


def describe_missing(error: BaseException) -> str:
    """Return `; X is called Y now` for an error about a name of version 0.1, else nothing."""
    name: str | None = None
    if isinstance(error, ModuleNotFoundError | AttributeError):
        name = error.name
    elif isinstance(error, ImportError):
        name = next((old for old in NAMES if f"cannot import name {old!r}" in str(error)), None)
    return f"; `{name}` is called `{NAMES[name]}` now" if name and name in NAMES else ""


def find_old_method(value: type) -> str | None:
    """Return a method of version 0.1 that the class calls and nobody defines any more; None if there is none."""
    functions = (each for cls in value.__mro__ for each in vars(cls).values() if isinstance(each, FunctionType))
    called = {name for function in functions for name in function.__code__.co_names}
    return next((old for old in METHODS if old in called and not hasattr(value, old)), None)
