"""A trail of places becomes runs of states without gaps; equal ones are one run."""

import pytest

from plabctl.core.model import Hold
from plabctl.core.stats.place import UNKNOWN, Place
from plabctl.core.stats.replay import PoolRules, Trail
from plabctl.core.stats.runs import NodeState, Run, compute_runs, compute_usable_ratio, find_state
from plabctl.core.stats.tally import Span
from plabctl.core.suspicion import Suspicion

RULES = PoolRules({"good", "fast"}, "bad")
GOOD = Place("good")
SUSPECT = Place("bad", suspicion=Suspicion("good", 0.0, 0, 0.0))


def hold(until_at: float | None, *, is_move: bool = False) -> Hold:
    return Hold("ann", "disk", 0.0, until_at, is_move=is_move)


@pytest.mark.parametrize(
    ("place", "state"),
    [
        (None, "unknown"),
        (UNKNOWN, "unknown"),
        (GOOD, "usable"),
        (GOOD._replace(fail_streak=1), "suspect"),
        (GOOD._replace(release_test_since_at=1.0), "suspect"),
        (GOOD._replace(fail_streak=1, hold=hold(None, is_move=True)), "usable"),
        (GOOD._replace(hold=hold(None)), "held"),
        (GOOD._replace(hold=hold(4.0)), "usable"),
        (GOOD._replace(hold=hold(None), absent_since_at=3.0), "absent"),
        (SUSPECT, "suspect"),
        (SUSPECT._replace(hold=hold(None)), "held"),
        (Place("bad"), "bad"),
        (Place("bad", stuck_since_at=2.0), "bad"),
        (Place("bad", hold=hold(None, is_move=True)), "bad"),
    ],
)
def test_the_state_is_what_is_done_about_a_node(place: Place | None, state: str) -> None:
    assert find_state(place, 5.0, RULES) == state


def test_runs_have_no_gaps_and_equal_ones_are_one() -> None:
    trail: Trail = [(10.0, UNKNOWN), (20.0, GOOD), (30.0, GOOD._replace(stuck_since_at=1.0)), (40.0, Place("fast"))]
    trail += [(50.0, SUSPECT), (50.0, Place("bad")), (60.0, None)]

    assert compute_runs(trail, RULES, Span(0.0, 70.0)) == [
        Run(0.0, 20.0, NodeState.UNKNOWN, ""),
        Run(20.0, 40.0, NodeState.USABLE, "good"),
        Run(40.0, 50.0, NodeState.USABLE, "fast"),
        Run(50.0, 60.0, NodeState.BAD, "bad"),
        Run(60.0, 70.0, NodeState.UNKNOWN, ""),
    ]


@pytest.mark.parametrize(
    ("since", "until", "states"),
    [
        (0, 100, [("held", 0, 25), ("usable", 25, 40), ("bad", 40, 100)]),
        (30, 35, [("usable", 30, 35)]),
        (20, 41, [("held", 20, 25), ("usable", 25, 40), ("bad", 40, 41)]),
        (50, 50, []),
    ],
)
def test_a_span_cuts_runs_and_a_hold_ends_by_itself(
    since: float, until: float, states: list[tuple[str, float, float]]
) -> None:
    trail: Trail = [(0.0, GOOD._replace(hold=hold(25.0))), (40.0, Place("bad"))]

    runs = compute_runs(trail, RULES, Span(since, until))
    assert [(run.state, run.since_at, run.until_at) for run in runs] == states


def test_without_a_trail_nothing_is_known() -> None:
    assert compute_runs([], RULES, Span(0.0, 9.0)) == [Run(0.0, 9.0, NodeState.UNKNOWN, "")]


def test_the_usable_share_leaves_out_what_is_not_known() -> None:
    trail: Trail = [(10.0, GOOD), (20.0, Place("bad"))]
    runs = compute_runs(trail, RULES, Span(0.0, 40.0))

    assert compute_usable_ratio(runs, 0.0, 40.0) == pytest.approx(1 / 3)
    assert compute_usable_ratio(runs, 15.0, 25.0) == 0.5
    assert compute_usable_ratio(runs, 0.0, 10.0) is None
