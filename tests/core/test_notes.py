"""Notes: what is stored stays as it is, and what makes no sense is left out."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import adaptive_scale, fairness, leftovers
from plabctl.core.experiments import membership
from plabctl.core.guard.evaluate import evaluate
from plabctl.core.guard.model import GUARD_NOTE, Guard, read_guard
from plabctl.core.model import Leftover
from plabctl.core.notes import NoteKind
from plabctl.core.pools.base import build_pools
from plabctl.core.settle import settle
from plabctl.core.sink_health import RECEIPTS_NOTE, SINKS_NOTE
from plabctl.core.source_note import make_source_note
from plabctl.core.state import Changes
from plabctl.core.timeouts import TALLIES_NOTE, LearnedTimeouts
from tests.builders import NOW, make_claim, make_member, make_recipe, make_report, make_settings, make_state

SETTINGS = make_settings(recipes={"process": make_recipe()})
INVENTORY_NOTE = make_source_note("lab")
KINDS: list[NoteKind[Any]] = [
    adaptive_scale.SCALE_NOTE,
    fairness.USE_NOTE,
    leftovers.LEFTOVERS_NOTE,
    TALLIES_NOTE,
    membership.GRACE_NOTE,
    GUARD_NOTE,
    RECEIPTS_NOTE,
    SINKS_NOTE,
    INVENTORY_NOTE,
]
STORED: list[tuple[NoteKind[Any], dict[str, Any]]] = [
    (adaptive_scale.SCALE_NOTE, {"scale": 1.25, "at": NOW}),
    (fairness.USE_NOTE, {"at": NOW, "slot_s": {"good": 1.5, "bad": 2}}),
    (leftovers.LEFTOVERS_NOTE, {"nodes": {"n1": {"at": NOW, "debris": [["v1", "process", NOW], ["v2", "old", 1]]}}}),
    (TALLIES_NOTE, {"recipes": {"process": {"of": 4_000_000_000, "stages": {"setup": {"0": 1, "12": 2.5}}}}}),
    (membership.GRACE_NOTE, {"due_at": NOW}),
    (GUARD_NOTE, {"scopes": {"pool good": {"since_at": NOW, "why": "3 of 4"}}, "due_at": NOW, "blind_until": 0.0}),
    (GUARD_NOTE, {"undecided": True}),
    (GUARD_NOTE, {"undecided": True, "blind_until": NOW}),
    (RECEIPTS_NOTE, {"receipts": [["notify", "event-1"], ["page", "event-2"]]}),
    (SINKS_NOTE, {"due_at": 0.0, "sinks": {"a1": {"name": "hook 'sh'", "newest": 7, "waiting_count": 2}}}),
    (
        SINKS_NOTE,
        {
            "due_at": 0.0,
            "sinks": {
                "a1": {
                    "name": "hook 'sh'",
                    "newest": 7,
                    "failing_since_at": NOW,
                    "failure_count": 3,
                    "last_error": "exit code 1",
                    "next_at": NOW + 120.0,
                    "dropped_count": 1,
                }
            },
        },
    ),
    (INVENTORY_NOTE, {"fault": "it cannot be reached", "fault_since_at": NOW}),
    (INVENTORY_NOTE, {"doubted": "0123456789abcdef", "doubted_count": 2}),
]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(("kind", "stored"), STORED)
def test_a_note_is_written_as_it_was_read(kind: NoteKind[Any], stored: dict[str, Any]) -> None:
    record = kind.read({kind.topic: stored, "other": {"at": NOW}})

    assert kind.write(record) == {kind.topic: stored}


@pytest.mark.parametrize("kind", KINDS)
def test_a_note_that_is_not_there_is_an_empty_one(kind: NoteKind[Any]) -> None:
    assert kind.read({}) == kind.read({kind.topic: {}})
    assert kind.write(None) == {kind.topic: None}


def test_a_record_with_nothing_in_it_takes_the_note_away() -> None:
    assert GUARD_NOTE.write(Guard()) == {"guard": None}


def _damage(stored: Any, draw: st.DataObject) -> Any:
    """Return `stored` with something else in one place, at any depth."""
    if draw.draw(st.booleans()) or not isinstance(stored, dict | list) or not stored:
        return draw.draw(PLAIN)
    keys: list[Any] = list(stored) if isinstance(stored, dict) else list(range(len(stored)))
    key = draw.draw(st.sampled_from(keys))
    damaged = stored.copy()
    damaged[key] = _damage(stored[key], draw)
    return damaged


@given(st.data())
def test_no_damage_to_a_note_is_an_error(draw: st.DataObject) -> None:
    kind, stored = draw.draw(st.sampled_from(STORED))
    key = draw.draw(st.sampled_from(sorted(stored)))
    state = make_state(make_member("n1", "good"), claims=[make_claim("n1")])
    state.apply(Changes(notes={kind.topic: {**stored, key: _damage(stored[key], draw)}}))
    again = kind.write(kind.read(state.notes))[kind.topic]

    assert again is None or kind.read({kind.topic: again}) == kind.read(state.notes)
    read_guard(state)
    adaptive_scale.adjust_scale(state, SETTINGS, NOW)
    fairness.compute_shares(state, SETTINGS, NOW)
    leftovers.file_leftovers(state, {"n1": [Leftover("v9", "process", NOW)]}, NOW)
    leftovers.claim_leftovers(state, ["n1"], NOW)
    LearnedTimeouts(state.notes, SETTINGS).plan_probe(make_member("n1"), SETTINGS.recipes["process"], NOW)
    report = make_report("n1")
    guard, _ = evaluate(state, SETTINGS, [report], NOW, is_cut_off=None)
    settle(state, [report], build_pools(SETTINGS), NOW, Random(1), guard)
    membership.reconcile(state, SETTINGS, NOW, Random(1))


def test_what_makes_sense_in_a_damaged_note_is_kept() -> None:
    damaged = {
        "scopes": {"monitor": {"since_at": "noon"}, "pool good": {"since_at": NOW}, "site x": 3},
        "blind_until": 5,
    }

    guard = GUARD_NOTE.read({"guard": damaged})

    assert list(guard.scopes) == ["pool good"]
    assert (guard.blind_until_at, guard.is_undecided) == (5, False)
    left = leftovers.LEFTOVERS_NOTE.read(
        {"remains": {"nodes": {"n1": {"at": 1, "debris": [["v", "r", 1], ["v", 2], "x"]}, "n2": {}, "n3": None}}}
    )
    assert left == {"n1": leftovers.RemovedNode(1, (Leftover("v", "r", 1),))}
