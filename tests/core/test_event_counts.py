"""What of the events is counted: each test once, by what came of it, and in one class by how long it took."""

import pytest

from plabctl.core.event_counts import SECONDS, Counter, count_events
from plabctl.core.model import Event


def make_event(kind: str, **data: object) -> Event:
    return Event(f"e-{kind}", 1000.0, kind, "pc1", "plabctl", data)


def test_tests_are_counted_by_outcome_cause_and_goal() -> None:
    events = [
        make_event("probe", outcome="pass", seconds=2.0),
        make_event("late", outcome="fail", cause="connect", seconds=3.5),
        make_event("vnode-probe", outcome="fail", cause="connect", seconds=4.0, goal="setup"),
    ]
    counts = count_events(events)

    assert counts[Counter.TESTS, ("pass", "", "test")] == 1
    assert counts[Counter.TESTS, ("fail", "connect", "test")] == 1
    assert counts[Counter.TESTS, ("fail", "connect", "setup")] == 1
    assert counts[Counter.TEST_SECONDS, ("fail",)] == 7.5
    assert counts[Counter.EVENTS, ("late",)] == 1


@pytest.mark.parametrize(("seconds", "number"), [(0.0, 0), (1.0, 0), (1.001, 1), (1800.0, 11), (1e6, len(SECONDS))])
def test_a_length_is_in_the_class_whose_bound_it_does_not_exceed(seconds: float, number: int) -> None:
    counts = count_events([make_event("probe", outcome="pass", seconds=seconds)])

    assert [key for key in counts if key[0] == Counter.TEST_CLASSES] == [(Counter.TEST_CLASSES, ("pass", str(number)))]


def test_moves_are_counted_by_where_they_lead() -> None:
    counts = count_events([make_event("transition", **{"from": "bad", "to": "good"})] * 2 + [make_event("hold")])

    assert counts[Counter.MOVES, ("transition", "bad", "good")] == 2
    assert counts[Counter.EVENTS, ("hold",)] == 1
    assert sum(value for (name, _), value in counts.items() if name == Counter.MOVES) == 2
