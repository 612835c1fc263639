"""A desk for every test that types commands."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plabctl.app import monitors
from tests.cli.console import Desk
from tests.cli.monitors import make_sites
from tests.lab.web_pages import WebPages, serving_pages

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


@pytest.fixture(scope="session")
def find_sites(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Find the monitors of `make_sites`; they are made anew when their pages are no longer fresh."""
    made: list[tuple[float, Path]] = []

    def find() -> Path:
        if not made or time.monotonic() - made[-1][0] > 2 * FRESH_S:
            made.append((time.monotonic(), make_sites(tmp_path_factory.mktemp("sites"))))
        return made[-1][1]

    return find


@pytest.fixture
def sites(find_sites: Callable[[], Path]) -> Path:
    """Two monitors, each in a folder of its own, to be read only."""
    return find_sites()


@pytest.fixture
def far(sites: Path, tmp_path: Path) -> Desk:
    """A machine without a state and a configuration, with the pages of the others."""
    desk = Desk(tmp_path)
    desk.config.unlink()
    for name in ("lyon", "nancy"):
        shutil.copytree(sites / name / "page", tmp_path / name)
    return desk


@pytest.fixture
def forked_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process read sources in others, as it reads large ones where there are several processors."""
    monkeypatch.setattr(monitors, "_LARGE", 0)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.fixture(scope="session")
def web_server() -> Iterator[WebPages]:
    with serving_pages() as pages:
        yield pages


@pytest.fixture
def web(web_server: WebPages, sites: Path) -> WebPages:
    """The pages of the monitors, on a web server."""
    web_server.folders = {name: sites / name / "page" for name in ("lyon", "nancy")}
    web_server.answers.clear()
    web_server.counts.clear()
    return web_server


def _make_ticked(folder: Path) -> Desk:
    desk = Desk(folder)
    desk.break_node("pc2")
    desk.ok("node", "add", "pc1", "pc2", "--set", "site=north")
    desk.ok("tick")
    return desk
