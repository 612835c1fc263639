"""Two monitors as another machine sees them, for tests of `--from`; the fixtures are in `tests/cli/conftest.py`."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.console import Desk

BOTH = ("--from", "lyon", "--from", "nancy")
WITH_MONITORS = pytest.mark.xdist_group("monitors")
"""The monitors are made once for all tests that have it."""


def make_sites(folder: Path) -> Path:
    """Make two monitors, each with its page: lyon tests pc1, which is good, and pc2, which is bad; nancy a1 and a2."""
    for name, nodes in (("lyon", ("pc1", "pc2")), ("nancy", ("a1", "a2"))):
        (folder / name).mkdir()
        desk = Desk(folder / name)
        desk.break_node(nodes[1])
        desk.ok("node", "add", *nodes, "--set", f"site={name}", "--set", "rack=r1")
        desk.ok("tick")
        desk.ok("tick")
        desk.ok("report", "-O", "page", "--stats")
    return folder


def document(desk: Desk, name: str) -> Any:
    """Return the status of that monitor."""
    return json.loads((desk.folder / name / "status.json").read_text())


def alter(desk: Desk, name: str, **values: object) -> None:
    """Let the status of that monitor have other values."""
    (desk.folder / name / "status.json").write_text(json.dumps({**document(desk, name), **values}))


def iso(at: float) -> str:
    """Return the instant as JSON has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
