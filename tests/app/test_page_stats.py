"""The statistics beside the page: written by ticks once an hour, within a minute."""

import json
import os
import time
from pathlib import Path

import pytest

from plabctl.app.page_stats import EVERY_S, write_due_stats, write_stats
from plabctl.app.queries import read_context
from plabctl.files.page_folder import PageFolder
from plabctl.views.node import ViewContext
from tests.cli.console import CONFIG, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.ok("node", "add", "pc1", "-q")
    return desk


@pytest.fixture
def context(desk: Desk) -> ViewContext:
    return read_context(str(desk.config))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "page"


def open_folder(page: Path) -> PageFolder:
    return PageFolder(str(page))


def inode(page: Path) -> int:
    return (page / "stats.json").stat().st_ino


def test_they_are_written_again_after_an_hour(context: ViewContext, page: Path) -> None:
    folder, end = open_folder(page), time.monotonic() + 100
    write_due_stats(folder, context, end)
    first = inode(page)
    write_due_stats(folder, context, end)
    assert inode(page) == first
    then = time.time() - EVERY_S - 1
    os.utime(page / "stats.json", (then, then))
    write_due_stats(folder, context, time.monotonic() - 1)
    assert inode(page) == first, "there is no time left"
    write_due_stats(folder, context, end)
    assert inode(page) != first
    folder.close()


def test_a_history_that_takes_too_long_is_given_up_and_that_is_said(context: ViewContext, page: Path) -> None:
    folder = open_folder(page)
    write_stats(folder, context, -1.0)
    told = json.loads((page / "stats.json").read_text())
    first = inode(page)
    write_due_stats(folder, context, time.monotonic() + 100)
    folder.close()

    assert told["fault"] == "its history takes longer than -1 s to read"
    assert inode(page) == first, "it is not tried again with every page"


def test_a_history_that_cannot_be_read_is_said(desk: Desk, context: ViewContext, page: Path) -> None:
    (desk.folder / "state/history.db").write_bytes(b"x" * 8192)
    folder = open_folder(page)
    write_stats(folder, context)
    folder.close()

    assert "history" in json.loads((page / "stats.json").read_text())["fault"]


def test_ticks_write_them(desk: Desk, page: Path) -> None:
    desk.config.write_text(f'{CONFIG}\n[report]\ndir = "page"\ndays = 7\n')
    desk.ok("tick")

    told = json.loads((page / "stats.json").read_text())

    assert [row["name"] for row in told["nodes"]] == ["pc1"]
    since, until = (time.strptime(told[f"{key}_at"], "%Y-%m-%dT%H:%M:%SZ") for key in ("since", "until"))
    assert round((time.mktime(until) - time.mktime(since)) / 86400) == 7
