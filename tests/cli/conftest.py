"""A desk for every test that types commands."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.console import Desk

FRESH_S = 60.0
"""How old the tick of a used desk may be: after three minutes without one, commands say so above what they show."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def find_ticked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Desk]:
    """Find the desk that used ones are copied from; it is made anew when its tick is no longer fresh."""
    made: list[tuple[float, Desk]] = []

    def find() -> Desk:
        if not made or time.monotonic() - made[-1][0] > FRESH_S:
            made.append((time.monotonic(), _make_ticked(tmp_path_factory.mktemp("ticked"))))
        return made[-1][1]

    return find


@pytest.fixture
def used_desk(tmp_path: Path, find_ticked: Callable[[], Desk]) -> Desk:
    """A desk whose nodes were tested: pc1 is good, pc2 is bad."""
    shutil.copytree(find_ticked().folder, tmp_path, dirs_exist_ok=True)
    return Desk(tmp_path)


def _make_ticked(folder: Path) -> Desk:
    desk = Desk(folder)
    desk.break_node("pc2")
    desk.ok("node", "add", "pc1", "pc2", "--set", "site=north")
    desk.ok("tick")
    return desk
