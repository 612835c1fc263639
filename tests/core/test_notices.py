"""What is told once, what again, what is told to be over: whatever happens, and whether or not a notice arrives."""

from collections.abc import Iterable
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.notices import (
    Alarm,
    Memory,
    Notice,
    Reminders,
    Situation,
    Told,
    Tone,
    Topic,
    find_next_reminder,
    plan_notice,
)
from tests.builders import NOW

NEVER = Reminders(0.0, 0.0)
HOURLY = Reminders(3600.0, 4 * 3600.0)


def make_alarm(node: str, since_at: float = NOW, what: str = "connect", site: str = "north") -> Alarm:
    return Alarm(Topic.NODES, what, since_at, node, site)


def make_situation(nodes: Iterable[str], **fields: object) -> Situation:
    situation = Situation({f"node {node}": make_alarm(node) for node in nodes})
    return situation._replace(**fields)  # type: ignore[arg-type]  # any field of it


def read_nodes(alarms: Iterable[Alarm]) -> list[str]:
    return [alarm.node for alarm in alarms]


class Step(NamedTuple):
    """Which nodes are bad and which pending at a time, and whether a notice would arrive then."""

    bad: frozenset[str]
    pending: frozenset[str]
    minutes: int
    arrives: bool


_NAMES = st.frozensets(st.sampled_from(["n1", "n2", "n3", "n4"]))
_STEPS = st.lists(st.builds(Step, _NAMES, _NAMES, st.integers(1, 600), st.booleans()), max_size=30)


def play(steps: Iterable[Step], reminders: Reminders = HOURLY) -> list[tuple[float, Step, Notice]]:
    """Return the notices that arrived, with the time and the step."""
    memory: Memory = {}
    now = NOW
    told = []
    for step in steps:
        now += 60.0 * step.minutes
        pending = {f"node {node}" for node in step.pending - step.bad if f"node {node}" in memory}
        notice, after = plan_notice(memory, make_situation(step.bad, pending=pending), now, reminders)
        if notice is None or step.arrives:
            memory = after
        if notice and step.arrives:
            told.append((now, step, notice))
    return told


@given(_STEPS)
def test_nothing_is_told_twice_unless_a_reminder_is_due(steps: list[Step]) -> None:
    open_since: dict[str, tuple[float, int]] = {}
    for now, _, notice in play(steps):
        for node in read_nodes(notice.new):
            assert node not in open_since, "it was told, and not that it is over"
            open_since[node] = (now, 0)
        if notice.still:
            waits = {node: HOURLY.find_wait(open_since[node][1]) for node in read_nodes(notice.still)}
            ages = {node: now - open_since[node][0] for node in waits}
            assert any(ages[node] >= waits[node] for node in waits), "one of them is due"
            assert all(ages[node] >= waits[node] / 2 for node in waits), "and the others soon"
        for node in read_nodes(notice.still):
            open_since[node] = (now, open_since[node][1] + 1)
        for ended in notice.over:
            del open_since[ended.alarm.node]


@given(_STEPS)
def test_all_that_is_told_is_told_to_be_over(steps: list[Step]) -> None:
    steps = [*steps, Step(frozenset(), frozenset(), 1, arrives=True)]
    open_nodes: set[str] = set()
    for _, _, notice in play(steps):
        open_nodes |= set(read_nodes(notice.new))
        over = {ended.alarm.node for ended in notice.over}
        assert over <= open_nodes, "only what was told is over"
        open_nodes -= over
    assert not open_nodes


@given(_STEPS, _NAMES)
def test_a_delivery_that_fails_loses_nothing(steps: list[Step], bad: frozenset[str]) -> None:
    steps = [*steps, Step(bad, frozenset(), 1, arrives=True)]
    open_nodes: set[str] = set()
    for _, _, notice in play(steps):
        open_nodes = (open_nodes | set(read_nodes(notice.new))) - {ended.alarm.node for ended in notice.over}
    assert open_nodes == bad, "who reads the notices that arrived knows what is so"


@settings(max_examples=10)
@given(st.integers(1, 1000), st.integers(0, 1000))
def test_whatever_happens_at_once_is_one_notice(count: int, back_count: int) -> None:
    memory = {f"node b{n}": Told(make_alarm(f"b{n}"), NOW) for n in range(back_count)}
    notice, after = plan_notice(memory, make_situation(f"n{n}" for n in range(count)), NOW, NEVER)
    assert notice
    assert (len(notice.new), len(notice.over)) == (count, back_count)
    again, _ = plan_notice(after, make_situation(f"n{n}" for n in range(count)), NOW + 60, NEVER)
    assert again is None


