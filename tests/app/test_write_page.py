"""Many pages are written by several processes, each of which writes its part once."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from plabctl.app import write_page
from plabctl.app.write_page import in_parts

ITEMS = list(range(100))


@pytest.fixture(autouse=True)
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_page, "_LEAST_PART", 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # pytest may have threads of its own


def note(folder: Path, items: Sequence[int]) -> None:
    for item in items:
        with (folder / str(item)).open("a") as file:
            file.write(f"{os.getpid()}\n")


def read(folder: Path) -> dict[int, list[int]]:
    return {int(path.name): [int(line) for line in path.read_text().split()] for path in folder.iterdir()}


def test_each_item_is_done_once_by_one_of_two_processes(tmp_path: Path) -> None:
    in_parts(ITEMS, lambda items: note(tmp_path, items))

    done = read(tmp_path)
    assert sorted(done) == ITEMS
    assert {len(pids) for pids in done.values()} == {1}
    assert len({pids[0] for pids in done.values()}) == 2


@pytest.mark.parametrize("items", [[], [1], ITEMS[:19]], ids=len)
def test_few_items_are_done_here(tmp_path: Path, items: list[int]) -> None:
    in_parts(items, lambda items: note(tmp_path, items))

    assert read(tmp_path) == {item: [os.getpid()] for item in items}


def test_a_process_with_threads_does_all_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)

    in_parts(ITEMS, lambda items: note(tmp_path, items))

    assert read(tmp_path) == {item: [os.getpid()] for item in ITEMS}


def test_the_part_of_a_process_that_failed_is_done_here(tmp_path: Path) -> None:
    us = os.getpid()

    def work(items: Sequence[int]) -> None:
        if os.getpid() != us:
            raise OSError("no descriptors left")
        note(tmp_path, items)

    in_parts(ITEMS, work)

    assert read(tmp_path) == {item: [us] for item in ITEMS}


def test_what_fails_everywhere_is_raised_and_no_process_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    real = os.fork

    def fork() -> int:
        begun.append(real())
        return begun[-1]

    def fail(_: Sequence[int]) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(OSError, match="the disk is full"):
        in_parts(ITEMS, fail)
    (pid,) = begun
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
