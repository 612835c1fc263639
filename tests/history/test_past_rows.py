"""What a replay reads is what was recorded, in that order, however long it is; odd rows are left out and counted."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from plabctl.core.model import Event
from plabctl.core.stats.place import PastTest, read_test
from plabctl.history import past_rows
from plabctl.history.past_rows import PastHistory, SeqRange
from tests.builders import NOW


def make_events(count: int) -> list[Event]:
    """Tests with a few events of all sorts among them, a minute apart."""
    events = []
    for number in range(count):
        at, node = NOW + 60.0 * number, f"n{number % 3}"
        kind = {3: "transition", 5: "hold", 6: "retest", 7: "late", 8: "vnode-probe"}.get(number % 10, "probe")
        data: dict[str, object] = {"pool": "good", "outcome": "pass", "seconds": 1.5, "stages": [{"stage": "up"}]}
        if number % 4 == 0:
            data |= {"outcome": "fail", "cause": "connect", "counted": False}
        if kind in {"transition", "hold"}:
            data = {"from": "good", "to": "bad", "until_at": at + 5}
        if kind == "vnode-probe" or number % 20 == 17:
            data["experiment"] = "exp"
        events.append(Event(f"e{number}", at, kind, node, "plabctl", data))
    return events


def expected(events: Sequence[Event]) -> list[PastTest | Event]:
    told = [event for event in events if event.kind in {"transition", "hold"} or read_test(event)]
    return [read_test(event) or event for event in told]


@pytest.fixture
def history(tmp_path: Path) -> PastHistory:
    tmp_path.chmod(0o700)
    return PastHistory(tmp_path)


def test_it_reads_what_tells_where_nodes_were_part_by_part(
    history: PastHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = make_events(100)
    history.record(events)
    monkeypatch.setattr(past_rows, "_ROWS_AT_ONCE", 7)

    assert list(history.read_past(SeqRange(0, 100))) == expected(events)
    assert history.skipped_count == 0


def test_the_steps_before_a_span_and_renames_are_found_by_an_index(history: PastHistory, tmp_path: Path) -> None:
    """Else a month after years of history costs years."""
    history.record(make_events(10))
    history.close()
    queries = {past_rows._SEQS_OF_STEPS: ("[]", 9), past_rows._RENAMES: (0, 9)}
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        plans = [connection.execute(f"explain query plan {query}", values) for query, values in queries.items()]
        steps = [next(iter(plan))[3] for plan in plans]

    assert [step.partition(" (")[0] for step in steps] == [
        "SEARCH event USING COVERING INDEX step_by_kind",
        "SEARCH event USING INDEX step_by_kind",
    ]


def test_of_the_time_before_it_reads_no_tests(history: PastHistory) -> None:
    events = make_events(100)
    history.record(events)
    where = history.find_range(NOW + 50 * 60, NOW + 80 * 60)

    assert where == SeqRange(50, 80)
    before = [event for event in expected(events[:50]) if isinstance(event, Event)]
    assert list(history.read_past(where)) == [*before, *expected(events[50:80])]


@pytest.mark.parametrize(("since", "until", "where"), [(-9, 0, (0, 0)), (200, 300, (100, 100)), (-9, 1, (0, 1))])
def test_a_span_with_nothing_in_it_lies_somewhere(
    history: PastHistory, since: float, until: float, where: tuple[int, int]
) -> None:
    history.record(make_events(100))

    assert history.find_range(NOW + since * 60, NOW + until * 60) == where


def test_without_a_history_there_is_nothing(history: PastHistory) -> None:
    assert history.find_begin() is None
    assert history.find_range(0, NOW) == (0, 0)
    assert list(history.read_past(SeqRange(0, 9))) == []
    assert history.list_renames() == []


def test_renames_are_found_and_so_is_what_was_recorded(history: PastHistory) -> None:
    renames = [Event(f"r{n}", NOW, "node-renamed", f"n{n + 1}", "file", {"from": f"n{n}"}) for n in range(3)]
    history.record(renames)

    assert history.list_renames() == [("n0", "n1"), ("n1", "n2"), ("n2", "n3")]
    assert history.list_renames(after=2) == [("n2", "n3")]
    assert history.list_recorded(["r0", "r2", "r3"]) == {"r0", "r2"}
    assert history.find_begin() == NOW


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("probe", "no json"),
        ("probe", '{"outcome": "perhaps", "seconds": 1}'),
        ("probe", '{"outcome": "pass", "seconds": "long"}'),
        ("probe", '{"outcome": 7, "seconds": 1}'),
        ("hold", "no json"),
        ("probe", '{"outcome": "pass", "seconds": 1, "note": "TOO LONG"}'),
        ("hold", '{"reason": "TOO LONG"}'),
    ],
)
def test_a_row_that_plabctl_did_not_write_is_left_out_and_counted(
    history: PastHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, data: str
) -> None:
    events = make_events(10)
    history.record(events)
    monkeypatch.setattr("plabctl.history.fetch_rows._RECORD_BYTES", 2000)
    history.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        values = (kind, data.replace("TOO LONG", "x" * 3000))
        connection.execute("update event set kind = ?, data = ? where seq = 2", values)

    assert list(history.read_past(SeqRange(0, 10))) == expected([*events[:1], *events[2:]])
    assert history.skipped_count == 1
