"""Curves count what is in them: nodes by state, guards, slots that were held."""

from plabctl.core.model import Event
from plabctl.core.stats.runs import NodeState, Run
from plabctl.views.curves import (
    Band,
    GuardSpan,
    NodeStrip,
    build_guard_spans,
    build_pool_curve,
    build_window_use,
    sort_strips,
)

USABLE, BAD, HELD, UNKNOWN = NodeState.USABLE, NodeState.BAD, NodeState.HELD, NodeState.UNKNOWN


def test_strips_of_a_site_stand_together_and_those_without_one_last() -> None:
    sites = {"n10": "b", "n2": "b", "x": None, "a": "site10", "c": "site2"}
    strips = sort_strips(NodeStrip(name, site, ()) for name, site in sites.items())

    assert list(strips) == ["n2", "n10", "c", "a", "x"]


def test_nodes_are_counted_by_state_at_the_end_of_each_step() -> None:
    nodes = [
        [Run(0, 4, UNKNOWN, ""), Run(4, 10, USABLE, "good")],
        [Run(0, 6, BAD, "bad"), Run(6, 7.5, HELD, "good"), Run(7.5, 10, HELD, "bad")],
    ]
    curve = build_pool_curve(nodes, 0.0, 10.0, 5)

    assert curve.sampled_ats == [2, 4, 6, 8, 10]
    assert curve.bands == [
        Band(USABLE, "", [0, 0, 1, 1, 1]),
        Band(BAD, "", [1, 1, 1, 0, 0]),
        Band(HELD, "", [0, 0, 0, 1, 1]),
    ]


def test_pools_that_share_a_state_are_told_apart() -> None:
    nodes = [[Run(0, 10, USABLE, "good")], [Run(0, 10, USABLE, "fast")], [Run(0, 10, BAD, "bad")]]

    assert [band[:2] for band in build_pool_curve(nodes, 0.0, 10.0, 2).bands] == [
        (USABLE, "fast"),
        (USABLE, "good"),
        (BAD, ""),
    ]


def make_guard_event(at: float, kind: str, scope: str = "monitor") -> Event:
    return Event(f"{kind}{at}{scope}", at, kind, None, "plabctl", {"scope": scope, "reason": f"since {at}"})


def test_guards_are_spans_of_each_scope_cut_by_the_span() -> None:
    on, off = "guard-on", "guard-off"
    events = [
        make_guard_event(1, on),
        make_guard_event(2, off),
        make_guard_event(5, on, "site a"),
        make_guard_event(12, on),
        make_guard_event(13, on),
        make_guard_event(14, off, "site a"),
        make_guard_event(15, off, "pool x"),
        make_guard_event(16, "hold"),
        make_guard_event(30, on, "pool y"),
    ]

    assert build_guard_spans(events, 10.0, 20.0) == [
        GuardSpan(10, 14, "site a", "since 5", is_on=False),
        GuardSpan(12, 20, "monitor", "since 12", is_on=True),
    ]


def test_slots_are_counted_for_as_long_as_they_were_held() -> None:
    held = [(-5.0, 1.0), (2.0, 25.0), (9.0, 11.0), (28.0, 40.0), (40.0, 50.0)]

    use = build_window_use(held, 4, 0.0, 30.0, 10.0)
    assert (use.size, use.step_s, use.in_use) == (4, 10.0, [1.0, 1.1, 0.7])
