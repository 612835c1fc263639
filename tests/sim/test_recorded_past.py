from pathlib import Path

import pytest

from plabctl.core.model import Event
from plabctl.errors import UsageFault
from plabctl.history.database import History
from plabctl.sim.recorded_past import RecordedPast, read_past
from tests.builders import NOW

DAY_S = 86400.0


def make_test(number: int, node: str, at: float, outcome: str, seconds: float = 2.0) -> Event:
    return Event(f"{number}-probe", NOW + at, "probe", node, "plabctl", {"outcome": outcome, "seconds": seconds})


def told(*events: Event, folder: Path, since: float = 0.0, until: float = 3 * DAY_S) -> RecordedPast:
    with History(folder) as history:
        history.record(events)
    return read_past(folder, NOW + since, NOW + until)


def test_a_change_is_taken_to_be_halfway_between_the_tests_that_found_it(tmp_path: Path) -> None:
    past = told(
        make_test(1, "a", 100, "pass"),
        make_test(2, "a", 200, "fail"),
        make_test(3, "a", 300, "fail"),
        make_test(4, "a", 500, "pass"),
        folder=tmp_path,
    )
    (life,) = past.world.lives

    assert (life.starts_up, life.changes) == (True, (50.0, 300.0))
    assert (life.born_at, life.gone_at) == (0.0, 3 * DAY_S - 100)


def test_a_failure_that_was_refuted_was_none(tmp_path: Path) -> None:
    past = told(
        make_test(1, "a", 100, "pass"),
        make_test(2, "a", 200, "fail"),
        make_test(3, "a", 210, "pass"),
        Event("3-refuted", NOW + 210, "refuted", "a", "plabctl", {}),
        folder=tmp_path,
    )

    assert past.world.lives[0].changes == ()
    assert past.false_ratio == pytest.approx(1 / 3)


def test_how_long_tests_took_is_measured(tmp_path: Path) -> None:
    past = told(
        make_test(1, "a", 100, "pass", 2.0),
        make_test(2, "a", 200, "pass", 4.0),
        make_test(3, "a", 300, "fail", 90.0),
        make_test(4, "a", 400, "unknown", 7.0),
        folder=tmp_path,
    )

    assert (past.up_s, past.down_s, past.test_count) == (3.0, 90.0, 3)


def test_a_removed_node_is_gone_and_one_that_came_back_is_not(tmp_path: Path) -> None:
    past = told(
        make_test(1, "a", 0, "pass"),
        make_test(2, "a", 100, "pass"),
        make_test(3, "b", 0, "pass"),
        Event("x", NOW + 200, "node-removed", "a", "ada", {}),
        Event("y", NOW + 200, "node-removed", "b", "ada", {}),
        make_test(4, "b", 300, "pass"),
        folder=tmp_path,
        until=1000,
    )

    assert [(life.name, life.gone_at) for life in past.world.lives] == [("a", 200.0), ("b", 1000.0)]


def test_only_the_time_asked_for_is_looked_at(tmp_path: Path) -> None:
    past = told(
        make_test(1, "a", 0, "fail"),
        make_test(2, "a", 100, "pass"),
        make_test(3, "a", 300, "pass"),
        folder=tmp_path,
        since=50,
    )

    assert past.world.lives[0].starts_up
    assert past.test_count == 2


def test_a_history_without_tests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="no node that was tested twice"):
        told(make_test(1, "a", 0, "pass"), folder=tmp_path)
    with pytest.raises(UsageFault, match="no node that was tested twice"):
        read_past(tmp_path / "nowhere", NOW, NOW)
