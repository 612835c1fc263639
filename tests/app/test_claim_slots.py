"""Tests that are made elsewhere are outstanding, whoever began them: also when their tick was killed meanwhile."""

from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.app import foreground_test, tick
from plabctl.app.goals import RetestGoal, TickGoal
from plabctl.app.signals import Stop
from plabctl.app.tick import TickRun, is_step_due, make_run, step, wait
from plabctl.core.settings import ExecutorSettings
from plabctl.core.state import Changes
from plabctl.errors import StoreBusy
from plabctl.store.slots import Slots
from tests.app.installation import Installation
from tests.builders import make_order
from tests.lab import far_executor
from tests.lab.far_executor import Farm

WINDOW = 4
FAR = ExecutorSettings(far_executor.KIND)


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch) -> Farm:
    return far_executor.register(monkeypatch.setitem, WINDOW)


@pytest.fixture
def site(tmp_path: Path, farm: Farm) -> Installation:
    """Four nodes whose tests are made elsewhere, four at once."""
    found = Installation(tmp_path, window=WINDOW, executor=FAR)
    found.add(*(f"n{number}" for number in range(WINDOW)))
    return found


def begin(site: Installation, tick_goal: TickGoal | None = None) -> TickRun:
    run = make_run(site.app, Stop(), tick_goal)
    step(run)
    return run


def kill(run: TickRun) -> None:
    """Let all locks of its process go, as the kernel does that."""
    run.slots.close()


def finish(run: TickRun) -> None:
    """Let it go on until nothing runs, and let it tell what happened."""
    while run.slots_in_use.running_count or run.reports:
        wait(run)
        step(run)
    run.delivery.finish(lambda: False, None)
    kill(run)


def use_threads(site: Installation) -> None:
    site.settings = replace(site.settings, executor=ExecutorSettings())
    site.app = replace(site.app, settings=site.settings)


def void_claims(site: Installation) -> None:
    with site.store.session() as state:
        past = [replace(claim, deadline_at=1.0, until_uptime_s=0.0) for claim in state.claims.values()]
        state.apply(Changes(claims=tuple(past)))


def test_a_tick_with_a_goal_leaves_the_slots_of_a_tick_that_is_killed_meanwhile(site: Installation, farm: Farm) -> None:
    first = begin(site)
    assert len(farm.running) == WINDOW
    site.add("late")
    goal = begin(site, RetestGoal(("late",), make_order(now=site.clock.now())))

    kill(first)
    for _ in range(3):
        wait(goal)
        step(goal)

    assert len(farm.running) == WINDOW, "they are outstanding"
    third = begin(site)
    farm.finish(site.clock)
    wait(third)
    step(third)
    step(goal)
    assert "late" in farm.nodes
    assert len(farm.running) <= WINDOW
    assert sorted(farm.nodes[:WINDOW]) == ["n0", "n1", "n2", "n3"]
    kill(third)
    kill(goal)


def test_a_test_in_the_foreground_counts_what_is_outstanding_elsewhere(
    site: Installation, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreground_test, "SLOT_WAIT_S", 0.2)
    kill(begin(site))
    assert len(farm.running) == WINDOW
    with pytest.raises(StoreBusy, match="all 4 slots of the window are in use"):
        foreground_test.run_test(site.app, foreground_test.build_assignment(site.app, "n0"), print)
    assert len(farm.running) == WINDOW


def test_a_tick_that_is_killed_while_a_slot_is_taken_for_the_foreground_is_noticed(
    site: Installation, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreground_test, "SLOT_WAIT_S", 0.2)
    first, take = begin(site), Slots.take

    def kill_and_take(slots: Slots, limit: int, *, but_leave: int = 0) -> list[int]:
        kill(first)
        return take(slots, limit, but_leave=but_leave)

    monkeypatch.setattr(Slots, "take", kill_and_take)
    with pytest.raises(StoreBusy):
        foreground_test.run_test(site.app, foreground_test.build_assignment(site.app, "n0"), print)
    assert len(farm.running) == WINDOW


def test_after_a_change_to_threads_what_is_outstanding_elsewhere_still_counts(site: Installation, farm: Farm) -> None:
    kill(begin(site))
    use_threads(site)
    site.add("m0", "m1")

    run = begin(site)
    assert (run.slots_in_use.running_count, run.waiting_count) == (0, 2)
    assert not run.is_over, "it waits for a slot"
    kill(run)
    assert {claim.node for claim in site.store.snapshot().claims.values()} == {"n0", "n1", "n2", "n3"}
    assert site.history("void") == []

    void_claims(site)
    site.tick()
    assert len(site.history("void")) == WINDOW
    assert {record.event.node for record in site.history("probe")} == {*site.pools()}
    assert set(site.pools().values()) == {"good"}
    assert len(farm.nodes) == WINDOW, "nothing more went there"


def test_a_tick_that_waits_for_such_a_slot_looks_again(
    site: Installation, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick, "GOAL_POLL_S", 60.0)
    kill(begin(site))
    use_threads(site)
    site.add("m0")
    run = begin(site)
    void_claims(site)

    run.rest_until = site.clock.monotonic() - 30.0
    assert not is_step_due(run)
    run.rest_until -= 30.0
    assert is_step_due(run)
    step(run)
    assert run.slots_in_use.running_count > 0
    finish(run)


def test_a_tick_of_threads_leaves_the_slots_of_one_that_is_killed_meanwhile(site: Installation, farm: Farm) -> None:
    first = begin(site)
    use_threads(site)
    site.add("m0", "m1")
    run = begin(site)

    kill(first)
    for _ in range(3):
        wait(run)
        step(run)

    assert run.slots_in_use.running_count == 0
    assert len(farm.running) == WINDOW
    kill(run)


def test_a_report_that_comes_again_is_recorded_once(site: Installation, farm: Farm) -> None:
    run = begin(site)
    farm.finish(site.clock)
    again = dict(farm.reports)
    wait(run)
    step(run)
    assert farm.reports == {}
    kill(run)

    farm.reports |= again  # as when the tick was killed before it could say that it has them
    farm.reports["x"] = replace(next(iter(again.values())), token="x")
    second = begin(site)
    farm.finish(site.clock)
    finish(second)
    assert farm.reports == {}
    assert [record.event.id for record in site.history("late")] == ["x-late"]
    assert len(site.history("probe")) == 2 * WINDOW
