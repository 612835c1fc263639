"""What counts as stuck, and what does not."""

from dataclasses import replace

import pytest

from plabctl.core.find_problems import find_problems
from plabctl.core.jump_fault import build_jump_reason
from plabctl.core.model import Cause, Member, Outcome, Verdict
from plabctl.core.problems import Problem, ProblemKind, Severity
from plabctl.core.settings import Settings
from plabctl.core.state import Changes
from plabctl.core.surroundings import HeldLock, LockKind, LockReport, NodeCounts, Surroundings, TickTrace
from tests.builders import NOW, make_claim, make_member, make_node, make_settings, make_state
from tests.memory_state import MemoryState

UPTIME = 5000.0
SLOT = HeldLock(LockKind.SLOT, 42, "S", 1, NOW - 300.0, UPTIME + 30.0)
STATE = HeldLock(LockKind.STATE, 42, "S", marked_at=NOW - 1.0)


def found(
    *locks: HeldLock,
    ticks: tuple[TickTrace, ...] = (),
    state: MemoryState | None = None,
    last_tick_at: float | None = NOW - 20.0,
    last_test_at: float = NOW,
) -> list[Problem]:
    return find(
        LockReport(locks, ticks, UPTIME), state or MemoryState(), make_settings(window=3), last_tick_at, last_test_at
    )


def find(
    sight: LockReport, state: MemoryState, settings: Settings, last_tick_at: float | None, last_test_at: float = NOW
) -> list[Problem]:
    """What keeps ticks that come from their work; that none comes is tested in test_problems."""
    unknown = sum(member.last is not None and member.last.outcome is Outcome.UNKNOWN for member in state.members())
    counts = NodeCounts(
        {"good": 1},
        unknown,
        untested=0,
        is_any_usable=True,
        last_test_at=last_test_at,
        next_due_at=min((member.due_at for member in state.members()), default=None),
    )
    problems = find_problems(state, settings, NOW, last_tick_at, counts, Surroundings(), sight)
    return [problem for problem in problems if problem.kind is not ProblemKind.NO_TICK]


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (SLOT, None),
        (replace(SLOT, process_state="T"), "process 42 is stopped and holds 1 of 3 slots, its last test there"),
        (replace(SLOT, process_state="t"), "process 42 is stopped by a debugger and holds 1 of 3 slots"),
        (replace(SLOT, until_uptime_s=UPTIME), None),
        (replace(SLOT, until_uptime_s=UPTIME - 60.0), "its last test there began 5m ago, 1m past the end"),
        (replace(SLOT, until_uptime_s=None), None),
        (
            replace(SLOT, pid=None, process_state="", foreign_pid=7, until_uptime_s=UPTIME - 60.0),
            "a process of another container, number 7 there, does not go on",
        ),
        (STATE, None),
        (replace(STATE, process_state="T"), "process 42 is stopped and holds the lock of the state for 1s"),
        (replace(STATE, process_state="D", marked_at=NOW - 31.0), "waits for a disk and holds the lock of the state"),
        (replace(STATE, kind=LockKind.DELIVERY, marked_at=NOW - 600.0), None),
        (replace(STATE, kind=LockKind.DELIVERY, process_state="T"), "is stopped and holds the right to tell"),
        (replace(STATE, kind=LockKind.TURN, process_state="T", marked_at=None), "is stopped and holds the right to"),
        (replace(STATE, kind=LockKind.HOST_KEYS, process_state="T"), "is stopped and holds the lock of the known"),
    ],
)  # fmt: skip
def test_a_holder_that_does_not_go_on_is_named(lock: HeldLock, said: str | None) -> None:
    reasons = [problem.reason for problem in found(lock)]

    assert len(reasons) == (said is not None)
    assert all(said in reason for reason in reasons if said)


