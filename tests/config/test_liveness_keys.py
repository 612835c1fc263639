"""The table `liveness` of a pool: read, bounded, and checked against the recipes."""

import os
from pathlib import Path

import pytest

from plabctl.config.effective import format_effective, list_effective
from plabctl.config.load import load
from plabctl.core.settings import LivenessSettings
from plabctl.errors import ConfigError


def written(folder: Path, text: str) -> str:
    path = folder / "plabctl.toml"
    path.write_text(text)
    return str(path)


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return [fault.partition(": ")[2] for fault in caught.value.faults]


def test_no_pool_makes_checks_unless_it_says_so(tmp_path: Path) -> None:
    settings = load(written(tmp_path, ""))

    assert [pool.liveness for pool in settings.pools.values()] == [None, None]


def test_a_pool_says_how_its_checks_are_made(tmp_path: Path) -> None:
    settings = load(written(tmp_path, '[pool.good]\nliveness = { between = 8, apart = "5m" }\n[pool.bad]\n'))

    assert settings.pools["good"].liveness == LivenessSettings(8, "command", 2, 300.0)
    assert settings.pools["bad"].liveness is None


def test_what_holds_is_shown_with_its_origin(tmp_path: Path) -> None:
    path = written(tmp_path, "[pool.good]\nliveness = { between = 8 }\n[pool.bad]\n")

    shown = format_effective(list_effective(path, os.environ))

    assert "[pool.good.liveness]\nbetween = 8" in shown
    assert "[pool.bad.liveness]" not in shown


@pytest.mark.parametrize(
    ("liveness", "fault"),
    [
        ("{ between = -1 }", "pool.good.liveness.between: cannot be -1, allowed: a whole number from 0 to 100"),
        ("{ between = 1000 }", "pool.good.liveness.between: cannot be 1000, allowed: a whole number from 0 to 100"),
        ("{ silences = 11 }", "pool.good.liveness.silences: cannot be 11, allowed: a whole number from 0 to 10"),
        ('{ apart = "-5m" }', "pool.good.liveness.apart: cannot be"),
        ("{ betwen = 8 }", "pool.good.liveness.betwen: unknown key"),
        ("8", "pool.good.liveness: cannot be 8, allowed: a table"),
        ('{ recipe = "comand" }', 'pool.good.liveness.recipe: no recipe "comand", allowed: one of'),
        ('{ recipe = "process" }', 'pool.good.liveness.recipe: "process" has setup and teardown, allowed: a recipe'),
        ('{ recipe = "empty" }', 'pool.good.liveness.recipe: "empty" has no check, allowed: a recipe with one'),
        ('{ recipe = "mine" }', 'pool.good.liveness.recipe: "mine" has setup, allowed: a recipe that sets nothing up'),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, liveness: str, fault: str) -> None:
    recipes = '[recipe.empty]\ntransport = "local"\n[recipe.mine]\nsetup = { run = "true" }\n'

    found = faults_of(tmp_path, f"{recipes}[pool.good]\nliveness = {liveness}\n[pool.bad]\n")

    assert len(found) == 1
    assert found[0].startswith(fault)


@pytest.mark.parametrize(
    "recipe",
    ['[recipe.look]\ncheck = { run = "uptime" }', '[recipe.look]\ntransport = "local"\nup = { run = "ping" }'],
)
def test_a_recipe_that_sets_nothing_up_will_do(tmp_path: Path, recipe: str) -> None:
    text = f'{recipe}\n[pool.good]\nliveness = {{ between = 4, recipe = "look" }}\n[pool.bad]\n'

    own = load(written(tmp_path, text)).pools["good"].liveness

    assert own is not None
    assert own.recipe == "look"
