"""Faults become events: when they begin and when they are over, once each, in bounded words."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from plabctl.core.fault_events import FAULTS_NOTE, MAX_WORDS, tell_faults
from plabctl.core.model import Event
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.source_note import SourceNote, make_source_note
from plabctl.core.state import Changes
from tests.builders import NOW
from tests.memory_state import MemoryState

DISK = Problem(ProblemKind.DISK, "only 40 MiB free for '/s'", "free some space soon", severity=Severity.WARNING)
SOURCE = Problem(ProblemKind.INVENTORY, "inventory: lab: gone", "correct it", since_at=NOW - 60.0, subject="lab")
SINK = Problem(ProblemKind.SINK, "hook 'x': exit code 1; 1 event waits", "mend it", subject="hook 'x'")


def look(state: MemoryState, *problems: Problem, now: float = NOW) -> list[Event]:
    """What a look that finds these problems tells."""
    changes = tell_faults(state, problems, now, Random(now))
    state.apply(changes)
    return list(changes.events)


def remember(state: MemoryState, source: str, note: SourceNote) -> None:
    state.apply(Changes(notes=make_source_note(source).write(note)))


def test_a_fault_is_told_when_it_begins_and_when_it_is_over() -> None:
    state = MemoryState()

    (begun,) = look(state, replace(DISK, since_at=NOW - 5.0))
    assert look(state, replace(DISK, reason="only 39 MiB free for '/s'"), now=NOW + 60.0) == []
    (over,) = look(state, now=NOW + 120.0)

    assert (begun.kind, begun.at, begun.node, begun.actor) == ("fault", NOW, None, "plabctl")
    told = {
        "problem": "disk",
        "severity": "warning",
        "reason": "only 40 MiB free for '/s'",
        "since_at": NOW - 5.0,
    }
    assert begun.data == {**told, "remedy": "free some space soon"}
    assert (over.kind, over.at, over.data) == ("fault-over", NOW + 120.0, {**told, "until_at": NOW + 120.0})
    assert begun.id != over.id
    assert look(state, now=NOW + 180.0) == []
    assert FAULTS_NOTE.topic not in state.notes, "nothing is left of it"


def test_a_look_that_finds_nothing_new_changes_nothing() -> None:
    state = MemoryState()
    look(state, DISK, SOURCE)

    assert not tell_faults(state, [DISK, SOURCE], NOW + 60.0, Random(1))
    assert not tell_faults(MemoryState(), [], NOW, Random(1))


def test_each_source_is_told_for_itself() -> None:
    state = MemoryState()
    other = replace(SOURCE, subject="attic", reason="inventory: attic: gone")

    assert [event.data["subject"] for event in look(state, SOURCE, other)] == ["lab", "attic"]
    (over,) = look(state, other)

    assert (over.kind, over.data["subject"]) == ("fault-over", "lab")


def test_a_source_is_told_again_when_other_rows_are_bad() -> None:
    state = MemoryState()
    counts = []
    for fault, digest in (("1 row left out: x", "a"), ("1 row left out: y", "a"), ("2 rows left out: x", "b")):
        remember(state, "lab", SourceNote(fault, NOW, bad_rows=digest))
        counts.append(len(look(state, replace(SOURCE, reason=f"inventory: {fault}"))))

    assert counts == [1, 0, 1]


def test_a_doubt_that_only_counts_on_is_told_once() -> None:
    state = MemoryState()
    kinds = []
    for fault in ("not believed yet (1 of 3)", "not believed yet (2 of 3)", "8 nodes are absent now", ""):
        remember(state, "lab", SourceNote(fault, NOW if fault else None))
        kinds.append([event.kind for event in look(state, *([SOURCE] if fault else []))])

    assert kinds == [["fault"], [], ["fault"], ["fault-over"]]


def test_a_lock_is_told_when_it_is_kept() -> None:
    lock = Problem(ProblemKind.LOCK, "process 7 is stopped", "kill it", pid=7, subject="state")
    other = replace(lock, pid=8)
    state = MemoryState()

    seen = [(lock, 0.0), (lock, 59.0), (other, 70.0), (other, 129.0), (other, 130.0), (other, 190.0), (lock, 250.0)]
    kinds = [[event.kind for event in look(state, problem, now=NOW + at)] for problem, at in seen]
    assert kinds == [[], [], [], [], ["fault"], [], ["fault-over"]]

    assert look(state, now=NOW + 300.0) == [], "what was not told is not over"
    assert FAULTS_NOTE.topic not in state.notes


def test_the_words_are_bounded() -> None:
    (event,) = look(MemoryState(), replace(SOURCE, reason="x" * 100_000))

    assert event.data["reason"] == "x" * (MAX_WORDS - 3) + "..."


def test_no_fault_begins_in_the_future() -> None:
    (event,) = look(MemoryState(), replace(DISK, since_at=NOW + 3600.0))

    assert event.data["since_at"] == NOW


def test_ticks_look_while_a_sink_fails() -> None:
    state = MemoryState()
    look(state, SOURCE)
    assert "due_at" not in state.notes[FAULTS_NOTE.topic], "an idle tick stays idle"
    look(state, SOURCE, SINK)
    assert state.notes[FAULTS_NOTE.topic]["due_at"] == 0.0
    look(state, SOURCE)
    assert "due_at" not in state.notes[FAULTS_NOTE.topic]


FOREIGN: Mapping[str, object] = {
    "disk": {"kind": "disk", "since_at": NOW, "reason": "r", "later": [1]},
    "odd": 3,
    "unknown": {"kind": "of-a-later-version", "since_at": "never", "reason": None},
}


def test_what_another_version_noted_is_read_as_far_as_it_makes_sense() -> None:
    state = MemoryState()
    state.apply(Changes(notes={"faults": {"faults": FOREIGN, "new": True}}))

    (over,) = look(state, DISK)

    assert (over.kind, over.data["problem"], over.data["since_at"]) == ("fault-over", "of-a-later-version", 0.0)


@given(st.lists(st.sets(st.sampled_from([DISK, SOURCE, SINK, replace(SINK, subject="hook 'y'")]))))
def test_begins_and_ends_alternate_whatever_is_found(looks: list[set[Problem]]) -> None:
    state = MemoryState()
    lasting: set[tuple[object, object]] = set()
    for number, found in enumerate(looks):
        for event in look(state, *found, now=NOW + number):
            key = event.data["problem"], event.data.get("subject")
            assert (key in lasting) is (event.kind == "fault-over")
            lasting ^= {key}
        assert lasting == {(each.kind.value, each.subject) for each in found}
