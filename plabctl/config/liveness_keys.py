"""The keys of `liveness` of a pool: the logins between two set-up tests.

Pure. Loaded only where a file has such a table. See `plabctl.config.pool_keys`.
Tests: `tests/config/test_liveness_keys.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from plabctl.core.keys.formatting import quote, suggest
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import DAY_S, Duration, Text, Whole
from plabctl.core.names import POOL_NAME, is_pool_name
from plabctl.core.recipe import DEFAULT_STAGES, Recipe
from plabctl.core.settings_parts import LivenessSettings
from plabctl.typed import Any

MOST = 100
"""Checks between two tests; they are a minute apart at least, whatever is configured."""
_DEFAULTS = LivenessSettings()
LIVENESS = Table(
    "liveness",
    _DEFAULTS,
    Key(
        "between",
        Whole(0, MOST),
        text="The number of checks between two set-up tests, equally spaced, a minute apart at least; 0 for none. 0 "
        "because logins on every node each few minutes are for the site to decide; 8 is good: it is about the square "
        "root of the ratio of what a test and a login cost.",
        example="8",
    ),
    Key(
        "recipe",
        Text(POOL_NAME, is_pool_name),
        text="What a check does: the `check` of this recipe, which must set nothing up. `command` because a login that "
        "runs one command is cheap and tells most.",
        example='"command"',
    ),
    Key(
        "silences",
        Whole(0, 10),
        text="How many checks in a row must fail until a node of a good pool leaves as a suspect, before its test; 0: "
        "none do. 2 because a few logins in a thousand fail for no reason: with 1, each of them would be a suspect.",
        example="2",
    ),
    Key(
        "apart",
        Duration(0.0, DAY_S),
        "apart_s",
        text="How long after a failed check of a good node the next one comes that counts towards `silences`. 0 "
        "because every minute of a broken node counts; about 5m where the network between here and the nodes often "
        "fails for moments.",
        example='"5m"',
    ),
    text="Logins between two set-up tests. They decide nothing, but a change calls the set-up test at once: in good, a "
    "login that fails; in bad, one that succeeds after one that failed. See liveness.md.",
)


def check_recipe(
    pool: str,
    given: Mapping[str, Any],
    recipes: Mapping[str, Mapping[str, Any]],
    others: Mapping[str, Recipe],
    broken: Collection[str],
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the recipe of the checks: `recipes` have a table in the file, `others` need none."""
    name, path = given.get("recipe", _DEFAULTS.recipe), f"pool.{pool}.liveness.recipe"
    if {"recipe", f"recipe.{name}", path} & set(broken):
        return
    stages = _list_stages(name, recipes, others)
    if stages is None:
        known = sorted({*others, *recipes})
        yield path, f"no recipe {quote(name)}, allowed: one of {', '.join(map(quote, known))}{suggest(name, known)}"
    elif makes := stages & {"setup", "teardown"}:
        yield path, f"{quote(name)} has {' and '.join(sorted(makes))}, allowed: a recipe that sets nothing up"
    elif not stages:
        yield path, f"{quote(name)} has no check, allowed: a recipe with one"


def _list_stages(name: str, recipes: Mapping[str, Mapping[str, Any]], others: Mapping[str, Recipe]) -> set[str] | None:
    """Return the stages of that recipe, of which one that only says how it is run has those of the built-in one."""
    own = set(recipes.get(name, {}).keys() & DEFAULT_STAGES.keys())
    if own or (name in recipes and name not in others):
        return own
    return set(others[name].stages) if name in others else None