def test_the_slots_of_one_process_are_one_problem() -> None:
    stopped = replace(SLOT, process_state="T")
    (problem,) = found(stopped, replace(stopped, slot=2, marked_at=NOW - 100.0), replace(SLOT, slot=3, pid=43))

    assert (problem.kind, problem.pid, problem.slot_count) == (ProblemKind.SLOTS, 42, 2)
    assert problem.since_at == NOW - 100.0, "its last sign of life"
    assert "kill -CONT 42" in problem.remedy


DEAD = TickTrace(is_running=False, began_at=NOW - 60.0, died_count=2, first_died_at=NOW - 180.0)


@pytest.mark.parametrize(
    ("ticks", "last_tick_at", "count"),
    [
        ((DEAD,), NOW - 60.0, 3),
        ((replace(DEAD, died_count=1),), NOW - 60.0, None),
        ((replace(DEAD, is_running=True, died_count=3),), NOW - 60.0, 3),
        ((replace(DEAD, is_running=True),), NOW - 60.0, None),
        ((replace(DEAD, died_count=1), DEAD), NOW - 60.0, 5),
        ((DEAD,), NOW, None),  # one with nothing to do came by since
    ],
)
def test_ticks_that_die_in_a_row_are_told(ticks: tuple[TickTrace, ...], last_tick_at: float, count: int | None) -> None:
    reasons = [problem.reason for problem in found(ticks=ticks, last_tick_at=last_tick_at)]

    expected = [f"ticks begin and do not end: {count} in a row, the first 3m ago"]
    assert reasons == (expected if count else [])


def state_of(*, due_s: float, claims: tuple[float, ...] = ()) -> MemoryState:
    member = replace(make_member("n1"), due_at=NOW - due_s)
    made = tuple(replace(make_claim("n1", slot=9), until_uptime_s=until) for until in claims)
    return MemoryState(Changes(nodes=(make_node("n1"),), members=(member,), claims=made))


def test_claims_long_past_their_end_that_no_tick_clears_up_are_told() -> None:
    (problem,) = found(state=state_of(due_s=0.0, claims=(UPTIME - 180.0,)))

    assert (problem.kind, problem.reason) == (
        ProblemKind.CLAIMS,
        "1 test should have ended up to 3m ago, and no tick cleans up",
    )
    assert found(state=state_of(due_s=0.0, claims=(UPTIME - 119.0,))) == []


@pytest.mark.parametrize(
    ("due_s", "options", "is_told"),
    [
        (601.0, {}, True),
        (599.0, {}, False),
        (601.0, {"last_test_at": NOW - 599.0}, False),
        (601.0, {"last_tick_at": NOW - 181.0}, False),
        (601.0, {"last_tick_at": None}, False),
        (601.0, {"ticks": (TickTrace(is_running=True, began_at=NOW - 5.0),)}, False),
        (601.0, {"ticks": (TickTrace(is_running=True, began_at=NOW - 61.0),)}, True),
    ],
)
def test_nodes_that_are_due_for_long_while_nothing_is_tested_are_told(
    due_s: float, options: dict[str, object], is_told: bool
) -> None:
    told = found(state=state_of(due_s=due_s), **{"last_test_at": NOW - 3600.0, **options})  # type: ignore[arg-type]

    assert [problem.kind for problem in told] == [ProblemKind.UNTESTED] * is_told


def test_a_test_that_runs_shows_that_nodes_are_tested() -> None:
    assert found(SLOT, state=state_of(due_s=9000.0), last_test_at=NOW - 9000.0) == []


LOCAL = Verdict(Outcome.UNKNOWN, Cause.LOCAL, "the script '/x' cannot be read: no such file", NOW - 60.0, 0.0)
PASS = replace(LOCAL, outcome=Outcome.PASS, cause=None, reason="")


