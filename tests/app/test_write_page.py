"""Many pages are written by several processes, each of which writes its part once."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plabctl.app import write_page
from plabctl.app.write_page import NodePages

NAMES = [str(number) for number in range(100)]


@pytest.fixture(autouse=True)
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_page, "_LEAST_PART", 10)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # pytest may have threads of its own


def write_pages(folder: Path, names: list[str], may_write: Callable[[], bool] = lambda: True) -> None:
    """Write pages of which each says by which process it was written, once for each time that it was."""

    def write(path: str, data: bytes) -> None:
        if not may_write():
            raise OSError("the disk is full")
        with (folder / path.removeprefix("node/")).open("ab") as file:
            file.write(data)

    def render(_node: object, _events: object) -> str:
        return f"{os.getpid()}\n"

    page_folder: Any = SimpleNamespace(write=write, file_mode=0o640)
    pages: Any = SimpleNamespace(render_node=render, digest="")
    nodes: Any = [(name, None) for name in names]
    NodePages(page_folder, pages, folder)._write_pages(nodes, has_events=False)


def read(folder: Path) -> dict[str, list[int]]:
    return {path.name: [int(line) for line in path.read_text().split()] for path in folder.iterdir()}


def test_each_page_is_written_once_by_one_of_two_processes(tmp_path: Path) -> None:
    write_pages(tmp_path, NAMES)

    done = read(tmp_path)
    assert done.keys() == set(NAMES)
    assert {len(pids) for pids in done.values()} == {1}
    assert len({pids[0] for pids in done.values()}) == 2


@pytest.mark.parametrize("names", [[], NAMES[:1], NAMES[:19]], ids=len)
def test_few_pages_are_written_here(tmp_path: Path, names: list[str]) -> None:
    write_pages(tmp_path, names)

    assert read(tmp_path) == {name: [os.getpid()] for name in names}


def test_what_another_process_failed_to_write_is_written_here(tmp_path: Path) -> None:
    us = os.getpid()
    write_pages(tmp_path, NAMES, lambda: os.getpid() == us)

    assert read(tmp_path) == {name: [us] for name in NAMES}


def test_what_fails_everywhere_is_raised_and_no_process_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    real = os.fork

    def fork() -> int:
        begun.append(real())
        return begun[-1]

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(OSError, match="the disk is full"):
        write_pages(tmp_path, NAMES, lambda: False)
    assert len(begun) == 2
    for pid in begun:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
