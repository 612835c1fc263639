"""The policies that can be compared: those with a name, and any configuration file.

I/O: reads configuration files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from plabctl.config.key_lines import find_key_lines
from plabctl.config.liveness_keys import MOST as MOST_CHECKS
from plabctl.config.load import build_from_source, load, parse
from plabctl.config.locate import ConfigFile, read_source
from plabctl.config.policy_keys import MOST_NEIGHBOURS
from plabctl.core.backoffs.base import Backoff, BackoffKind
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.good import GOOD
from plabctl.core.selection import find_nearest
from plabctl.core.settings import GuardSettings, LivenessSettings, PoolSettings, Settings
from plabctl.errors import ConfigError, UsageFault
from plabctl.kinds import builtin_kinds, find_builtin
from plabctl.values import dataclass

CONFIGURED = "configured"
"""The policy of this installation."""
MAIN = ("additive", "age", "adaptive")
"""Those that are compared with the one of an installation."""
_PAIRS = {"2007": ("linear", "quadratic")}
"""Policies of two back-offs, in good and in bad; 2007 is what Emulab's monitor did from then on."""
NAMED: Mapping[str, tuple[str, str]] = {
    **{name: (name, name) for name in MAIN},
    **_PAIRS,
    **{kind.name: (kind.name, kind.name) for kind in builtin_kinds("backoff")},
}
"""By name, the back-offs in good and in bad, each with its defaults: every back-off in both, and the pairs."""
COMPARED = tuple(name for name in NAMED if name in _PAIRS or find_builtin("backoff", name).is_compared)
"""What is compared when nobody says what."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A name and the settings that go by it. `scale` multiplies all delays; None leaves an adaptive one to adapt."""

    name: str
    settings: Settings
    scale: float | None = None
    extras: tuple[str, ...] = ()
    """What was added after its name, such as `checks`."""


def find_policy(word: str) -> Policy:
    """Return the policy of that name, or of the configuration file at that path.

    Raise UsageFault when it is neither, ConfigError when the file is at fault.
    """
    name, *extras = word.split("+")
    if name in NAMED and not (extras and os.path.lexists(word)):
        return _add_extras(build_named(name), extras, word)
    if not os.path.lexists(word):
        like = find_nearest(word, NAMED)
        known = f"{', '.join(NAMED)}; or the path of a configuration file"
        raise UsageFault(f"no policy and no file is named {word!r}", hint=f"{like}?" if like else f"policies: {known}")
    source = read_source(word, os.environ)
    try:
        return Policy(Path(word).stem, build_from_source(source, os.environ))
    except ConfigError as error:
        raise ConfigError(_add_lines(source, error), hint=error.hint) from error


def build_named(name: str) -> Policy:
    """Return the policy of that name."""
    good, bad = NAMED[name]
    pools = {
        "good": PoolSettings("good", GOOD, "bad", backoff=_default(good, is_good=True)),
        "bad": PoolSettings("bad", BAD, "good", backoff=_default(bad, is_good=False)),
    }
    return Policy(name, Settings("", "", pools, {}, guard=GuardSettings(neighbours=0)))


def _add_extras(policy: Policy, extras: Sequence[str], word: str) -> Policy:
    """Return the policy with what follows its name, such as `+checks=12`; raise UsageFault for what is none of that."""
    for extra in extras:
        name, given, text = extra.partition("=")
        number = int(text) if text.isascii() and text.isdigit() else 0
        if name not in EXTRAS or (given and not (number and name in _COUNTED)):
            known = ", ".join(f"+{known}[=N]" if known in _COUNTED else f"+{known}" for known in EXTRAS)
            raise UsageFault(f"'+{extra}' of the policy {word!r} is unknown", hint=f"known after a name: {known}")
        if name in policy.extras:
            raise UsageFault(f"the policy {word!r} has +{name} twice")
        if number > _MOST.get(name, number):
            raise UsageFault(f"'+{extra}' of the policy {word!r} is too many, allowed: at most {_MOST[name]}")
        policy = EXTRAS[name](policy, number or _COUNTED.get(name, 0))
        policy = replace(policy, extras=(*policy.extras, name))
    return replace(policy, name=word)


