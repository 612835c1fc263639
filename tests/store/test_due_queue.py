"""Who comes first of a crowd that waits, set against a look at all of it."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from plabctl.core.claim import list_unclaimed
from plabctl.core.due_rows import Due
from plabctl.core.model import Member
from plabctl.core.shortlist import shorten
from plabctl.store import codec, due_index
from plabctl.store.documents import DocumentState
from plabctl.store.due_index import DueIndex
from plabctl.store.due_queue import DueQueue, IntervalClass, build_entry
from plabctl.store.tables import NODES, empty_tables
from tests.builders import NOW, make_member, make_node

instants = st.sampled_from([0.0, 10.0, 20.0, 3000.0])
waiting = st.builds(
    make_member,
    node=st.sampled_from([f"n{number}" for number in range(14)]),
    due_at=st.builds(lambda s: NOW - s, instants),
    probed_at=st.none() | st.builds(lambda s: NOW + 15.0 - s, instants),
    interval_s=st.sampled_from([0.0, 0.5, 60.0, 61.0, 62.0, 3600.0]),
    requested_at=st.none() | st.none() | st.builds(lambda s: NOW - s, instants),
)
crowds = st.lists(waiting, min_size=4, max_size=14, unique_by=lambda member: member.node)


@settings(max_examples=40)
@given(st.lists(st.tuples(crowds, st.sampled_from([0.0, 5.0, 4000.0])), min_size=1, max_size=3), st.integers(1, 4))
def test_those_come_first_that_are_most_urgent(steps: list[tuple[list[Member], float]], count: int) -> None:
    tables, now = empty_tables(), NOW
    kept = DueIndex(tables)
    for crowd, after_s in steps:
        now += after_s
        for member in crowd:
            doc = codec.encode_node(make_node(member.node), codec.encode_member(member))
            tables[NODES][member.node] = doc
        kept.note(NODES, [member.node for member in crowd])

        found = kept.shortlist(now, count, latest_at=now + 1.0, pools=("good",))
        rows = list_unclaimed(DocumentState(1, tables), now, latest_at=now + 1.0, pools=("good",))
        wanted = shorten(rows, count, now)
        assert found.total == wanted.total
        assert sorted(found.rows, key=str) == sorted(wanted.rows, key=str)


def make_class(*intervals: float) -> IntervalClass:
    queue = DueQueue()
    for number, interval_s in enumerate(intervals):
        row = Due(f"n{number}", "good", NOW, None, NOW, interval_s)
        queue.add(build_entry(row), row, 16.0)
    (found,) = queue.list_classes()
    return found


@pytest.mark.parametrize(("shortest_s", "longest_s"), [(58.2, 61.8), (0.49, 0.5)])
@pytest.mark.parametrize("waited_s", [600.0, 0.5])
def test_nothing_of_a_class_comes_before_its_bound(shortest_s: float, longest_s: float, waited_s: float) -> None:
    for found in (make_class(shortest_s, longest_s), make_class(longest_s, shortest_s)):
        top = found.heap[0]

        assert found.bound(top, NOW + waited_s) == (-waited_s / shortest_s,)
        assert found.bound(top, NOW - waited_s) == (waited_s / longest_s,), "a clock was set back"


def test_intervals_that_differ_more_are_in_other_classes() -> None:
    with pytest.raises(ValueError, match="too many values"):
        make_class(60.0, 3600.0)


def test_what_is_stale_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_index, "_SLACK", 10)
    tables = empty_tables()
    kept = DueIndex(tables)
    counts = []
    for seconds in range(60):
        for name in ("asked", "waits", "sleeps"):
            member = make_member(
                name,
                due_at=NOW + (90.0 - seconds) * (name == "sleeps"),
                probed_at=NOW - seconds,
                interval_s=3600.0,
                requested_at=NOW - seconds if name == "asked" else None,
            )
            tables[NODES][name] = codec.encode_node(make_node(name), codec.encode_member(member))
        kept.note(NODES, tables[NODES])
        kept.shortlist(NOW, 1, latest_at=NOW + 100.0, pools=("good",))
        queue = kept._queues["good", False]
        counts.append(len(kept._sleeping) + sum(len(each.heap) for each in (queue.requested, *queue.list_classes())))

    assert 12 < max(counts) <= 2 * 3 + 10 + 3
