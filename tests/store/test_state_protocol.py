"""What decisions may rely on, whichever `State` they read: one suite for memory, session and snapshot."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.due_rows import PLACEMENT, build_due_row, build_vnode_due_row
from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.liveness import Liveness, call_check
from plabctl.core.model import Cause, Event, Goal, Hold, Leftover, Node, Outcome, TickMark, Verdict
from plabctl.core.state import Changes, State
from plabctl.core.suspicion import Suspicion
from plabctl.core.usable import is_usable
from plabctl.store.store import Store
from plabctl.views.node import NODE_FACTS
from tests.builders import NOW, make_claim, make_mark, make_member, make_node
from tests.manual_clock import ManualClock
from tests.memory_state import MemoryState

Play = Callable[..., State]
"""Applies changes one after the other and returns the state as it is then."""


def in_memory(_: Path, __: ExitStack, *steps: Changes) -> State:
    state = MemoryState()
    for changes in steps:
        state.apply(changes)
    return state


def in_one_session(state_dir: Path, stack: ExitStack, *steps: Changes) -> State:
    """Reads before anything is committed: what is staged must look like what is stored."""
    session = stack.enter_context(Store(state_dir, ManualClock(), lock_timeout_s=0.0).session())
    for changes in steps:
        session.apply(changes)
    return session


def in_a_snapshot(state_dir: Path, _: ExitStack, *steps: Changes) -> State:
    store = Store(state_dir, ManualClock())
    for changes in steps:
        with store.session() as session:
            session.apply(changes)
    return store.snapshot()


@pytest.fixture(params=[in_memory, in_one_session, in_a_snapshot], ids=lambda way: way.__name__)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Play]:
    numbers = count()
    with suppress(AssertionError), ExitStack() as stack:  # a session whose changes failed says so again at its end
        yield lambda *steps: request.param(tmp_path / f"state-{next(numbers)}", stack, *steps)


def event(id_: str = "e1", **data: object) -> Event:
    return Event(id_, NOW, "probe", "n1", "plabctl", data)


def one_node(name: str = "n1", **fields: Any) -> Changes:
    return Changes(nodes=(make_node(name),), members=(make_member(name, **fields),))


def test_a_state_nobody_wrote_to_is_empty(play: Play) -> None:
    state = play()

    assert [*state.names(), *state.nodes(), *state.members(), *state.outbox] == []
    assert (state.tick, dict(state.claims), dict(state.notes), state.due(NOW)) == (None, {}, {}, [])
    assert (state.node("n1"), state.member("n1")) == (None, None)


def test_checks_that_are_due_are_listed_apart_from_tests(play: Play) -> None:
    known = Liveness(NOW, 200.0, NOW - 200.0, 1)
    members: dict[str, dict[str, Any]] = {
        "due": {"liveness": known},
        "called": {"liveness": call_check(make_member(liveness=known), NOW).liveness},
        "later": {"liveness": replace(known, due_at=NOW + 1)},
        "far": {"liveness": replace(known, due_at=NOW + 9000)},
        "absent": {"liveness": known, "absent_since_at": NOW},
        "unplanned": {"liveness": Liveness(answered_at=NOW)},
        "without": {},
    }

    state = play(*(one_node(name, due_at=NOW + 100, **fields) for name, fields in members.items()))

    assert state.due(NOW) == []
    assert {row.node: row.interval_s for row in state.due_checks(NOW)} == {"due": 200.0, "called": 0.0}
    assert {row.node for row in state.due_checks(NOW, latest_at=NOW + 3600)} == {"due", "called", "far"}
    assert [member.liveness for name in members if (member := state.member(name))] == [
        fields.get("liveness") for fields in members.values()
    ]


def test_a_node_comes_back_as_it_was_added(play: Play) -> None:
    node = Node("n1", {"site": "oslo", "ssh_port": "2222"}, "file:nodes.txt", NOW - 5.5)
    member = make_member("n1", "bad")

    state = play(Changes(nodes=(node,), members=(member,)))

    assert (state.node("n1"), state.member("n1")) == (node, member)
    assert (list(state.nodes()), list(state.members()), list(state.names())) == ([node], [member], ["n1"])


def test_a_member_comes_back_with_all_its_record(play: Play) -> None:
    member = make_member(
        "n1",
        ok_streak=3,
        probed_at=NOW - 1.5,
        interval_s=300.25,
        requested_at=NOW,
        penalty=1.75,
        penalty_at=NOW - 7,
        suspicion=Suspicion("good", NOW - 9, 7, NOW - 3),
        hold=Hold("ada", "disk ☠ swap", NOW - 2),
        last=Verdict(Outcome.FAIL, Cause.DNS, "no such name", NOW, 0.5),
        leftovers=(Leftover("v1", "process", NOW - 4), Leftover("v2", "netns", NOW - 5)),
    )

    assert play(Changes(nodes=(make_node(),), members=(member,))).member("n1") == member


def test_a_changed_member_leaves_its_node_and_the_others_alone(play: Play) -> None:
    moved = make_member("n2", "bad", fail_streak=1)

    state = play(one_node("n1"), one_node("n2"), Changes(members=(moved,)))

    assert (state.member("n1"), state.member("n2")) == (make_member("n1"), moved)
    assert (state.node("n2"), sorted(state.names())) == (make_node("n2"), ["n1", "n2"])


def test_a_changed_node_leaves_its_member_alone(play: Play) -> None:
    state = play(one_node("n1"), Changes(nodes=(make_node("n1", site="rome"),)))

    assert (state.node("n1"), state.member("n1")) == (make_node("n1", site="rome"), make_member("n1"))


def test_a_node_has_the_rev_of_its_last_change(play: Play) -> None:
    steps = [one_node("n1"), one_node("n2"), Changes(members=(make_member("n1", ok_streak=1),))]

    state = play(*steps, Changes(tick=make_mark()), Changes(nodes=(make_node("n1"),)))

    found = [state.find_rev(name) for name in ("n1", "n2", "n3")]
    assert found == ([5, 2, 0] if state.rev else [1, 1, 0]), "what is staged together has the rev that it will have"


def test_a_removed_node_is_gone_with_its_member(play: Play) -> None:
    state = play(one_node("n1"), one_node("n2"), Changes(removed=("n1",)))

    assert (state.node("n1"), state.member("n1"), list(state.names())) == (None, None, ["n2"])


def test_due_are_those_whose_time_has_come(play: Play) -> None:
    late = make_member("n1", due_at=NOW - 1, probed_at=NOW - 400, interval_s=399.0)
    now = make_member("n2", due_at=NOW, requested_at=NOW - 3)
    later = make_member("n3", due_at=NOW + 0.001)
    nodes = tuple(make_node(name) for name in ("n1", "n2", "n3"))

    state = play(Changes(nodes=nodes, members=(late, now, later), claims=(make_claim("n1"),)))

    assert sorted(state.due(NOW)) == [build_due_row(late), build_due_row(now)]


def test_a_time_after_the_latest_that_can_be_meant_is_due_too(play: Play) -> None:
    soon, far = make_member("n1", due_at=NOW + 60), make_member("n2", due_at=NOW + 9e6)

    state = play(Changes(nodes=(make_node("n1"), make_node("n2")), members=(soon, far)))

    assert state.due(NOW, latest_at=NOW + 60) == [build_due_row(far)]


def test_a_claim_lasts_until_it_is_released(play: Play) -> None:
    first, second = make_claim("n1", slot=1), make_claim("n2", slot=2, superseded=True)
    before = (one_node("n1"), one_node("n2"), Changes(claims=(first, second)))

    assert play(*before, Changes(released=("n1",))).claims == {"n2": second}


def test_a_claim_may_be_released_and_made_anew_in_one_step(play: Play) -> None:
    again = make_claim("n1", token="other")

    state = play(one_node("n1"), Changes(claims=(make_claim("n1"),)), Changes(released=("n1",), claims=(again,)))

    assert state.claims == {"n1": again}


def test_the_outbox_keeps_the_order_and_loses_what_was_told(play: Play) -> None:
    events = tuple(event(id_, n=number) for number, id_ in enumerate(("zeta", "alpha", "mid", "beta")))

    state = play(Changes(events=events[:3]), Changes(delivered=frozenset({"alpha"}), events=events[3:]))

    assert list(state.outbox) == [events[0], events[2], events[3]]


def test_an_event_that_waits_already_is_not_put_in_again(play: Play) -> None:
    state = play(Changes(events=(event("e1", first=True),)), Changes(events=(event("e1", first=False),)))

    assert list(state.outbox) == [event("e1", first=True)]


def test_telling_an_event_that_is_gone_changes_nothing(play: Play) -> None:
    state = play(Changes(events=(event("e1"),)), Changes(delivered=frozenset({"e0"})))

    assert list(state.outbox) == [event("e1")]


def test_the_newest_tick_stands_until_the_next(play: Play) -> None:
    state = play(Changes(tick=make_mark("t1")), Changes(tick=make_mark("t2", NOW + 60)), one_node())

    assert state.tick == TickMark("t2", NOW + 60)


def test_notes_are_replaced_and_taken_away_by_topic(play: Play) -> None:
    state = play(
        Changes(notes={"a": {"n": 1, "deep": {"x": [1, None, "é"]}}, "b": {"n": 1}}),
        Changes(notes={"a": {"n": 2}, "b": None, "never": None}),
        Changes(notes={"c": {}}),
    )

    assert state.notes == {"a": {"n": 2}, "c": {}}


def test_a_note_read_before_a_change_stays_as_it_was_read() -> None:
    state = MemoryState(Changes(notes={"a": {"n": 1}}))
    before = state.notes["a"]
    state.apply(Changes(notes={"a": {"n": 2}}))

    assert before == {"n": 1}


def an_experiment(**fields: Any) -> Changes:
    experiment = Experiment("exp", "process", "ada", NOW, nodes=("n1",))
    vnode = replace(Vnode("exp", "n1", VnodeState.PENDING, NOW - 9, NOW), **fields)
    return Changes(experiments=(experiment,), vnodes=(vnode,))


def test_an_experiment_comes_back_with_all_it_wants(play: Play) -> None:
    experiment = Experiment(
        "exp", "process", "ada", NOW, ("n1", "n2"), 3, "site", True, True, {"os": "é"}, ("tell", "me"), NOW + 1, NOW + 2
    )  # fmt: skip

    state = play(Changes(experiments=(experiment,)))

    assert dict(state.experiments) == {"exp": experiment}


def test_a_vnode_comes_back_with_all_its_record(play: Play) -> None:
    vnode = Vnode(
        "exp", "n1", VnodeState.FAILED, NOW, NOW + 5.25, "plabctl-1", True, 3, 0, 2, NOW - 1, 60.5,
        Verdict(Outcome.FAIL, Cause.CHECK, "gone", NOW, 0.5), NOW - 99, NOW - 7, {"ssh_host": "h"},
    )  # fmt: skip

    state = play(an_experiment(), Changes(vnodes=(vnode,)))

    assert (state.vnode("exp/n1"), list(state.vnodes())) == (vnode, [vnode])
    assert state.vnode("exp/n2") is None


def test_vnodes_are_due_beside_members(play: Play) -> None:
    state = play(one_node("n1"), an_experiment(interval_s=3.0))
    vnode = state.vnode("exp/n1")
    assert vnode is not None

    assert sorted(row.key for row in state.due(NOW)) == ["exp/n1", "n1"]
    assert build_vnode_due_row(vnode) in state.due(NOW)
    assert [row.key for row in state.due(NOW - 1)] == []
    assert [row.key for row in state.due(NOW - 1, latest_at=NOW)] == [], "the latest itself is still to come"


def test_a_node_and_its_vnode_are_claimed_apart(play: Play) -> None:
    own = make_claim("n1", experiment="exp", goal=Goal.SETUP, token="t2")
    before = (one_node("n1"), an_experiment(), Changes(claims=(make_claim("n1"), own)))

    assert dict(play(*before).claims) == {"n1": make_claim("n1"), "exp/n1": own}
    assert dict(play(*before, Changes(released=("n1",))).claims) == {"exp/n1": own}


def test_an_experiment_goes_with_its_vnodes(play: Play) -> None:
    state = play(an_experiment(), Changes(forgotten=("exp",), gone=("exp/n1",)))

    assert (dict(state.experiments), list(state.vnodes()), state.due(NOW)) == ({}, [], [])


PLACES = ("free", "held", "held-for", "believed", "failed", "was-held", "doubted", "absent")


def test_where_nodes_stand_is_told(play: Play) -> None:
    nodes = tuple(make_node(name, site="a") for name in PLACES)
    members = (
        make_member("free"),
        make_member("held", hold=Hold("ada", "", NOW)),
        make_member("held-for", hold=Hold("ada", "", NOW - 9, NOW + 9)),
        make_member("believed", fail_streak=2, hold=Hold("ada", "", NOW - 9, NOW + 9, is_move=True)),
        make_member("failed", fail_streak=1),
        make_member("was-held", hold=Hold("ada", "", NOW - 9, NOW)),
        make_member("doubted", "bad", suspicion=Suspicion("good", NOW, 1, NOW)),
        make_member("absent", absent_since_at=NOW),
    )

    state = play(Changes(nodes=nodes, members=members))

    found = {each.node: each for each in state.select(PLACEMENT)}
    assert {name: is_usable(each, NOW, {"good"}) for name, each in found.items()} == {
        "free": True, "held": False, "held-for": False, "believed": True, "failed": False, "was-held": True,
        "doubted": False, "absent": False,
    }  # fmt: skip
    assert [name for name, each in found.items() if each.absent_since_at is not None] == ["absent"]
    suspicion = Suspicion("good", NOW, 1, NOW)
    assert found["doubted"] == ("doubted", "bad", NOW - 86400.0, 0, suspicion, None, None, None, None, {"site": "a"})
    assert (state.select_one(PLACEMENT, "held"), state.select_one(PLACEMENT, "none")) == (found["held"], None)


def test_some_fields_of_all_nodes_are_read(play: Play) -> None:
    nodes = (make_node("n1", site="oslo"), make_node("n2"))
    tested = make_member("n2", "bad", last=Verdict(Outcome.FAIL, Cause.DNS, "no such name", NOW, 0.5))

    state = play(Changes(nodes=nodes, members=(make_member("n1"), tested)))

    expected = [NODE_FACTS.read(nodes[0], make_member("n1")), NODE_FACTS.read(nodes[1], tested)]
    assert list(state.select(NODE_FACTS)) == expected
    assert [state.select_one(NODE_FACTS, name) for name in ("n1", "n2", "n3")] == [*expected, None]


def test_pools_are_counted(play: Play) -> None:
    state = play(one_node("n1"), one_node("n2", pool="bad"), one_node("n3", pool="bad"))

    assert state.counts() == {"good": 1, "bad": 2}


def test_the_recent_are_those_tested_since(play: Play) -> None:
    times = {"before": NOW - 1, "then": NOW, "after": NOW + 1, "never": None}
    state = play(*(one_node(name, probed_at=at) for name, at in times.items()))

    assert sorted(node.name for node, _ in state.recent(NOW)) == ["after", "then"]
    assert sorted(node.name for node, _ in state.recent(0.0)) == ["after", "before", "then"]


def test_every_change_counts(play: Play) -> None:
    assert play(one_node("n1"), one_node("n2")).rev >= play().rev


@pytest.mark.parametrize(
    "changes",
    [
        Changes(members=(make_member("n9"),)),
        Changes(nodes=(make_node("n9"),)),
        Changes(removed=("n9",)),
        Changes(released=("n1",)),
        Changes(vnodes=(Vnode("exp", "n1", VnodeState.UP, NOW, NOW),)),
        Changes(gone=("exp/n1",)),
        Changes(forgotten=("exp",)),
    ],
    ids=[
        "member without node",
        "node without member",
        "removing nobody",
        "releasing nothing",
        "vnode without experiment",
        "no such vnode",
        "no such experiment",
    ],
)
def test_a_change_that_would_break_the_state_is_refused(play: Play, changes: Changes) -> None:
    with pytest.raises((AssertionError, KeyError)):
        play(one_node("n1"), changes)
