"""The instant that is kept at hand, set against a look at every document."""

from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from plabctl.store.tables import NODES, NOTES, VNODES, compute_wake_at, empty_tables
from plabctl.store.wake_heap import WakeHeap

instants = st.integers(0, 5)
docs: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    NODES: st.builds(
        lambda due_at, more: {"member": {"due_at": due_at, **more}},
        instants,
        st.just({}) | st.just({"absent_since_at": 1}) | st.builds(lambda at: {"liveness": {"due_at": at}}, instants),
    ),
    VNODES: st.builds(lambda due_at: {"due_at": due_at}, instants),
    NOTES: st.builds(lambda due_at: {"due_at": due_at}, instants) | st.just({}),
}
changes = st.one_of(
    [st.tuples(st.just(table), st.sampled_from(["a", "b", "c"]), st.none() | found) for table, found in docs.items()]
)


@settings(max_examples=60)
@given(st.lists(st.lists(changes, max_size=5), min_size=3, max_size=6))
def test_after_any_changes_it_is_what_a_look_at_every_document_finds(
    steps: list[list[tuple[str, str, dict[str, Any] | None]]],
) -> None:
    tables = empty_tables()
    kept = WakeHeap(tables)
    for step in steps:
        for table, id_, doc in step:
            if doc is None:
                tables[table].pop(id_, None)
            else:
                tables[table][id_] = doc
            kept.note(table, [id_])

        assert kept.find_first() == compute_wake_at(tables)
