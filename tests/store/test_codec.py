"""What is written comes back equal, and what could not come back is not written."""

import json
import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.core import model
from plabctl.core.due_rows import build_due_row
from plabctl.core.liveness_record import Liveness, LostWay
from plabctl.core.model import Claim, Event, Leftover, Member, Node, TickMark
from plabctl.core.suspicion import Flap, Suspicion
from plabctl.core.uptime import UptimeStats
from plabctl.store import codec
from plabctl.values import fields
from tests.builders import NOW, make_claim, make_mark, make_member, make_node
from tests.memory_state import build_check_row

# Values are given their real constructors, which hypothesis reads, at their first use.
_ = (make_member(), make_claim(), make_mark(), make_node(), Event("", 0.0, "", None, ""), Liveness())
vars(model).update(Liveness=Liveness, LostWay=LostWay)  # which only type checkers see there

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
SCALAR = TEXT | NUMBER | st.booleans() | st.none()
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))

st.register_type_strategy(float, NUMBER)
st.register_type_strategy(str, TEXT)
st.register_type_strategy(int, st.integers(-(2**63) + 1, 2**63 - 1))
NODES = st.builds(Node, TEXT, st.dictionaries(TEXT, TEXT, max_size=3), TEXT, NUMBER)
ANY_FIELDS: dict[str, Any] = {field.name: ... for field in fields(Member) if field.name != "node"}
"""Without these only what a member must have would be drawn."""
EVENTS = st.builds(Event, data=st.dictionaries(TEXT, JSON, max_size=3))


def through_the_file(doc: Any) -> Any:
    """What both readers make of the file; they must agree."""
    data = orjson.dumps(doc)
    assert json.loads(data) == orjson.loads(data)
    return orjson.loads(data)


@given(member=st.builds(Member, node=st.just("n"), **ANY_FIELDS))
def test_a_member_comes_back_equal(member: Member) -> None:
    doc = through_the_file({"member": codec.encode_member(member)})

    assert codec.decode_member("n", doc) == member
    assert codec.decode_due("n", doc["member"]) == build_due_row(member)
    if row := build_check_row(member):
        assert codec.decode_check("n", doc["member"]) == row


def test_the_keys_of_the_file_do_not_change_with_the_names_of_fields() -> None:
    uptime = UptimeStats(NOW, 1.0, 2.0, 3.0, 4.0)
    suspicion = Suspicion("good", NOW, 3, NOW)
    member = make_member(
        leftovers=(Leftover("v", "process", NOW),),
        uptime=uptime,
        slowest_s={"setup": 9.0},
        flaps=(Flap(suspicion, NOW, 0.5, NOW, uptime, 0.9),),
        refused_since_at=NOW,
    )

    doc = codec.encode_member(member)

    assert list(doc)[-5:] == ["debris", "spells", "slow", "flops", "turned_away_at"]
    assert list(doc["flops"][0]) == ["before", "at", "penalty", "penalty_at", "spells", "good_ratio"]
    assert codec.decode_member("n1", {"member": doc}) == member


@given(node=NODES)
def test_a_node_comes_back_equal(node: Node) -> None:
    assert codec.decode_node(node.name, through_the_file(codec.encode_node(node, {}))) == node


@given(claim=st.builds(Claim, node=st.just("n")))
def test_a_claim_comes_back_equal(claim: Claim) -> None:
    assert codec.decode_claim("n", through_the_file(codec.encode_claim(claim))) == claim


@given(event=EVENTS)
def test_an_event_comes_back_equal(event: Event) -> None:
    assert codec.decode_event(event.id, through_the_file(codec.encode_event(event))) == event


@given(mark=st.builds(TickMark))
def test_the_newest_tick_comes_back_equal(mark: TickMark) -> None:
    assert codec.decode_tick("tick", through_the_file(codec.encode_tick(mark))) == mark


@given(note=st.dictionaries(TEXT, JSON))
def test_a_note_comes_back_equal(note: dict[str, object]) -> None:
    assert through_the_file(codec.encode_note(note)) == note


@given(event=EVENTS)
def test_staging_and_reading_back_look_the_same(event: Event) -> None:
    doc = codec.encode_event(event)

    assert through_the_file(doc) == doc
    assert codec.decode_event(event.id, doc) == event


