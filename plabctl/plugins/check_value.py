"""Validate a plug-in before it is used: its type, and that it works in simple cases.

Pure, but for what the plug-in does. Loaded in the process of a plug-in only: see `plabctl.plugins.host`.
Tests: `tests/plugins/test_plugins.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from math import isfinite
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.liveness_record import Liveness, LostWay
from plabctl.core.model import Cause, Member, Outcome, Report
from plabctl.core.pools.base import Judgement, Pool, Reading
from plabctl.core.recipe import Become, Recipe, Transport
from plabctl.core.settings import PoolKind, Settings
from plabctl.kinds import builtin_kinds
from plabctl.plugins.renamed_api import METHODS, describe_missing, find_old_method
from plabctl.values import replace

Formula = Callable[[Backoff, int, float], float]
"""A back-off of a plug-in: settings, equal results in a row, seconds since the last change; gives seconds."""

_STREAKS = (0, 1, 2, 50)
_AGES_S = (0.0, 3600.0, 30 * 86400.0)
_MAX_WORDS = 200
_END_OF_TIME = 250e9
"""No instant and no duration reaches it: the year 9892, in seconds."""
_LATE = {"Liveness": Liveness, "LostWay": LostWay}
"""What `plabctl.core.model` names in types of fields and does not import."""


def format_exception(error: BaseException) -> str:
    """Return an exception in one line of bounded length."""
    text = " ".join(str(error).split())
    told = f"{type(error).__name__}: {text}"[:_MAX_WORDS] if text else type(error).__name__
    return told + describe_missing(error)


def check_recipe(name: str, value: object) -> Recipe:
    """Return the recipe that a plug-in gives, itself or by a function without arguments, named as its entry point."""
    if callable(value):
        value = value()
    if not isinstance(value, Recipe):
        raise TypeError(f"a recipe must be a plabctl.core.recipe.Recipe, not {type(value).__name__}")
    check_type(value, Recipe, "it")
    stages = value.stages
    for stage_name, stage in stages.items():
        if bool(stage.run) == bool(stage.script) or not stage.timeout_s > 0:
            raise ValueError(f"its {stage_name} needs one of run and script, and a time-out above 0")
    if not stages.keys() - {"teardown"}:
        raise ValueError("it tests nothing: it needs at least one of setup, up, check")
    if value.transport is Transport.LOCAL and value.become is not Become.NONE:
        raise ValueError("its stages run on the monitor, where become means nothing")
    return replace(value, name=name)


def check_backoff(name: str, value: object) -> Formula:
    """Return the formula that a plug-in gives, tried on plain cases."""
    if not callable(value):
        raise TypeError(f"a back-off must be a function, not {type(value).__name__}")
    for streak in _STREAKS:
        for age_s in _AGES_S:
            compute_wait(value, Backoff(ADDITIVE), streak, age_s)
    return value


def compute_wait(formula: Formula, own: Backoff, streak: int, age_s: float) -> float:
    """Return the seconds that a formula says; raise what it raises, or what is wrong with what it says."""
    seconds: object = formula(own, streak, age_s)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"for {streak} equal results it says {seconds!r}, not a number of seconds")
    if not isfinite(seconds) or seconds < 0:
        raise ValueError(f"for {streak} equal results it says {seconds!r} seconds")
    return float(seconds)


def check_kind(name: str, value: object) -> type:
    """Return the class of pools that a plug-in gives."""
    sides = list_sides(value)
    if not sides:
        names = " or ".join(kind.pool.__name__ for kind in builtin_kinds("pool"))
        raise TypeError(f"a kind of pool must be a subclass of plabctl's {names}")
    if len({kind.is_good for kind in sides}) > 1:
        raise TypeError(f"a kind of pool cannot be both a {' and a '.join(kind.pool.__name__ for kind in sides)}")
    assert isinstance(value, type), "it is one of these classes"
    if old := find_old_method(value):
        raise TypeError(f"it calls `{old}`, which is called `{METHODS[old]}` now")
    return value


def check_function(name: str, value: object) -> object:
    """Return the function that a plug-in gives."""
    if not callable(value):
        raise TypeError(f"it must be a function, not {type(value).__name__}")
    return value


CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "pool": check_kind,
    "backoff": check_backoff,
    "recipe": check_recipe,
    "inventory": check_function,
    "occupancy": check_function,
    "sink": check_function,
}
"""The check of what stands under each key."""


def list_sides(value: object) -> list[PoolKind]:
    """Return the built-in kinds whose classes a class of pools is a subclass of, the nearest first."""
    classes = value.__mro__ if inspect.isclass(value) else ()
    return [kind for cls in classes for kind in builtin_kinds("pool") if kind.pool is cls]


def try_pool(pool: Pool, settings: Settings) -> None:
    """Let a pool judge a pass, a failure and a test without verdict; raise what it raises, or TypeError."""
    for outcome, cause in ((Outcome.PASS, None), (Outcome.FAIL, Cause.CHECK), (Outcome.UNKNOWN, Cause.NO_OPINION)):
        report = Report("trial", "trial", outcome, cause, "", 0.0, 0.0)
        check_judgement(pool.judge(Member("trial", pool.own.name, 0.0, 0.0), Reading(report, 1.0, 0.5)), settings)


def check_judgement(judgement: object, settings: Settings) -> None:
    """Raise TypeError or ValueError when a judgement cannot be applied."""
    if not isinstance(judgement, Judgement) or not isinstance(judgement.member, Member):
        raise TypeError(f"it judged by {type(judgement).__name__}, not by a Judgement of a Member")
    check_type(judgement, Judgement, "it")
    if judgement.member.pool not in settings.pools:
        raise ValueError(f"no pool is named {judgement.member.pool!r}")


def check_type(value: object, hint: Any, where: str) -> None:
    """Raise TypeError or ValueError when `value`, or a field in it, is not what `hint` says."""
    if get_origin(hint) is UnionType:
        hint = next((each for each in get_args(hint) if get_origin(each) or type(value) is each), get_args(hint)[0])
    origin = get_origin(hint)
    is_one = isinstance(value, origin) if origin else type(value) is hint or (type(value), hint) == (int, float)
    if not is_one:
        raise TypeError(f"{where} is {type(value).__name__}, not {getattr(hint, '__name__', hint)}")
    if isinstance(value, int | float) and not abs(value) < _END_OF_TIME:
        raise ValueError(f"{where} is {value!r}")
    for name, part, inner in _list_parts(value, hint):
        check_type(part, inner, name or where)


def _list_parts(value: object, hint: Any) -> Iterator[tuple[str, object, Any]]:
    """Give what a value consists of, each with the name of its field and its type."""
    inner = get_args(hint)
    if isinstance(value, tuple):
        yield from (("", each, inner[0]) for each in value)
    elif isinstance(value, Mapping):
        yield from (("", each, inner[0]) for each in value)
        yield from (("", each, inner[1]) for each in value.values())
    elif is_dataclass(value):
        yield from ((name, getattr(value, name), each) for name, each in get_type_hints(hint, localns=_LATE).items())