def _add_checks(policy: Policy, between: int) -> Policy:
    return _change_pools(policy, liveness=LivenessSettings(between=between))


def _set_apart(policy: Policy, minutes: int) -> Policy:
    pools = policy.settings.pools.values()
    if not has_checks(policy):
        raise UsageFault("'+apart' says when a silent check is repeated, and there are none", hint="+checks before it")
    between = max(pool.liveness.between for pool in pools if pool.liveness)
    return _change_pools(policy, liveness=LivenessSettings(between=between, apart_s=60.0 * minutes))


def _add_neighbours(policy: Policy, count: int) -> Policy:
    guard = replace(policy.settings.guard, neighbours=count)
    return replace(policy, settings=replace(policy.settings, guard=guard))


def _change_pools(policy: Policy, **changes: Any) -> Policy:
    pools = {name: replace(pool, **changes) for name, pool in policy.settings.pools.items()}
    return replace(policy, settings=replace(policy.settings, pools=pools))


EXTRAS: Mapping[str, Callable[[Policy, int], Policy]] = {
    "checks": _add_checks,
    "apart": _set_apart,
    "neighbours": _add_neighbours,
    "test-busy": lambda policy, _: _change_pools(policy, busy="test"),
    "test-released": lambda policy, _: _change_pools(policy, at_release="test"),
}
"""What may follow the name of a policy, as in `age+checks`: liveness checks between two tests in both pools; how many
minutes after a silent check it is repeated; how many neighbours a failure calls; that busy nodes are tested; that
released ones are tested before they are offered. Without them a named policy makes no checks, calls nobody, and spares
busy nodes."""
_COUNTED: Mapping[str, int] = {"checks": 8, "apart": 5, "neighbours": 2}
"""Those that may be given a number, and the number that they have without."""
_MOST: Mapping[str, int] = {"checks": MOST_CHECKS, "apart": 60, "neighbours": MOST_NEIGHBOURS}


def _default(name: str, *, is_good: bool) -> Backoff:
    kind: BackoffKind = find_builtin("backoff", name)
    return kind.default(is_good=is_good)


def read_configured(path: str | None) -> Policy:
    """Return the policy of this installation: of the configuration at `path`, or of the first one found."""
    return Policy(CONFIGURED, load(path))


def has_checks(policy: Policy) -> bool:
    """Return whether the policy makes liveness checks in some pool."""
    return any(pool.liveness and pool.liveness.between for pool in policy.settings.pools.values())


def make_bare(policy: Policy) -> Policy:
    """Return the policy with its back-offs alone: any failure moves a node to bad, and one pass moves it back."""
    settings = policy.settings
    pools = {name: pool.kind.simplify(pool) for name, pool in settings.pools.items()}
    return let_one_pass(replace(policy, settings=replace(settings, pools=pools)))


def let_one_pass(policy: Policy) -> Policy:
    """Return the policy in which one pass is enough to return to good, however often the node has flapped."""
    flap = replace(policy.settings.flap, max_passes=1)
    return replace(policy, settings=replace(policy.settings, flap=flap))


def stretch(policy: Policy, scale: float) -> Policy:
    """Return the policy with all its delays multiplied by `scale`; one that adapts has its K held there instead."""
    pools = {name: _stretch_pool(pool, scale) for name, pool in policy.settings.pools.items()}
    return replace(policy, settings=replace(policy.settings, pools=pools), scale=scale)


def _stretch_pool(pool: PoolSettings, scale: float) -> PoolSettings:
    return replace(pool, backoff=pool.backoff.kind.stretch(pool.backoff, scale))


def _add_lines(source: ConfigFile, error: ConfigError) -> list[str]:
    """Return the faults with the line of each: that of its key, or of the table that the key is missing from."""
    path = source.given
    try:
        parse(source.raw, path)
    except ConfigError:  # not TOML: then the fault says so, and where
        return list(error.faults)
    lines = find_key_lines(source.raw.decode("utf-8-sig"))
    told = []
    for fault in error.faults:
        where = fault.removeprefix(f"{path}: ")
        key = where.partition(": ")[0]
        while key and key not in lines:
            key = key.rpartition(".")[0]
        told.append(f"{path}:{lines[key]}: {where}" if key else fault)
    return told
