"""Work in several processes."""

import os
import signal
import threading
import time

import pytest

from plabctl.app.fork_map import map_in_processes
from plabctl.views.status import WindowView


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process fork, whatever threads other tests have left in it, and however many processors there are."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.mark.usefixtures("forks")
def test_each_thing_is_worked_on_once_in_another_process() -> None:
    found = map_in_processes(lambda number: (number * number, os.getpid()), range(7), 30.0)

    assert [found[place][0] for place in range(7)] == [0, 1, 4, 9, 16, 25, 36]
    pids = {pid for _, pid in found.values()}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_values_of_ours_and_long_ones_come_back() -> None:
    found = map_in_processes(lambda size: WindowView(size, len("x" * size)), [10, 3_000_000], 30.0)

    assert found == {0: WindowView(10, 10), 1: WindowView(3_000_000, 3_000_000)}


@pytest.mark.usefixtures("forks")
def test_a_process_that_is_killed_or_fails_or_hangs_takes_only_its_own_with_it() -> None:
    ours = os.getpid()

    def work(what: str) -> str:
        assert os.getpid() != ours, "it is not this process that dies"
        match what:
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hangs":
                time.sleep(60)
        return what

    assert map_in_processes(work, ["dies", "well"], 30.0) == {1: "well"}
    assert map_in_processes(work, ["hangs", "well"], 0.5) == {1: "well"}


def test_a_process_with_threads_is_not_forked() -> None:
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait)
    thread.start()
    try:
        assert map_in_processes(lambda _: os.getpid(), [1, 2], 30.0) == {0: os.getpid(), 1: os.getpid()}
    finally:
        is_over.set()
        thread.join()
