"""What is older than it is kept goes, a little at a time, and nobody waits for that."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from plabctl.core.model import Event
from plabctl.core.settings import HistorySettings
from plabctl.history import prune as pruning
from plabctl.history import tables
from plabctl.history.database import History
from plabctl.history.sink_queues import QueueSpec, SinkQueues
from tests.history import format_1

NOW = 1_800_000_000.0
DAY_S = 86_400.0
KEEP = HistorySettings(keep_s=100 * DAY_S, keep_output_s=10 * DAY_S)


def make_test(number: int, days_ago: float) -> Event:
    stages = [{"stage": "setup", "seconds": 0.5, "exit_code": 0, "output": f"line {number}\n" * 20}]
    return Event(f"e{number}", NOW - days_ago * DAY_S, "probe", "n1", "plabctl", {"outcome": "pass", "stages": stages})


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path) as history:
        yield history


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many rows a call removes is a matter of rows here, not of time."""
    monkeypatch.setattr(pruning, "_BUDGET_S", 3600.0)


def has_stages(history: History) -> list[bool]:
    return ["stages" in record.event.data for record in history.read()]


def test_stages_go_first_and_events_later(history: History) -> None:
    history.record([make_test(number, days_ago) for number, days_ago in enumerate([101, 50, 11, 9, 0])])

    assert history.prune(KEEP, NOW) == 4
    assert [record.event.id for record in history.read()] == ["e1", "e2", "e3", "e4"]
    assert has_stages(history) == [False, False, True, True]
    assert history.prune(KEEP, NOW) == 0


def test_what_waits_for_a_sink_stays_and_what_is_not_for_it_goes(history: History, tmp_path: Path) -> None:
    def move(number: int) -> Event:
        return Event(f"m{number}", NOW - 101 * DAY_S, "transition", "n1", "plabctl", {"from": "good", "to": "bad"})

    old = 101.0
    with SinkQueues(tmp_path) as queues:
        assert queues.read_queues() == []
        queues.change([(QueueSpec("k", "hook 'x'", "command", "i", ("hold", "transition")), 0)], ())
        history.record([make_test(0, old), move(1), make_test(2, old), move(3), make_test(4, 0)])
        history.prune(KEEP, NOW)
        assert [record.event.id for record in history.read()] == ["m1", "e2", "m3", "e4"]

        (queue,) = queues.read_queues()
        queues.advance(queue, queues.list_waiting(queue)[0])
        history.prune(KEEP, NOW)
        assert [record.event.id for record in history.read()] == ["m3", "e4"]

        (queue,) = queues.read_queues()
        queues.advance(queue, queues.list_waiting(queue)[0])
        history.prune(KEEP, NOW)
        assert [record.event.id for record in history.read()] == ["e4"], "it is told of everything, and not behind"


def test_a_few_are_left_until_they_are_worth_it(history: History) -> None:
    history.record([make_test(1, 10.01)])

    assert history.prune(KEEP, NOW) == 0
    assert history.prune(KEEP, NOW + DAY_S) == 1


def test_a_call_removes_few_rows_and_the_next_goes_on(history: History) -> None:
    most = pruning._ROWS * pruning._STEPS
    assert (pruning._ROWS, most) <= (50, 1000), "a step is soon over, and so is a call"
    history.record([make_test(number, 11) for number in range(most + 10)])

    assert history.prune(KEEP, NOW) == most
    assert history.prune(KEEP, NOW) == 10
    assert not any(has_stages(history))


