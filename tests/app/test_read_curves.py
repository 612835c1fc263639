"""What curves say agrees with `stats`, though they read a few rows of what that reads."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plabctl.app.read_curves import DAY_S, read_curves
from plabctl.app.stats_queries import read_past
from plabctl.core.model import Event, Member, Node
from plabctl.core.state import Changes
from plabctl.core.stats.runs import NodeState, Run, compute_usable_ratio
from plabctl.core.stats.tally import Span
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


def make_context(folder: Path, *members: Member, outbox: Sequence[Event] = ()) -> ViewContext:
    nodes = tuple(Node(member.node, {"site": "north"}, added_at=NOW - 99 * DAY_S) for member in members)
    state = MemoryState(Changes(nodes=nodes, members=members, events=tuple(outbox)))
    return ViewContext(make_settings(state_dir=str(folder)), state, NOW)


def record(folder: Path, *events: Event) -> None:
    with History(folder) as history:
        history.record(events)


def make_move(hours: float, to: str, node: str = "n1", kind: str = "transition") -> Event:
    data = {"from": "good" if to == "bad" else "bad", "to": to, "cause": "connect"}
    return Event(f"{kind}{hours}{node}", NOW + hours * HOUR, kind, node, "plabctl", data)


def hours_of(runs: Sequence[Run]) -> list[tuple[str, float, float]]:
    return [(str(run.state), (run.since_at - NOW) / HOUR, (run.until_at - NOW) / HOUR) for run in runs]


def test_a_node_that_did_nothing_is_what_the_state_says(folder: Path) -> None:
    record(folder, make_move(-90 * 24, "bad", "other"))
    context = make_context(folder, make_member(since_at=NOW - 80 * DAY_S), make_member("n2", "bad", since_at=NOW - 9e6))

    curves = read_curves(context, days=2.0)
    assert hours_of(curves.strips["n1"].runs) == [("usable", -48, 0)]
    assert hours_of(curves.strips["n2"].runs) == [("bad", -48, 0)]
    assert {(band.state, set(band.counts) == {1}) for band in curves.pools.bands} == {
        (NodeState.USABLE, True),
        (NodeState.BAD, True),
    }
    assert curves.strips["n1"].site == "north"


def test_steps_before_the_span_say_where_a_node_was_when_it_began(folder: Path) -> None:
    record(folder, make_move(-999, "good"), make_move(-900, "bad"), make_move(-10, "good"))
    context = make_context(folder, make_member(since_at=NOW - 10 * HOUR))

    assert hours_of(read_curves(context, days=1.0).strips["n1"].runs) == [("bad", -24, -10), ("usable", -10, 0)]


def test_what_waits_in_the_outbox_is_seen_and_the_end_is_what_the_state_says(folder: Path) -> None:
    record(folder, make_move(-99, "good"), make_move(-30, "good"))
    member = make_member(since_at=NOW - 30 * HOUR, fail_streak=1, probed_at=NOW - HOUR)
    guard = Event("g", NOW - 5 * HOUR, "guard-on", None, "plabctl", {"scope": "monitor", "reason": "cut off"})

    curves = read_curves(make_context(folder, member, outbox=[guard]), days=1.0)
    assert hours_of(curves.strips["n1"].runs) == [("usable", -24, -1), ("suspect", -1, 0)]
    assert [(span.since_at, span.until_at, span.is_on) for span in curves.guards] == [(NOW - 5 * HOUR, NOW, True)]


def test_without_a_history_there_is_a_strip_of_which_nothing_is_known(folder: Path) -> None:
    curves = read_curves(make_context(folder, make_member(since_at=NOW - DAY_S)))

    assert curves.history_begins_at is None
    assert [run.state for run in curves.strips["n1"].runs] == [NodeState.UNKNOWN]
    assert curves.pools.bands == []
    assert set(curves.window.in_use) == {0.0}


def test_a_node_whose_addition_was_lost_is_what_the_state_says(folder: Path) -> None:
    record(folder, make_move(-50, "bad", "other"))
    context = make_context(folder, make_member(since_at=NOW - HOUR))
    context.state.apply(Changes(nodes=(Node("n1", added_at=NOW - HOUR),)))  # type: ignore[attr-defined]  # in memory

    assert hours_of(read_curves(context, days=1.0).strips["n1"].runs) == [("unknown", -24, -1), ("usable", -1, 0)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outcomes=st.lists(st.sampled_from("PPPPFFF?"), min_size=20, max_size=150))
def test_shares_and_times_are_those_of_stats(tmp_path_factory: pytest.TempPathFactory, outcomes: list[str]) -> None:
    folder = tmp_path_factory.mktemp("past")
    folder.chmod(0o700)
    world = VirtualWorld("n1")
    for outcome in outcomes:
        world.probe(outcome)
        world.wait(60.0)
    record(folder, *world.events)
    context = ViewContext(replace(world.settings, state_dir=str(folder)), world.state, world.now)
    span = Span(NOW + (world.now - NOW) / 2, world.now)

    past = read_past(context, span).nodes["n1"].tally
    curves = read_curves(context, (span.until - span.since) / DAY_S)
    ratio = compute_usable_ratio(curves.strips["n1"].runs, span.since, span.until)
    assert ratio == pytest.approx(past.usable_s / past.known_s)
    assert (curves.detections, curves.returns) == (past.detections, past.recoveries)
