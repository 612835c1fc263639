"""What `stats` reads: the history as far as it is needed, the state for what is older, the outbox for what is newer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plabctl.app.stats_queries import read_past
from plabctl.core.model import Event, Member, Node
from plabctl.core.state import Changes
from plabctl.core.stats.place import read_test
from plabctl.core.stats.replay import PoolRules, Replay
from plabctl.core.stats.tally import Span, Tally
from plabctl.history.database import History
from plabctl.views.node import ViewContext
from tests.builders import NOW, make_member, make_settings
from tests.core.virtual_world import VirtualWorld
from tests.memory_state import MemoryState

HOUR = 3600.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def make_context(folder: Path, now: float, *members: Member, outbox: Sequence[Event] = ()) -> ViewContext:
    nodes = tuple(Node(member.node, added_at=NOW - 99 * HOUR) for member in members)
    state = MemoryState(Changes(nodes=nodes, members=members, events=tuple(outbox)))
    return ViewContext(make_settings(state_dir=str(folder)), state, now)


def record(folder: Path, events: Sequence[Event]) -> None:
    with History(folder) as history:
        history.record(events)


def make_hold(hour: float, node: str = "n1") -> Event:
    return Event(f"hold {hour} {node}", NOW + hour * HOUR, "hold", node, "ada", {})


def test_without_a_history_nothing_is_known_but_where_nodes_are_now(folder: Path) -> None:
    past = read_past(make_context(folder, NOW, make_member()), Span(NOW - HOUR, NOW))

    assert past.begins_at is None
    assert past.nodes["n1"].tally == Tally()
    place = past.nodes["n1"].place
    assert place is not None
    assert place.pool == "good"


def test_what_waits_in_the_outbox_is_as_true_as_what_is_in_the_history(folder: Path) -> None:
    record(folder, [make_hold(0, "other"), make_hold(2)])
    release = Event("release", NOW + 3 * HOUR, "release", "n1", "ada", {})
    context = make_context(folder, NOW + 4 * HOUR, make_member(), outbox=[make_hold(2), release])

    tally = read_past(context, Span(NOW, context.now)).nodes["n1"].tally
    assert (tally.known_s, tally.held_s) == (4 * HOUR, HOUR)


def test_with_an_outbox_alone_the_past_begins_with_that(folder: Path) -> None:
    context = make_context(folder, NOW + 4 * HOUR, make_member(), outbox=[make_hold(1)])

    past = read_past(context, Span(NOW, context.now))
    assert past.begins_at == NOW + HOUR
    assert past.nodes["n1"].tally.held_s == 3 * HOUR


def test_a_rename_that_nobody_was_told_of_yet_and_one_after_the_span_keep_the_node_together(folder: Path) -> None:
    record(folder, [make_hold(1, "n1"), Event("r1", NOW + 5 * HOUR, "node-renamed", "n2", "file", {"from": "n1"})])
    renamed = Event("r2", NOW + 6 * HOUR, "node-renamed", "n3", "file", {"from": "n2"})
    context = make_context(folder, NOW + 7 * HOUR, make_member("n3"), outbox=[renamed])

    nodes = read_past(context, Span(NOW, NOW + 4 * HOUR)).nodes
    assert {name: node.tally.held_s for name, node in nodes.items()} == {"n3": 3 * HOUR}
    assert nodes["n3"].tally.known_s == 3 * HOUR


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outcomes=st.lists(st.sampled_from("PPPPFF?hr"), min_size=20, max_size=120), where=st.floats(0, 0.9))
def test_tests_long_before_the_span_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[str], where: float
) -> None:
    folder = tmp_path_factory.mktemp("past")
    folder.chmod(0o700)
    world = VirtualWorld("n1")
    for outcome in outcomes:
        if outcome == "h":
            world.hold("n1", 2 * HOUR)
        elif outcome == "r":
            world.try_to("release", "n1")
        else:
            world.probe(outcome)
        world.wait(60.0)
    record(folder, world.events)
    span = Span(NOW + where * (world.now - NOW), world.now)
    context = ViewContext(replace(world.settings, state_dir=str(folder)), world.state, world.now)
    whole = Replay(PoolRules({"good"}, "bad"), span, NOW, world.now)
    for event in world.events:
        test = read_test(event)
        if test:
            whole.add_test(test)
        else:
            whole.add_event(event)

    assert read_past(context, span).nodes["n1"].tally == whole.finish()["n1"].tally