def test_what_is_at_its_default_takes_no_space() -> None:
    assert codec.encode_member(make_member()) == {"pool": "good", "since_at": NOW - 86400.0, "due_at": NOW}
    assert codec.encode_node(make_node(), {}) == {"member": {}}


WRONG = [math.nan, math.inf, -math.inf, 2**63, "\ud800", b"bytes", {1, 2}, object(), {1: 2}]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "write",
    [
        lambda value: codec.encode_event(Event("e", NOW, "probe", "n", "a", {"x": [{"deep": value}]})),
        lambda value: codec.encode_note({"x": value}),
        lambda value: codec.encode_member(make_member(due_at=value)),
        lambda value: codec.encode_member(make_member(penalty=value)),
        lambda value: codec.encode_claim(make_claim(slot=value)),
        lambda value: codec.encode_node(Node("n", {"label": value}), {}),
        lambda value: codec.encode_node(Node("n", {}, "operator", value), {}),
        lambda value: codec.encode_tick(make_mark("t", value)),
    ],
    ids=["event", "note", "due_at", "penalty", "slot", "variable", "added_at", "tick"],
)
def test_what_json_cannot_hold_is_refused(write: Callable[[object], object], value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        write(value)


def test_the_largest_whole_numbers_come_back() -> None:
    largest = {"most": 2**63 - 1, "least": -(2**63) + 1}

    assert through_the_file(codec.encode_note(largest)) == largest


@pytest.mark.parametrize(
    "wrong", [{"pool": 3}, {"due_at": "soon"}, {"ok_streak": 1.5}, {"ok_streak": True}, {"since_at": None}], ids=str
)
def test_what_could_not_be_read_back_is_not_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="holds"):
        codec.encode_member(make_member(**wrong))


MEMBER: dict[str, object] = {"pool": "good", "since_at": 1.0, "due_at": 2.0}
LAST: dict[str, object] = {"outcome": "pass", "cause": None, "reason": "", "at": 1, "seconds": 1}


@pytest.mark.parametrize(
    "member",
    [
        {},
        {"pool": "good", "since_at": 1.0},
        MEMBER | {"colour": "red"},
        MEMBER | {"node": "n2"},
        MEMBER | {"pool": None},
        MEMBER | {"pool": 3},
        MEMBER | {"due_at": "soon"},
        MEMBER | {"due_at": None},
        MEMBER | {"due_at": True},
        MEMBER | {"ok_streak": 1.5},
        MEMBER | {"ok_streak": True},
        MEMBER | {"leftovers": []},
        MEMBER | {"refused_since_at": 1.0},
        MEMBER | {"debris": {}},
        MEMBER | {"debris": [7]},
        MEMBER | {"debris": [{"vnode": "v"}]},
        MEMBER | {"hold": []},
        MEMBER | {"hold": {"actor": "ada"}},
        MEMBER | {"last": LAST | {"outcome": "maybe"}},
        MEMBER | {"last": LAST | {"outcome": None}},
        MEMBER | {"last": LAST | {"cause": "gremlins"}},
        MEMBER | {"last": LAST | {"cause": 5}},
        MEMBER | {"last": LAST | {"mood": 5}},
    ],
    ids=str,
)
def test_a_member_of_another_shape_is_refused(member: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.decode_member("n", {"member": member})


@pytest.mark.parametrize(
    "node",
    [{"vars": []}, {"vars": {"a": 1}}, {"vars": None}, {"source": 1}, {"added_at": "x"}, {"added_at": True}, {"x": 1}],
    ids=str,
)
def test_a_node_of_another_shape_is_refused(node: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.decode_node("n", {"member": {}, **node})


def test_the_sound_shapes_of_these_tests_are_sound() -> None:
    assert codec.decode_member("n", {"member": MEMBER | {"last": LAST}}).last is not None
    assert codec.decode_node("n", {"member": {}, "vars": {"a": "b"}, "source": "x", "added_at": 1}).added_at == 1


def test_the_rev_of_a_node_is_a_whole_number_and_0_where_none_was_kept() -> None:
    assert (codec.decode_rev("n", {"rev": 7}), codec.decode_rev("n", {})) == (7, 0)


@pytest.mark.parametrize("rev", ["7", 1.5, True, None], ids=str)
def test_a_rev_of_another_shape_is_refused(rev: object) -> None:
    with pytest.raises(ValueError, match="is no rev"):
        codec.decode_rev("n", {"rev": rev})
