"""What `doctor` tells of those who may change what is run."""

import os
from pathlib import Path

import pytest

from plabctl.app import trust_check
from plabctl.app.findings import Level
from plabctl.config.load import load
from tests.lab.second_user import SECOND_USER

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to another user")
CONFIG = """
[recipe.own]
setup = { script = "setup.sh" }
[[inventory]]
kind = "file"
path = "nodes"
[[inventory]]
kind = "command"
command = ["./list"]
[[hook]]
on = ["transition"]
command = ["./hook"]
[[hook]]
on = ["hold"]
command = ["logger"]
"""
NAMED = {"setup.sh": "recipe", "nodes": "inventory", "list": "inventory", "hook": "hook"}


@pytest.fixture
def config(yard: Path) -> Path:
    path = yard / "folder/plabctl.toml"
    path.parent.mkdir()
    path.write_text(CONFIG)
    for name in NAMED:
        (path.parent / name).touch()
    for each in path.parent.iterdir():
        each.chmod(0o644)
    return path


def told(config: Path) -> list[tuple[Level, str, str]]:
    found = trust_check.check(load(str(config)))
    return [(finding.level, finding.topic, finding.text) for finding in found]


def test_of_what_only_we_can_change_nothing_is_told(config: Path) -> None:
    assert told(config) == []


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_there_or_everybodys_is_told_before_it_is_needed(config: Path, name: str) -> None:
    path = config.parent / name
    path.chmod(0o666)
    assert told(config) == [(Level.FAIL, NAMED[name], f"'{path}' is not used: any user may write it")]

    path.unlink()
    assert told(config) == [(Level.FAIL, NAMED[name], f"'{path}' cannot be used: no such file or directory")]


@needs_root
@pytest.mark.parametrize("name", NAMED)
def test_what_is_a_strangers_is_told_where_that_matters(config: Path, name: str) -> None:
    os.chown(config.parent / name, SECOND_USER, SECOND_USER)

    faults = told(config)

    assert [level for level, _, _ in faults] == [Level.FAIL] * (name != "nodes")
    assert all(f"it belongs to user {SECOND_USER}" in text for _, _, text in faults)


@needs_root
def test_who_could_replace_the_configuration_is_told(config: Path) -> None:
    os.chown(config.parent, -1, SECOND_USER)
    config.parent.chmod(0o775)
    text = f"the group {SECOND_USER} may put another file in the place of '{config}'"
    assert told(config) == [(Level.WARN, "config", text)]

    os.chown(config.parent, SECOND_USER, 0)
    assert told(config) == [
        (Level.WARN, "config", f"user {SECOND_USER} may put another file in the place of '{config}'")
    ]