def test_a_call_ends_when_its_time_is_over(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_BUDGET_S", 0.0)
    instants = iter(range(100))
    monkeypatch.setattr(pruning, "monotonic", lambda: next(instants))
    history.record([make_test(number, 11) for number in range(pruning._ROWS + 10)])

    assert history.prune(KEEP, NOW) == 0


def test_events_that_a_clock_ahead_gave_an_instant_keep_nothing_from_going(history: History) -> None:
    history.record([make_test(1, -5000), make_test(2, 200), make_test(3, 0)])

    history.prune(KEEP, NOW)

    assert [record.event.id for record in history.read()] == ["e1", "e3"]


def test_who_writes_is_not_made_to_wait_but_goes_first(tmp_path: Path, history: History) -> None:
    history.record([make_test(1, 11)])
    with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        began = monotonic()
        assert history.prune(KEEP, NOW) == 0
        assert monotonic() - began < 2.5, "nor does it wait itself, as a record does for 5 s"
        other.execute("rollback")

    assert history.prune(KEEP, NOW) == 1
    history.record([make_test(2, 0)])
    connection = history._connection
    assert connection
    assert connection.execute("pragma busy_timeout").fetchone() == (5000,)
    assert connection.execute("pragma synchronous").fetchone() == (2,)


def test_pages_that_came_free_are_used_again(tmp_path: Path, history: History) -> None:
    counts = []
    for day in range(40):
        history.record([make_test(day * 100 + number, -day) for number in range(100)])
        while history.prune(KEEP, NOW + day * DAY_S):
            pass
        with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
            counts.append(connection.execute("select count(*) from output").fetchone()[0])

    assert max(counts) <= 12 * 100
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        (used, free) = (connection.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        connection.execute("vacuum")
        (needed,) = connection.execute("pragma page_count").fetchone()
    assert used - free < 1.25 * needed
    assert used < 1.5 * needed


def test_killed_at_any_moment_nothing_is_wrong(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record([make_test(number, 11 if number % 2 else 200) for number in range(1000)])
    program = (
        "import sys; from pathlib import Path; from plabctl.core.settings import HistorySettings\n"
        "from plabctl.history import prune; from plabctl.history.database import History\n"
        "prune._ROWS, prune._BUDGET_S, prune._STEPS = 1, 60.0, 10_000\n"
        "h = History(Path(sys.argv[1])); print('begun', flush=True)\n"
        f"h.prune(HistorySettings({KEEP.keep_s}, {KEEP.keep_output_s}), {NOW})"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        while process.poll() is None:
            with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
                if connection.execute("select count(*) from output").fetchone()[0] < 900:
                    break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL

    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        (left,) = connection.execute("select count(*) from output").fetchone()
        assert 0 < left < 900
    with History(tmp_path) as history:
        while history.prune(KEEP, NOW):
            pass
        assert len(history.read()) == 500
        assert not any(has_stages(history))


def kill_at_views(action: int, *_: object) -> int:
    """Kill this process when a view is about to be made: the tables and indexes are there then."""
    if action == sqlite3.SQLITE_CREATE_VIEW:
        os.kill(os.getpid(), signal.SIGKILL)
    return sqlite3.SQLITE_OK


class TestFormat1:
    def test_it_is_read_as_it_is(self, tmp_path: Path) -> None:
        events = [make_test(number, 5) for number in range(3)]
        format_1.write(tmp_path, events)
        before = (tmp_path / "history.db").read_bytes()

        with History(tmp_path) as history:
            assert [record.event for record in history.read()] == events
            assert [record.event for record in history.read(kinds=["probe"], since_at=NOW - 6 * DAY_S)] == events
        assert (tmp_path / "history.db").read_bytes() == before

    def test_it_is_brought_forward_by_the_next_event(self, tmp_path: Path) -> None:
        events = [make_test(number, 20 if number < 60 else 5) for number in range(120)]
        format_1.write(tmp_path, events)

        with History(tmp_path) as history:
            assert len(history.read()) == 120
            history.record([make_test(120, 0)])
            assert [record.event for record in history.read()] == [*events, make_test(120, 0)]
            history.prune(KEEP, NOW)
            assert has_stages(history) == [False] * 60 + [True] * 61
            assert [record.event for record in history.read()][60:] == [*events[60:], make_test(120, 0)]
            connection = history._connection
            assert connection
            assert connection.execute("select count(*) from legacy").fetchone() == (0,)
            assert connection.execute("select count(*) from event where data like '%stages%'").fetchone() == (0,)

    def test_what_it_took_for_stages_is_free(self, tmp_path: Path) -> None:
        format_1.write(tmp_path, [make_test(number, 20) for number in range(2000)])

        with History(tmp_path) as history:
            history.record([make_test(2000, 0)])
            while history.prune(KEEP, NOW):
                pass
        with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
            (used, free) = (
                connection.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count")
            )
            connection.execute("vacuum")
            (needed,) = connection.execute("pragma page_count").fetchone()
        assert used - free < 1.25 * needed

    def test_killed_while_it_is_brought_forward_it_is_as_before(self, tmp_path: Path) -> None:
        events = [make_test(number, 5) for number in range(3)]
        format_1.write(tmp_path, events)
        pid = os.fork()
        if not pid:
            with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as connection:
                connection.set_authorizer(kill_at_views)
                tables.bring_forward(connection)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9

        with History(tmp_path) as history:
            assert [record.event for record in history.read()] == events
            history.record([make_test(3, 0)])
            assert len(history.read()) == 4

    def test_rows_that_are_no_json_stay(self, tmp_path: Path) -> None:
        format_1.write(tmp_path, [make_test(number, 20) for number in range(3)])
        with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as connection:
            connection.execute("update event set data = 'no JSON' where seq = 2")

        with History(tmp_path) as history:
            history.record([make_test(3, 0)])
            history.prune(KEEP, NOW)
            assert history.read().skipped == (2,)
            assert has_stages(history) == [False, False, True]
