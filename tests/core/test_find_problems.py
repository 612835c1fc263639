"""The persistent faults: which there are, how grave they are, and that one cause is told once."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from plabctl.core.find_problems import find_problems
from plabctl.core.problems import Problem, ProblemKind, Severity, TickFailure
from plabctl.core.settings import Settings
from plabctl.core.state import Changes
from plabctl.core.surroundings import LockReport, NodeCounts, Surroundings, TickTrace
from tests.builders import NOW, make_inventory, make_settings, make_state
from tests.builders import make_member as member
from tests.memory_state import MemoryState

WELL = NodeCounts(
    {"good": 3, "bad": 1}, unknown=0, untested=0, is_any_usable=True, last_test_at=NOW - 60.0, next_due_at=NOW
)
NO_KEY = TickFailure(ProblemKind.CONFIG, "ssh.key: '/k' does not exist", "set ssh.key", NOW - 7200.0, NOW - 20.0, 120)
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def found(
    *,
    last_tick_at: float | None = NOW - 20.0,
    counts: NodeCounts = WELL,
    settings: Settings | None = None,
    notes: Mapping[str, Mapping[str, object]] | None = None,
    ticks: tuple[TickTrace, ...] = (),
    max_age_s: float = 180.0,
    **around: object,
) -> list[Problem]:
    seen = Surroundings(**{"last_success_at": NOW - 20.0, "free_bytes": 1024**4, **around})  # type: ignore[arg-type]  # its fields
    state = make_state(member("n1"))
    state.apply(Changes(notes=notes))
    sight = LockReport((), ticks, 5000.0)
    return find_problems(
        state, settings or make_settings(), NOW, last_tick_at, counts, seen, sight, max_age_s=max_age_s
    )


def told(problems: list[Problem]) -> list[tuple[ProblemKind, Severity, str]]:
    return [(problem.kind, problem.severity, problem.reason) for problem in problems]


def test_nothing_is_wrong_when_all_is_well() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("last_tick_at", "max_age_s", "reason"),
    [
        (None, 180.0, ""),
        (NOW - 181.0, 180.0, "no tick for 3m1s: cron does not seem to run plabctl tick"),
        (NOW - 180.0, 180.0, ""),
        (NOW - 181.0, 240.0, ""),
    ],
)
def test_ticks_that_do_not_come_are_told(last_tick_at: float | None, max_age_s: float, reason: str) -> None:
    problems = found(last_tick_at=last_tick_at, max_age_s=max_age_s, last_success_at=last_tick_at)

    assert told(problems) == ([(ProblemKind.NO_TICK, CRITICAL, reason)] if reason else [])


def test_ticks_that_begin_and_do_not_end_well_are_told() -> None:
    (problem,) = found(last_success_at=NOW - 3600.0)

    assert (problem.kind, problem.severity) == (ProblemKind.FAILING, CRITICAL)
    assert problem.reason == "no tick has ended well for 1h, although they begin"
    assert problem.since_at == NOW - 3600.0


@pytest.mark.parametrize(("began_s", "is_told"), [(3500.0, False), (3420.0, False), (3400.0, True), (1.0, True)])
def test_a_long_tick_that_began_when_all_was_well_is_no_failure(began_s: float, *, is_told: bool) -> None:
    tick = TickTrace(is_running=True, began_at=NOW - began_s)

    assert bool(found(last_success_at=NOW - 3600.0, ticks=(tick,))) is is_told


@pytest.mark.parametrize(
    ("kind", "severity", "reason"),
    [
        (ProblemKind.CONFIG, CRITICAL, "ticks fail: no way (for 2h, 120 times)"),
        (ProblemKind.STATE, CRITICAL, "ticks fail: no way (for 2h, 120 times)"),
        (ProblemKind.CLOCK, CRITICAL, "ticks fail: no way (for 2h, 120 times)"),
        (ProblemKind.FAILING, CRITICAL, "ticks fail: no way (for 2h, 120 times)"),
        (ProblemKind.PLUGINS, CRITICAL, "no way (for 2h, 120 times)"),
        (ProblemKind.STATUS_FILE, WARNING, "no way (for 2h, 120 times)"),
    ],
)
@pytest.mark.parametrize("last_success_at", [None, NOW - 7200.0])
def test_the_error_with_which_ticks_end_is_told_once(
    kind: ProblemKind, severity: Severity, reason: str, last_success_at: float | None
) -> None:
    failure = replace(NO_KEY, kind=kind, reason="no way")

    (problem,) = found(failure=failure, last_success_at=last_success_at)

    assert told([problem]) == [(kind, severity, reason)]
    assert (problem.since_at, problem.remedy) == (NOW - 7200.0, "set ssh.key")


@pytest.mark.parametrize("kind", [ProblemKind.SINK, ProblemKind.INVENTORY, ProblemKind.OCCUPANCY])
def test_sinks_and_sources_are_at_fault_for_as_long_as_the_state_says_so(kind: ProblemKind) -> None:
    """Whoever mends one may bring it in line, or read it, before the next tick."""
    failure = TickFailure(kind, "slurm: no way", "", NOW - 600.0, NOW - 20.0, 2)

    assert not found(failure=failure)


def test_an_error_of_a_moment_ago_has_no_length_yet() -> None:
    (problem,) = found(failure=replace(NO_KEY, since_at=NOW - 5.0, count=1))

    assert problem.reason == "ticks fail: ssh.key: '/k' does not exist"


def test_an_error_that_came_once_is_counted_as_that() -> None:
    (problem,) = found(failure=replace(NO_KEY, count=1))

    assert problem.reason.endswith("(for 2h, once)")


def test_ticks_that_failed_and_come_no_more_are_one_problem() -> None:
    assert len(found(last_tick_at=NOW - 4000.0, last_success_at=NOW - 9000.0, failure=NO_KEY)) == 1


def test_a_source_that_cannot_be_read_is_told_once_with_the_ticks_that_complain_of_it() -> None:
    settings = make_settings(inventories=(make_inventory("file", path="nodes"),))
    notes = {"inventory file:nodes": {"fault": "'nodes' cannot be read", "fault_since_at": NOW - 600.0}}
    failure = TickFailure(ProblemKind.INVENTORY, "inventory: 'nodes' cannot be read", "", NOW - 600.0, NOW - 20.0, 2)

    for each, last_success_at in ((None, NOW - 20.0), (failure, NOW - 20.0), (failure, NOW - 600.0)):
        (problem,) = found(settings=settings, notes=notes, failure=each, last_success_at=last_success_at)
        assert told([problem]) == [(ProblemKind.INVENTORY, WARNING, "inventory: 'nodes' cannot be read")]
        assert problem.since_at == NOW - 600.0


def test_ticks_that_do_not_end_any_more_are_told_although_the_last_one_complained_of_a_source() -> None:
    settings = make_settings(inventories=(make_inventory("file", path="nodes"),))
    notes = {"inventory file:nodes": {"fault": "'nodes' cannot be read", "fault_since_at": NOW - 900.0}}
    failure = TickFailure(ProblemKind.INVENTORY, "inventory: 'nodes' cannot be read", "", NOW - 900.0, NOW - 600.0, 2)

    problems = found(settings=settings, notes=notes, failure=failure, last_success_at=NOW - 900.0)

    assert [problem.kind for problem in problems] == [ProblemKind.FAILING, ProblemKind.INVENTORY]
    assert problems[0].since_at == NOW - 600.0


def test_a_source_that_is_no_longer_configured_is_no_problem() -> None:
    assert found(notes={"inventory file:nodes": {"fault": "gone"}}) == []


@pytest.mark.parametrize(
    ("free_bytes", "severity", "reason"),
    [
        (0, CRITICAL, "the file system of '/nowhere' is full"),
        (63 * 1024**2, WARNING, "only 63 MiB free for '/nowhere'"),
        (64 * 1024**2, None, ""),
        (None, None, ""),
    ],
)
def test_a_disk_that_is_nearly_full_is_told(free_bytes: int | None, severity: Severity | None, reason: str) -> None:
    expected = [] if severity is None else [(ProblemKind.DISK, severity, reason)]

    assert told(found(free_bytes=free_bytes)) == expected


@pytest.mark.parametrize(("load", "kind"), [(7.25, ProblemKind.LOAD), (0.5, ProblemKind.UNTESTED)])
def test_a_load_that_blocks_for_long_is_told(load: float, kind: ProblemKind) -> None:
    state = make_state(member("n1", due_at=NOW - 9000.0), member("n2", due_at=NOW - 3600.0))
    counts = replace(WELL, last_test_at=NOW - 9000.0, next_due_at=NOW - 9000.0)
    around = Surroundings(NOW - 20.0, load=load)
    settings = make_settings(max_load=1.0)

    (problem,) = find_problems(state, settings, NOW, NOW - 20.0, counts, around, LockReport((), (), 5000.0))

    assert (problem.kind, problem.severity, problem.since_at) == (kind, CRITICAL, NOW - 9000.0)
    if kind is ProblemKind.LOAD:
        said = "2 nodes have been due for up to 2h30m and nothing is tested: the load is above max_load = 1"
        assert problem.reason == said


@pytest.mark.parametrize(
    ("counts", "kinds", "reason"),
    [
        (replace(WELL, pools={"good": 0, "bad": 0}, is_any_usable=False), [ProblemKind.NO_NODES], "there are no nodes"),
        (replace(WELL, is_any_usable=False), [ProblemKind.UNUSABLE], "no node is usable: 3 good, 1 bad"),
        (replace(WELL, is_any_usable=False, untested=1), [], ""),
        (replace(WELL, untested=1), [], ""),
    ],
)
def test_a_list_that_offers_nothing_is_told(counts: NodeCounts, kinds: list[ProblemKind], reason: str) -> None:
    expected = [(kind, CRITICAL, reason) for kind in kinds]

    assert told(found(counts=counts)) == expected


def test_the_gravest_comes_first() -> None:
    nobody = replace(WELL, pools={"good": 0, "bad": 4}, is_any_usable=False)

    for problems in (found(free_bytes=1, failure=NO_KEY), found(free_bytes=1, counts=nobody)):
        assert [problem.severity for problem in problems] == [CRITICAL, WARNING]


def test_what_was_not_looked_at_is_no_problem() -> None:
    assert find_problems(MemoryState(), make_settings(), NOW, NOW - 1.0, WELL, Surroundings(), None) == []
