"""What curves are drawn from is read by indexes, and is a few rows among many tests."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from plabctl.core.model import Event
from plabctl.core.stats.place import PastTest
from plabctl.history import step_rows
from plabctl.history.past_rows import SeqRange
from plabctl.history.step_rows import SlotTime, StepHistory
from tests.builders import NOW

MINUTE = 60.0


@pytest.fixture
def history(tmp_path: Path) -> StepHistory:
    tmp_path.chmod(0o700)
    return StepHistory(tmp_path)


def make_past() -> list[Event]:
    """A test of each of two nodes each minute for 100 minutes; n0 moves each tenth minute, n1 once, early."""
    events = []
    for minute in range(100):
        at = NOW + MINUTE * minute
        for node in ("n0", "n1"):
            data = {"pool": "good", "outcome": "pass", "seconds": 30.0}
            events.append(Event(f"p{minute}{node}", at, "probe", node, "plabctl", data))
        if minute % 10 == 0:
            events.append(Event(f"m{minute}", at, "transition", "n0", "plabctl", {"from": "good", "to": "bad"}))
        if minute == 5:
            events.append(Event("early", at, "transition", "n1", "plabctl", {"from": "bad", "to": "good"}))
    return events


def test_steps_of_a_span_come_with_the_steps_and_tests_before_them_and_no_others(
    history: StepHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.record(make_past())
    monkeypatch.setattr(step_rows, "_ROWS_AT_ONCE", 7)

    where = history.find_since(NOW + 75 * MINUTE)
    rows = list(history.read_steps(where))
    minutes = [(row.at - NOW) / MINUTE for row in rows if isinstance(row, Event)]
    assert minutes == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    tests = [(row.at - NOW) / MINUTE for row in rows if isinstance(row, PastTest)]
    assert tests == [*range(73, 81), *range(83, 91)]
    assert {row.node for row in rows} == {"n0"}
    assert [row.at for row in rows] == sorted(row.at for row in rows)


def test_no_look_at_the_history_goes_through_the_tests(history: StepHistory, tmp_path: Path) -> None:
    """Else a page costs the more, the more tests there were."""
    history.record(make_past())
    history.close()
    queries = {
        step_rows._STEPS: ("[]", 0, 9),
        step_rows._STEPS_BEFORE: ("[]", 9, "[]"),
        step_rows._LATEST_MOVES: ("[]", 0, 9),
        step_rows._TESTS_BEFORE: ("[]",),
        step_rows._FIRST_SINCE: (NOW,),
        step_rows._SLOT_TIMES: (NOW, NOW, "[]"),
    }
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        for query, values in queries.items():
            plan = [row[3] for row in connection.execute(f"explain query plan {query}", values)]
            assert not [step for step in plan if step.startswith(("SCAN event", "SCAN step", "SCAN test"))], plan


def test_without_a_history_and_after_its_end_there_is_nothing(history: StepHistory) -> None:
    assert history.find_since(0.0) == SeqRange(0, 0)
    assert list(history.read_steps(SeqRange(0, 9))) == []
    assert history.list_slot_times(0.0, NOW) == []
    assert history.list_guard_events() == []
    history.record(make_past()[:3])
    assert history.find_since(NOW + 1e6) == SeqRange(3, 3)
    assert list(history.read_steps(SeqRange(3, 3))) == []


def test_slots_were_held_by_all_tests_those_of_experiments_too(history: StepHistory) -> None:
    kinds = ("probe", "late", "vnode-probe", "hold")
    history.record([Event(kind, NOW, kind, "n1", "plabctl", {"seconds": 30.0}) for kind in kinds])
    history.record([Event("odd", NOW, "probe", "n1", "plabctl", {}), Event("old", 9.0, "probe", "n1", "p", {})])

    assert history.list_slot_times(NOW - 1, NOW + 1) == [SlotTime(NOW - 30.0, NOW)] * 3
    started = [("s", NOW - 44.0), ("later", NOW - 3.0)]
    history.record([Event(id_, NOW + 5, "probe", "n1", "p", {"seconds": 9.0, "started_at": at}) for id_, at in started])
    assert history.list_slot_times(NOW + 4, NOW + 6) == [SlotTime(NOW - 44, NOW - 35), SlotTime(NOW - 4, NOW + 5)]


def test_guards_are_found_however_long_ago(history: StepHistory) -> None:
    events = [Event(f"g{kind}", NOW, kind, None, "plabctl", {"scope": "monitor"}) for kind in ("guard-on", "guard-off")]
    history.record([events[0], *make_past(), events[1]])

    assert history.list_guard_events() == events


def test_a_move_that_plabctl_did_not_write_is_left_out_and_counted(history: StepHistory, tmp_path: Path) -> None:
    data = {"from": "good", "to": "bad", "cause": "connect", "reason": "no route", "since_at": NOW}
    history.record([Event(f"m{n}", NOW + n, "transition", "n0", "plabctl", data) for n in range(4)])
    history.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("update event set data = 'no json' where seq = 2")
        connection.execute("update event set data = json_set(data, '$.to', 7) where seq = 3")

    rows = list(history.read_places([1, 2, 3, 4]))
    assert [(row.at, isinstance(row, Event) and row.data["to"]) for row in rows] == [(NOW, "bad"), (NOW + 3, "bad")]
    assert history.skipped_count == 2
