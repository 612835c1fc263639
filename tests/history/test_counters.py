"""Counters: nothing is counted twice or lost, and they stay when what was counted is removed."""

import sqlite3
from pathlib import Path

from plabctl.core.event_counts import Counter
from plabctl.core.model import Event
from plabctl.core.settings import HistorySettings
from plabctl.history.counters import Counters
from plabctl.history.database import History
from plabctl.history.history_file import HISTORY_NAME

PASSED = (Counter.TESTS, ("pass", "", "test"))
YEAR_S = 365 * 86_400.0


def make_tests(first: int, count: int) -> list[Event]:
    data = {"outcome": "pass", "seconds": 1.0}
    return [Event(f"t{n}-probe", 1000.0 + n, "probe", "pc1", "plabctl", data) for n in range(first, first + count)]


def count_passed(folder: Path) -> float:
    with Counters(folder) as counters:
        return counters.read_counts().get(PASSED, 0.0)


def test_what_is_recorded_twice_is_counted_once(tmp_path: Path) -> None:
    assert count_passed(tmp_path) == 0
    with History(tmp_path) as history:
        history.record(make_tests(0, 3))
        history.record(make_tests(2, 3))

    assert count_passed(tmp_path) == 5


def test_what_is_removed_stays_counted(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record(make_tests(0, 120))
        settings = HistorySettings(keep_s=86_400.0)
        while history.prune(settings, 1000.0 + YEAR_S):
            pass
        assert not history.read()
        history.record(make_tests(200, 1))

    assert count_passed(tmp_path) == 121


def test_a_history_without_counters_is_read_and_counts_from_then_on(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record(make_tests(0, 3))
    with sqlite3.connect(tmp_path / HISTORY_NAME) as connection:
        connection.execute("drop table counter")
    connection.close()
    assert count_passed(tmp_path) == 0
    with History(tmp_path) as history:
        history.record(make_tests(3, 2))

    assert count_passed(tmp_path) == 2


def test_rows_of_others_harm_nothing(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record(make_tests(0, 1))
    with sqlite3.connect(tmp_path / HISTORY_NAME) as connection:
        rows = [("tests", "7", 1.0), ("\x1b", "[1, 2]", 2.0), ("tests", "no json", 1.0)]
        connection.executemany("insert into counter (name, labels, value) values (?, ?, ?)", rows)
    connection.close()

    assert count_passed(tmp_path) == 1
