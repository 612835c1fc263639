"""Several monitors as one."""

from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.surroundings import NodeCounts
from plabctl.views.monitors import Claims, MonitorRead, sum_heads, sum_totals
from plabctl.views.status import GuardView, ScopeView, StatusHead, Totals, WindowView

NOW = 1_000_000.0


def make_head(**changes: object) -> StatusHead:
    given: dict[str, object] = {
        "generated_at": NOW, "rev": 5, "window": WindowView(40, 3), "guard": GuardView("off", None), "counts": {},
        "problems": None, "last_tick_at": NOW - 20, "last_success_at": None, "good_pools": ["good"],
    }  # fmt: skip
    return StatusHead(**{**given, **changes})  # type: ignore[arg-type]  # of these types


def make_totals(pools: dict[str, int], *, next_due_at: float | None = None) -> Totals:
    counts = NodeCounts(pools, 1, 2, is_any_usable=True, last_test_at=NOW, next_due_at=next_due_at, stuck=1)
    return Totals(sum(pools.values()), 1, 1, 1, 3, counts, 1)


def test_sums_are_over_all_and_pools_keep_their_order() -> None:
    total = sum_totals(
        [make_totals({"good": 1, "bad": 2}), make_totals({"good": 4, "odd": 1, "bad": 1}, next_due_at=5.0)]
    )

    assert list(total.pools.items()) == [("good", 5), ("odd", 1), ("bad", 3)]
    assert (total.nodes, total.held, total.in_use, total.busy) == (9, 2, 6, 2)
    assert (total.counts.unknown, total.counts.untested, total.counts.stuck, total.counts.next_due_at) == (2, 4, 2, 5.0)
    assert sum_totals([]).nodes == 0


def test_nodes_that_two_claim_are_told_by_pair_in_whatever_case() -> None:
    claims = Claims()
    claims.add("a", [f"n{number}" for number in range(1, 31)])
    claims.add("b", ["N2", "m1"])
    claims.add("c", [f"n{number}" for number in range(1, 31)])

    assert [(problem.subject, problem.reason, problem.severity) for problem in claims.list_problems()] == [
        ("a and b", "1 node is claimed by a and b: N2", Severity.WARNING),
        ("a and c", "30 nodes are claimed by a and c: n[1-10] and 20 more", Severity.WARNING),
    ]


def test_the_head_has_the_gravest_problem_first_each_with_its_monitor() -> None:
    late = Problem(ProblemKind.NO_TICK, "no tick", "look")
    little = Problem(ProblemKind.SINK, "a hook fails", "look", severity=Severity.WARNING)
    guard = GuardView("on", [ScopeView("pool good", NOW - 5, "why")])
    totals = make_totals({"good": 1})
    read = [
        MonitorRead("a", "a.json", "", "", make_head(guard=guard), totals, [little, late]),
        MonitorRead("b", "b.json", "cannot be read", "mend it"),
        MonitorRead(
            "c", "c.json", "", "", make_head(last_tick_at=NOW - 50, good_pools=["ok"]), totals, [], is_stale=True
        ),
    ]

    head = sum_heads(read, totals, [], NOW)

    assert [(each.monitor, each.reason) for each in head.problems or ()] == [
        ("b", "cannot be read"), ("a", "no tick"), ("a", "a hook fails"),
    ]  # fmt: skip
    assert (head.window, head.rev, head.last_tick_at, head.good_pools) == (
        WindowView(80, 3),
        10,
        NOW - 50,
        ["good", "ok"],
    )
    assert [scope.scope for scope in head.guard.scopes or ()] == ["pool good of a"]
    assert [(each.monitor, each.is_stale, each.fault) for each in head.sources or ()] == [
        ("a", False, None), ("b", False, "cannot be read"), ("c", True, None),
    ]  # fmt: skip
