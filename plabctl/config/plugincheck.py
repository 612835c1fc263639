"""Looking a plug-in over before it is used: whether it is what it must be, and works on plain cases.

Pure, but for what the plug-in does. Loaded only when there is a plug-in. See `plabctl.config.plugins`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING

from plabctl.core.model import Cause, Member, Outcome, Report
from plabctl.core.pools.bad import BadPool
from plabctl.core.pools.base import Judgement, Reading
from plabctl.core.pools.good import GoodPool
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import Backoff, PoolSettings, Settings
from plabctl.values import replace

if TYPE_CHECKING:
    from plabctl.core.settings import Formula

_STREAKS = (0, 1, 2, 50)
_AGES_S = (0.0, 3600.0, 30 * 86400.0)
_MAX_WORDS = 200


def words(error: BaseException) -> str:
    """Return an exception in one line of bounded length."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:_MAX_WORDS] if text else type(error).__name__


def recipe(name: str, value: object) -> Recipe:
    """Return the recipe that a plug-in gives, itself or by a function without arguments, named as its entry point."""
    if callable(value):
        value = value()
    if not isinstance(value, Recipe):
        raise TypeError(f"a recipe must be a plabctl.core.recipe.Recipe, not {type(value).__name__}")
    if not isinstance(value.transport, Transport):
        raise TypeError(f"its transport is {value.transport!r}, not a Transport")
    stages = value.stages
    for stage_name, stage in stages.items():
        if not isinstance(stage, Stage) or bool(stage.run) == bool(stage.script) or not stage.timeout_s > 0:
            raise TypeError(f"its {stage_name} is no Stage with one of run and script and a time-out")
    if not stages.keys() - {"teardown"}:
        raise ValueError("it tests nothing: it needs at least one of setup, up, check")
    return replace(value, name=name)


def backoff(name: str, value: object) -> Formula:
    """Return the formula that a plug-in gives, tried on plain cases."""
    if not callable(value):
        raise TypeError(f"a back-off must be a function, not {type(value).__name__}")
    for streak in _STREAKS:
        for age_s in _AGES_S:
            wait_of(value, Backoff(plugin=name), streak, age_s)
    return value


def wait_of(formula: Formula, own: Backoff, streak: int, age_s: float) -> float:
    """Return the seconds that a formula says; raise what it raises, or what is wrong with what it says."""
    seconds: object = formula(own, streak, age_s)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"for {streak} equal results it says {seconds!r}, not a number of seconds")
    if not isfinite(seconds) or seconds < 0:
        raise ValueError(f"for {streak} equal results it says {seconds!r} seconds")
    return float(seconds)


def kind(name: str, value: object) -> type:  # noqa: ARG001 - all checks are called alike
    """Return the class of pools that a plug-in gives."""
    if not (inspect.isclass(value) and issubclass(value, GoodPool | BadPool)):
        raise TypeError("a kind of pool must be a subclass of plabctl's GoodPool or BadPool")
    if issubclass(value, GoodPool) and issubclass(value, BadPool):
        raise TypeError("a kind of pool cannot be both a GoodPool and a BadPool")
    return value


CHECKS: Mapping[str, Callable[[str, object], object]] = {"kind": kind, "backoff": backoff, "recipe": recipe}
"""The check of what stands under each key."""


def try_pool(own: PoolSettings, settings: Settings) -> None:
    """Let a kind of pool judge a pass, a failure and a test without verdict; raise what it raises, or TypeError."""
    assert own.judged_by is not None, "only pools of plug-ins are tried"  # noqa: S101
    pool = own.judged_by(own, settings)
    for outcome, cause in ((Outcome.PASS, None), (Outcome.FAIL, Cause.CHECK), (Outcome.UNKNOWN, Cause.NO_OPINION)):
        report = Report("trial", "trial", outcome, cause, "", 0.0, 0.0)
        check(pool.judge(Member("trial", own.name, 0.0, 0.0), Reading(report, 1.0, 0.5)), settings)


def check(judgement: object, settings: Settings) -> None:
    """Raise TypeError or ValueError when a judgement cannot be applied."""
    if not isinstance(judgement, Judgement) or not isinstance(judgement.member, Member):
        raise TypeError(f"it judged by {type(judgement).__name__}, not by a Judgement of a Member")
    if judgement.member.pool not in settings.pools:
        raise ValueError(f"it sent a node to {judgement.member.pool!r}, which is no pool")
