"""What is kept in order while a state is changed, set against a look at all of it."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import cast

import hypothesis.strategies as st
from hypothesis import given, settings

from plabctl.core.claim import choose_rows, list_unclaimed
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.liveness import Liveness
from plabctl.core.model import Event, Member
from plabctl.core.shortlist import shorten
from plabctl.core.state import Changes, State
from plabctl.store.codec import decode_event
from plabctl.store.documents import DocumentState
from plabctl.store.store import Store
from plabctl.store.tables import OUTBOX
from tests.builders import NOW, make_claim, make_member, make_node
from tests.manual_clock import ManualClock

POOLS = ("good", "bad")
WAIT_S = 4000.0
RECENT_S = 3000.0

instants = st.sampled_from([0.0, 60.0, 3600.0, 9000.0]) | st.floats(0.0, 9000.0)
members = st.builds(
    make_member,
    node=st.sampled_from([f"n{number}" for number in range(9)]),
    pool=st.sampled_from([*POOLS, "closed"]),
    due_at=st.builds(lambda s: NOW + s - 3000.0, instants),
    probed_at=st.none() | st.builds(lambda s: NOW + s - 8900.0, instants),
    interval_s=st.sampled_from([0.0, 300.0, 300.5, 301.0, 3600.0]) | st.floats(1.0, 3600.0),
    requested_at=st.none() | st.none() | st.builds(lambda s: NOW - s, instants),
    absent_since_at=st.none() | st.none() | st.just(NOW),
    liveness=st.none()
    | st.builds(
        Liveness,
        due_at=st.none() | st.builds(lambda s: NOW + s - 3000.0, instants),
        spacing_s=st.sampled_from([0.0, 200.0]),
        answered_at=st.none() | st.builds(lambda s: NOW - s, instants),
    ),
)
vnodes = st.builds(
    Vnode,
    experiment=st.just("exp"),
    node=st.sampled_from([f"n{number}" for number in range(4)]),
    state=st.sampled_from([VnodeState.PENDING, VnodeState.LEAVING]),
    since_at=st.just(NOW - 100.0),
    due_at=st.builds(lambda s: NOW + s - 3000.0, instants),
    interval_s=st.sampled_from([0.0, 60.0]),
)
names = st.sampled_from([f"n{number}" for number in range(9)] + [f"exp/n{number}" for number in range(4)])
steps = st.lists(
    st.tuples(
        st.lists(members, max_size=3, unique_by=lambda member: member.node),
        st.lists(vnodes, max_size=1),
        st.lists(names, max_size=3, unique=True),
        st.sampled_from([0.0, 1.0, 500.0, 2000.0, -700.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def make_changes(state: State, changed: list[Member], guests: list[Vnode], keys: list[str], after_s: float) -> Changes:
    """Return changes by which these members and vnodes are put; what is claimed under `keys` is not, and vice versa.

    Events are added, and others delivered, of which one comes back.
    """
    known = {*state.names(), *(member.node for member in changed), *(vnode.key for vnode in state.vnodes())}
    claims = [key for key in keys if key in known and key not in state.claims]
    released = [key for key in keys if key in state.claims]
    free = [key for key in keys if key in state.names() and not {key, f"exp/{key}"} & {*state.claims, *claims}]
    removed = [key for key in free if key.endswith("8") and key not in {member.node for member in changed}]
    return Changes(
        nodes=tuple(make_node(member.node) for member in changed),
        members=tuple(changed),
        removed=tuple(removed),
        experiments=(Experiment("exp", "process", "ada", NOW),),
        vnodes=tuple(guests),
        events=tuple(Event(f"e{state.rev}-{key}", NOW, "probe", key, "plabctl", {}) for key in keys)
        + tuple(event for event in state.outbox[:1] if after_s),
        delivered=frozenset(event.id for event in state.outbox[: 2 if after_s else 0]),
        claims=tuple(make_claim(key.rpartition("/")[2], experiment="exp" if "/" in key else "") for key in claims),
        released=tuple(released),
    )


def decode_outbox(state: State) -> Iterator[Event]:
    for id_, doc in cast("DocumentState", state)._tables[OUTBOX].items():
        yield decode_event(id_, doc)


def find_recent(state: State, since_at: float) -> set[str]:
    found = set()
    for member in state.members():
        answered_at = member.liveness.answered_at if member.liveness else None
        if any(at is not None and at >= since_at for at in (member.probed_at, answered_at)):
            found.add(member.node)
    return found


def check(state: State, now: float, count: int = 3) -> None:
    rows = list_unclaimed(state, now, latest_at=now + WAIT_S, pools=POOLS)
    wanted = shorten(rows, count, now)

    found = state.shortlist(now, count, latest_at=now + WAIT_S, pools=POOLS)

    assert found.total == wanted.total
    assert sorted(found.rows, key=str) == sorted(wanted.rows, key=str)
    chosen = choose_rows(rows, state.claims.values(), count, now)
    assert choose_rows(found.rows, state.claims.values(), count, now).rows == chosen.rows
    assert state.counts() == Counter(member.pool for member in state.members())
    assert list(state.outbox) == list(decode_outbox(state))
    found_lately = state.recent(now - RECENT_S)
    assert {node.name for node, _ in found_lately} == find_recent(state, now - RECENT_S)
    assert all((node, member) == (state.node(node.name), state.member(node.name)) for node, member in found_lately)


@settings(max_examples=60)
@given(steps)
def test_after_any_changes_it_is_as_if_everything_were_looked_at(
    steps: list[tuple[list[Member], list[Vnode], list[str], float, bool]],
) -> None:
    """Two processes change the state in turn; what is staged counts as well, and so does what the other did."""
    clock, now = ManualClock(NOW), NOW
    with tempfile.TemporaryDirectory() as folder:
        ours, other = Store(folder, clock), Store(folder, clock)
        for changed, guests, keys, after_s, is_ours in steps:
            now += after_s
            with (ours if is_ours else other).session() as state:
                check(state, now)
                state.apply(make_changes(state, changed, guests, keys, after_s))
                check(state, now)
            snapshot = ours.snapshot()
            check(snapshot, now)
            with other.session() as state:
                check(state, now + 1.0)
            check(snapshot, now)
