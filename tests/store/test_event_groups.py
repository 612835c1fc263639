"""Very many events that are alike: how they are filed, what comes back, what is left when some were told."""

import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from plabctl.core.model import Event
from plabctl.core.state import Changes
from plabctl.errors import StateDamaged
from plabctl.store import event_groups
from plabctl.store.event_groups import decode_events, drop_events, encode_events
from plabctl.store.shapes import Doc
from plabctl.store.store import Store
from tests.builders import NOW
from tests.manual_clock import ManualClock

ALIKE = {"source": "operator", "pool": "bad"}


def make_event(node: str, token: str = "aa", kind: str = "node-added", **data: object) -> Event:
    return Event(f"{token}-{node}", NOW, kind, node, "ada", {**ALIKE, **data})


def make_many(count: int = event_groups.LEAST, token: str = "aa") -> list[Event]:
    return [make_event(f"pc-{number}", token) for number in range(count)]


def decode_all(docs: dict[str, Doc]) -> list[Event]:
    read: dict[str, Doc] = json.loads(json.dumps(docs))
    return [event for id_, doc in read.items() for event in decode_events(id_, doc)]


def test_many_that_are_alike_are_one_document_and_come_back() -> None:
    events = make_many()
    docs = encode_events(events)

    assert list(docs) == ["aa"]
    assert decode_all(docs) == events
    assert len(json.dumps(docs)) < 20 * len(events)


def test_few_are_filed_one_by_one_as_ever() -> None:
    events = make_many(event_groups.LEAST - 1)

    assert list(encode_events(events)) == [event.id for event in events]
    assert all("nodes" not in doc for doc in encode_events(events).values())


def test_what_only_some_have_stands_with_them() -> None:
    odd = make_event("odd", variables={"site": "oslo"}, reason="new rack")
    other = make_event("other", pool="lab")
    events = [odd, *make_many(), other]
    docs = encode_events(events)

    assert list(docs) == ["aa"]
    assert docs["aa"]["data"] == {"source": "operator"}
    assert {event.node: event for event in decode_all(docs)} == {event.node: event for event in events}


def test_of_two_imports_each_is_a_group_and_a_few_more_events_are_not() -> None:
    more = [
        Event("aa-late", NOW, "late", "pc-1", "plabctl", {}),
        make_event("pc-1", "cc"),
        make_event("x", kind="hold"),
    ]
    events = [*make_many(token="aa"), *make_many(token="bb"), *more]
    docs = encode_events(events)

    assert list(docs) == ["aa", "bb", "aa-late", "cc-pc-1", "aa-x"]
    assert decode_all(docs) == events


def test_two_kinds_of_one_order_are_not_filed_in_place_of_each_other() -> None:
    added = make_many()
    changed = [make_event(f"n{number}", kind="node-changed") for number in range(event_groups.LEAST)]

    assert decode_all(encode_events([*added, *changed])) == [*added, *changed]


def test_events_whose_ids_do_not_end_in_their_node_are_filed_one_by_one() -> None:
    events = [Event(f"aa-late-{number}", NOW, "late", f"{number}", "ada") for number in range(event_groups.LEAST)]
    docs = encode_events(events)

    assert len(docs) == len(events)
    assert decode_all(docs) == events


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON cannot hold"):
        encode_events([*make_many(), make_event("odd", load=float("nan"))])


@pytest.mark.parametrize("nodes", [7, "pc1", {"pc1": 7}, {"pc1": "x"}])
def test_a_group_that_plabctl_did_not_write_is_refused(nodes: object) -> None:
    doc = {**encode_events(make_many())["aa"], "nodes": nodes}
    with pytest.raises((TypeError, ValueError)):
        decode_events("aa", doc)


@settings(max_examples=30)
@given(st.sets(st.sampled_from(range(6))), st.booleans())
def test_what_was_told_is_gone_and_nothing_else(told: set[int], has_more: bool) -> None:
    (id_, doc), *_ = encode_events(make_many()).items()
    docs = {id_: {**doc, "nodes": {f"pc-{number}": None for number in range(6)}}, "one": doc, "two": doc}
    ids = {*(f"aa-pc-{number}" for number in told), *(["one", "unknown"] if has_more else [])}

    gone, left = drop_events(docs, ids)

    assert set(gone) == {*([id_] if told else []), *(["one"] if has_more else [])}
    assert list(left) == ([id_] if 0 < len(told) < 6 else [])
    assert all(set(each["nodes"]) == {f"pc-{number}" for number in set(range(6)) - told} for each in left.values())
    assert len(docs[id_]["nodes"]) == 6


def test_a_session_and_a_snapshot_read_the_events_of_a_group_until_they_are_delivered(tmp_path: Path) -> None:
    store = Store(tmp_path, ManualClock())
    events = make_many()
    first, rest = events[:10], events[10:]
    with store.session() as state:
        state.apply(Changes(events=tuple(events)))
        assert list(state.outbox) == events
    with store.session() as state:
        state.apply(Changes(delivered=frozenset(event.id for event in first), events=(make_event("late", "zz"),)))
        assert list(state.outbox) == [*rest, make_event("late", "zz")]

    for reader in (store, Store(tmp_path, ManualClock())):
        assert list(reader.snapshot().outbox) == [*rest, make_event("late", "zz")]
    with store.session() as state:
        state.apply(Changes(delivered=frozenset(event.id for event in rest)))
    assert [event.node for event in Store(tmp_path, ManualClock()).snapshot(anew=True).outbox] == ["late"]


def test_a_damaged_group_is_told_as_damage(tmp_path: Path) -> None:
    store = Store(tmp_path, ManualClock())
    with store.session() as state:
        state.apply(Changes(events=tuple(make_many())))
    found = store.snapshot()
    found._tables["outbox"]["aa"]["nodes"] = 7

    with pytest.raises(StateDamaged, match="'aa' in 'outbox'"):
        _ = found.outbox