def test_reminders_come_ever_less_often() -> None:
    memory: Memory = {}
    hours = []
    for hour in range(16):
        notice, memory = plan_notice(memory, make_situation(["n1"]), NOW + 3600 * hour, HOURLY)
        if notice and notice.still:
            hours.append(hour)
            assert notice.still[0].since_at == NOW
    assert hours == [1, 3, 7, 11, 15]
    assert find_next_reminder(memory, HOURLY) == NOW + 19 * 3600


def test_what_failed_a_little_later_is_in_the_same_reminder() -> None:
    _, memory = plan_notice({}, make_situation(["n1"]), NOW, HOURLY)
    _, memory = plan_notice(memory, make_situation(["n1", "n2"]), NOW + 900, HOURLY)
    _, memory = plan_notice(memory, make_situation(["n1", "n2", "n3"]), NOW + 3000, HOURLY)
    notice, memory = plan_notice(memory, make_situation(["n1", "n2", "n3"]), NOW + 3600, HOURLY)
    assert notice
    assert read_nodes(notice.still) == ["n1", "n2"]
    assert find_next_reminder(memory, HOURLY) == NOW + 3000 + 3600


def test_without_reminders_nothing_is_told_again() -> None:
    _, memory = plan_notice({}, make_situation(["n1"]), NOW, NEVER)
    assert plan_notice(memory, make_situation(["n1"]), NOW + 1e9, NEVER) == (None, memory)
    assert find_next_reminder(memory, NEVER) == float("inf")


def test_a_clock_that_was_set_back_keeps_no_reminder_away() -> None:
    _, memory = plan_notice({}, make_situation(["n1"]), NOW + 1e8, HOURLY)
    notice, memory = plan_notice(memory, make_situation(["n1"]), NOW, HOURLY)
    assert notice
    assert read_nodes(notice.still) == ["n1"]
    assert plan_notice(memory, make_situation(["n1"]), NOW + 60, HOURLY)[0] is None


def test_what_is_held_is_told_over_when_it_is() -> None:
    _, memory = plan_notice({}, make_situation(["n1"]), NOW, HOURLY)
    held = make_situation([], pending={"node n1"})
    assert plan_notice(memory, held, NOW + 1e6, HOURLY) == (None, memory)
    notice, memory = plan_notice(memory, make_situation([], ends={"node n1": NOW + 60}), NOW + 1e6, HOURLY)
    assert notice
    assert [(ended.alarm.node, ended.lasted_s) for ended in notice.over] == [("n1", 60.0)]
    assert not memory


def test_what_is_not_looked_at_any_more_is_forgotten() -> None:
    _, memory = plan_notice({}, make_situation(["n1"]), NOW, HOURLY)
    assert plan_notice(memory, make_situation([], ignored={"node n1"}), NOW + 60, HOURLY) == (None, {})


def test_an_end_before_the_beginning_is_that_of_an_earlier_time() -> None:
    _, memory = plan_notice({}, make_situation(["n1"]), NOW, NEVER)
    notice, _ = plan_notice(memory, make_situation([], ends={"node n1": NOW - 50}), NOW + 30, NEVER)
    assert notice
    assert notice.over[0].lasted_s == 30.0


def test_a_notice_looks_as_grave_as_what_it_tells() -> None:
    guard = Alarm(Topic.GUARD, "site north", NOW, detail="8 of 10 failed")
    both = make_situation(["n1", "n2"])
    bad, memory = plan_notice({}, both, NOW, HOURLY)
    graver, with_guard = plan_notice(memory, both._replace(alarms={**both.alarms, "guard": guard}), NOW + 60, HOURLY)
    partly, memory = plan_notice(with_guard, make_situation(["n2"]), NOW + 120, HOURLY)
    held, memory = plan_notice(memory, make_situation([], pending=["node n2"]), NOW + 180, HOURLY)
    over, memory = plan_notice(memory, make_situation([]), NOW + 240, HOURLY)
    tones = [each and each.tone for each in (bad, graver, partly, over)]
    assert tones == [Tone.WARNING, Tone.FAILURE, Tone.INFO, Tone.SUCCESS]
    assert held is None
    assert memory == {}
    again, _ = plan_notice(with_guard, Situation({"guard": guard}), NOW + 9000, HOURLY)
    assert again
    assert again.still
    assert again.tone == Tone.FAILURE
