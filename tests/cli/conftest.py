"""A desk for every test that types commands."""

import shutil
from pathlib import Path

import pytest

from tests.cli.console import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def ticked(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The desk that all used ones are copied from."""
    desk = Desk(tmp_path_factory.mktemp("ticked"))
    desk.break_node("pc2")
    desk.ok("node", "add", "pc1", "pc2", "--set", "site=north")
    desk.ok("tick")
    return desk


@pytest.fixture
def used_desk(tmp_path: Path, ticked: Desk) -> Desk:
    """A desk whose nodes were tested: pc1 is good, pc2 is bad."""
    shutil.copytree(ticked.folder, tmp_path, dirs_exist_ok=True)
    return Desk(tmp_path)