def members_with(*verdicts: Verdict | None, pool: str = "good") -> list[Member]:
    return [make_member(f"{pool}{at}", pool, last=verdict) for at, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (
            members_with(LOCAL),
            ["pool 'good' (1 node tried), because of a problem on this machine: the script '/x' cannot"],
        ),
        (members_with(LOCAL, LOCAL, None), ["pool 'good' (2 nodes tried)"]),
        (members_with(LOCAL, replace(LOCAL, cause=Cause.INTERRUPTED)), ["pool 'good' (1 node tried)"]),
        (members_with(LOCAL, PASS), []),
        (members_with(LOCAL, replace(PASS, outcome=Outcome.FAIL, cause=Cause.CHECK)), []),
        (members_with(None), []),
        ([*members_with(LOCAL), *members_with(PASS, pool="bad")], ["pool 'good' (1 node tried)"]),
        ([*members_with(LOCAL), *members_with(LOCAL, pool="bad")], ["about pool 'bad'", "about pool 'good'"]),
    ],
)
def test_pools_of_which_nothing_is_learnt_for_want_of_something_here_are_told(
    members: list[Member], said: list[str]
) -> None:
    told = found(state=make_state(*members))

    assert [problem.kind for problem in told] == [ProblemKind.LOCAL] * len(said)
    assert all(each in problem.reason for problem, each in zip(told, said, strict=True))
    assert all("plabctl test " in problem.remedy for problem in told)


def test_a_pool_in_which_all_tests_are_unknown_is_a_warning() -> None:
    unsure = replace(LOCAL, cause=Cause.NO_OPINION, reason="no opinion")

    (problem,) = found(state=make_state(*members_with(unsure, LOCAL, None)))

    assert (problem.kind, problem.severity) == (ProblemKind.UNKNOWN, Severity.WARNING)
    assert problem.reason == "nothing is learned about pool 'good' (2 nodes tried), all tests are unknown: no opinion"
    assert found(state=make_state(*members_with(unsure, PASS))) == []


def test_a_jump_host_is_told_once_with_the_nodes_behind_it_and_no_pool_for_it() -> None:
    gate = replace(LOCAL, cause=Cause.JUMP, reason=build_jump_reason("gate", "connection refused"))
    inner = replace(gate, reason=build_jump_reason("inner", "unknown host key X; then run 'plabctl trust NODE'"))

    first, second = found(state=make_state(*members_with(gate, inner, gate)))

    assert (first.kind, first.severity, first.subject) == (ProblemKind.JUMP, Severity.WARNING, "gate")
    assert first.reason == "jump host 'gate': connection refused; not tested for that: 2 nodes"
    assert "plabctl test good" in first.remedy
    assert second.subject == "inner"
    assert "plabctl trust good" in second.remedy
    assert [problem.subject for problem in found(state=make_state(*members_with(gate, PASS)))] == ["gate"]


def test_a_jump_host_of_absent_nodes_alone_is_not_told() -> None:
    gate = replace(LOCAL, cause=Cause.JUMP, reason=build_jump_reason("gate", "connection refused"))
    (member,) = members_with(gate)

    assert found(state=make_state(replace(member, absent_since_at=NOW - 5))) == []


def test_pools_whose_plug_in_is_broken_are_told_if_nodes_are_in_them() -> None:
    settings = make_settings(window=3, recipe_faults={"process": "the plug-in 'lxc' cannot be used: it exited"})
    state = make_state(*members_with(PASS, LOCAL))

    told = find(LockReport((), (), UPTIME), state, settings, NOW - 20.0)

    assert [(problem.kind, problem.reason) for problem in told] == [
        (
            ProblemKind.PLUGINS,
            "nothing is tested in pool 'good', which has 2 nodes: the plug-in 'lxc' cannot be used: it exited",
        )
    ]


@pytest.mark.parametrize("last_tick_at", [NOW + 181.0, NOW + 86400.0 * 365])
def test_a_clock_behind_the_last_tick_is_told(last_tick_at: float) -> None:
    (problem,) = found(last_tick_at=last_tick_at)

    assert problem.kind is ProblemKind.CLOCK
    assert "behind the last tick: it was set back, and none came since" in problem.reason
    assert found(last_tick_at=NOW + 179.0) == []
