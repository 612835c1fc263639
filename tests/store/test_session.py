"""What a session says while it changes the state, and what it refuses to take."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.model import Event
from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store import storage
from plabctl.store.head import peek_head
from plabctl.store.session import Session
from plabctl.store.store import Store
from tests.builders import NOW, make_claim, make_mark, make_member, make_node
from tests.manual_clock import ManualClock
from tests.store.failing_calls import at_call, descriptors, fail


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state", ManualClock(NOW))


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with store.session() as session:
        session.apply(Changes(nodes=(make_node(),), members=(make_member(),)))
        yield session


def test_what_was_read_before_a_change_is_read_anew_after_it(session: Session) -> None:
    claim, event = make_claim(), Event("e", NOW, "probe", "n1", "plabctl")
    experiment = Experiment("exp", "process", "ada", NOW)
    assert (dict(session.claims), list(session.outbox), dict(session.experiments)) == ({}, [], {})
    assert session.saved_at == 0, "never"

    session.apply(Changes(claims=(claim,), events=(event,), experiments=(experiment,)))

    assert dict(session.claims) == {"n1": claim}
    assert list(session.outbox) == [event]
    assert dict(session.experiments) == {"exp": experiment}


def test_a_value_that_cannot_be_stored_is_told_and_nothing_of_its_session_is_committed(store: Store) -> None:
    def store_it() -> None:
        with store.session() as session:
            session.apply(Changes(tick=make_mark("t1")))
            session.apply(Changes(notes={"a": {"n": object()}}))

    with pytest.raises(StoreError, match="cannot be stored"):
        store_it()

    assert store.head() is None


def test_what_ends_is_gone_also_when_nothing_else_is_changed(session: Session) -> None:
    vnode = Vnode("exp", "n1", VnodeState.PENDING, NOW, NOW)
    session.apply(Changes(experiments=(Experiment("exp", "process", "ada", NOW),), claims=(make_claim(),)))
    session.apply(Changes(vnodes=(vnode,)))
    assert list(session.vnodes()) == [vnode]

    session.apply(Changes(gone=(vnode.key,)))
    assert list(session.vnodes()) == []
    session.apply(Changes(forgotten=("exp",)))
    assert dict(session.experiments) == {}
    session.apply(Changes(released=("n1",), notes={"a": {"n": 1}, "b": {}}))
    assert dict(session.claims) == {}
    session.apply(Changes(notes={"a": None, "unknown": None}))
    assert dict(session.notes) == {"b": {}}


@pytest.fixture
def journaled(store: Store) -> Store:
    for tick in ("first", "second", "third"):
        with store.session() as session:
            session.apply(Changes(tick=make_mark(tick)))
    return store


def test_the_journal_is_folded_when_a_session_is_told_to(journaled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{journaled._dir}/state.json"
    before = peek_head(path)
    monkeypatch.setattr(storage, "_LEAST_BYTES", 0)

    with journaled.session() as session:
        session.fold(0.0)

    after = peek_head(path)
    assert before
    assert after
    assert (before.head.rev, after.head.rev) == (2, 3)


def test_what_another_process_wrote_is_durable_when_a_session_without_a_change_ends(journaled: Store) -> None:
    before = descriptors()
    with at_call(0, fail(0), ("fsync", "fdatasync")) as seen, Store(journaled._dir, ManualClock(NOW)).session():
        pass

    assert seen == ["fdatasync"], "it may have died before it was"
    assert descriptors() == before
