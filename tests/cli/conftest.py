"""A desk for every test that types commands."""

from pathlib import Path

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def used_desk(desk: Desk) -> Desk:
    """A desk whose nodes were tested once: pc1 is good, pc2 is bad."""
    desk.break_node("pc2")
    desk.ok("node", "add", "pc1", "pc2", "--set", "site=north")
    desk.ok("tick")
    return desk
