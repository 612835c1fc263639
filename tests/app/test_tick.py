"""Real ticks over real commands: who is where afterwards, and what is left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.app.goals import RetestGoal
from plabctl.app.slots_in_use import compute_rest
from plabctl.core import node_orders
from plabctl.core.model import Leftover
from plabctl.core.recipe import Stage
from plabctl.core.settings import DeadlineSettings
from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store.slots import Slots
from tests.app.installation import Installation
from tests.builders import make_order


def until(true: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Wait until `true` says so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def test_new_nodes_prove_themselves_and_the_broken_one_stays_in_bad(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1", "n2", "n3")
    here.break_node("n2")

    here.tick()

    assert here.pools() == {"n1": "good", "n2": "bad", "n3": "good"}
    verdict = here.member("n2").last
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == ("fail", "setup")


def test_a_node_that_enters_good_is_tested_again_in_the_same_tick(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")

    assert here.tick() == 2
    assert here.member("n1").ok_streak == 2


def test_a_failing_good_node_is_confirmed_within_one_tick(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    here.tick()
    here.break_node("n1")
    here.make_due()

    here.tick()

    assert here.pools() == {"n1": "bad"}
    assert [record.event.kind for record in here.history("suspect", "transition")] == [
        "transition", "suspect", "transition",
    ]  # fmt: skip


def test_a_repaired_node_comes_back(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    here.break_node("n1")
    here.tick()
    here.mend_node("n1")
    here.make_due()

    here.tick()

    assert here.pools() == {"n1": "good"}


def test_each_probe_is_in_the_history_once_and_the_outbox_is_empty(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1", "n2")

    count = here.tick()

    assert len(here.history("probe")) == count == 4
    assert not here.store.snapshot().outbox
    assert not here.store.snapshot().claims


def test_a_tick_with_nothing_due_changes_nothing(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    here.tick()
    before = here.store.snapshot().rev

    assert here.tick() == 0
    assert here.store.snapshot().rev == before


def test_a_named_node_is_tested_whatever_its_time_and_no_other(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1", "n2")
    here.tick()
    with here.store.session() as state:
        state.apply(node_orders.retest(state, ["n1"], make_order(now=here.clock.now())))

    assert here.tick(tick_goal=RetestGoal(["n1"])) == 1
    assert (here.member("n1").ok_streak, here.member("n2").ok_streak) == (3, 2)
    assert here.member("n1").requested_at is None


def test_a_node_without_a_recipe_is_pushed_back_and_blocks_nobody(tmp_path: Path) -> None:
    here = Installation(tmp_path, window=1)
    here.add("lost", recipe="nowhere")
    here.add("n1")

    here.tick()

    assert here.pools() == {"lost": "bad", "n1": "good"}
    verdict = here.member("lost").last
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == ("unknown", "local")
    assert "nowhere" in verdict.reason
    assert here.member("lost").due_at > here.clock.now() + 30


def test_more_nodes_than_slots_are_all_tested_and_never_more_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    here = Installation(tmp_path, setup=f"echo + >> {log}; sleep 0.05; echo - >> {log}", window=4)
    here.add(*(f"n{number}" for number in range(30)))

    here.tick()

    assert set(here.pools().values()) == {"good"}
    assert most_at_once(log) <= 4


def test_overlapping_ticks_share_the_window(tmp_path: Path) -> None:
    log = tmp_path / "log"
    here = Installation(tmp_path, setup=f"echo + >> {log}; sleep 0.1; echo - >> {log}", window=3)
    here.add(*(f"n{number}" for number in range(40)))

    ticks = [here.spawn_tick() for _ in range(4)]
    for process in ticks:
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, "")

    here.tick()
    assert set(here.pools().values()) == {"good"}
    assert most_at_once(log) == 3


def most_at_once(log: Path) -> int:
    most = now = 0
    for line in log.read_text().split():
        now += 1 if line == "+" else -1
        most = max(most, now)
    return most


def test_an_older_tick_leaves_the_window_to_the_newest(tmp_path: Path) -> None:
    own = f"{tmp_path}/{{node}}"
    setup = f"touch {own}.begun; until test -e {own}.go || test -e {tmp_path}/all.go; do sleep 0.05; done"
    here = Installation(tmp_path, setup=setup, timeout_s=60.0, window=2)
    here.add(*(f"n{number}" for number in range(12)))
    older = here.spawn_tick()
    until(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
    first = here.store.newest_tick()
    newer = here.spawn_tick()
    until(lambda: here.store.newest_tick() != first)
    until(lambda: len(here.store.snapshot().claims) == 2)  # the older one has looked, and let go what it had in hand
    for path in tmp_path.glob("*.begun"):
        path.with_suffix(".go").touch()

    older.communicate(timeout=30)

    assert newer.poll() is None, "the older one must end while the newer still fills the window"
    (tmp_path / "all.go").touch()
    newer.communicate(timeout=60)
    assert set(here.pools().values()) == {"good"}


def test_a_killed_tick_costs_no_node_anything_and_its_debris_is_torn_down(tmp_path: Path) -> None:
    setup = f"touch {tmp_path}/{{node}}.begun; test -e {tmp_path}/go || sleep 60"
    here = Installation(tmp_path, setup=setup, window=3)
    here.add("n1", "n2", "n3")
    doomed = here.spawn_tick()
    until(lambda: len(list(tmp_path.glob("*.begun"))) == 3)  # one that is being forked would hold its slot on
    vnodes = {claim.vnode for claim in here.store.snapshot().claims.values()}
    doomed.kill()
    doomed.communicate()
    (tmp_path / "go").touch()

    here.tick()

    assert vnodes <= set((tmp_path / "torn-down").read_text().split())
    for name in ("n1", "n2", "n3"):
        member = here.member(name)
        assert (member.pool, member.fail_streak, member.leftovers) == ("good", 0, ())
    assert len(here.history("void")) == 3


def test_a_tick_told_to_stop_ends_at_once_and_counts_nothing_against_its_nodes(tmp_path: Path) -> None:
    here = Installation(tmp_path, setup="sleep 60", timeout_s=90.0)
    here.add("n1", "n2")
    process = here.spawn_tick()
    until(lambda: len(here.store.snapshot().claims) == 2)
    began = time.monotonic()
    process.terminate()
    output, _ = process.communicate(timeout=10)

    assert time.monotonic() - began < 2.5
    assert (process.returncode, output) == (143, "")
    member = here.member("n1")
    assert not here.store.snapshot().claims
    assert (member.fail_streak, len(member.leftovers)) == (0, 1)
    assert member.due_at <= here.clock.now()


def test_the_report_of_a_tick_that_slept_through_a_move_is_not_applied(tmp_path: Path) -> None:
    here = Installation(tmp_path, setup=f"touch {tmp_path}/begun; sleep 1")
    here.add("n1")
    process = here.spawn_tick()
    until((tmp_path / "begun").exists)  # stopped any earlier, it might still hold the lock of the state
    os.kill(process.pid, signal.SIGSTOP)
    with here.store.session() as state:
        moved = node_orders.move(state, here.settings, ["n1"], "good", make_order(now=here.clock.now()), None)
        state.apply(moved)
        state.apply(Changes(members=(replace(moved.members[0], due_at=here.clock.now() + 300),)))
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=20)

    assert here.pools() == {"n1": "good"}
    assert here.member("n1").last is None
    assert len(here.history("late")) == 1


def test_a_stage_that_never_ends_costs_its_deadline_and_no_more(tmp_path: Path) -> None:
    here = Installation(tmp_path, setup="sleep 60", timeout_s=1.0)
    here.add("n1")
    began = time.monotonic()

    here.tick()

    assert time.monotonic() - began < 4
    verdict = here.member("n1").last
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == ("fail", "deadline")


def test_slots_held_by_others_are_waited_for(tmp_path: Path) -> None:
    here = Installation(tmp_path, window=1)
    here.add("n1")
    others = Slots(here.app.state_dir, 1)
    assert others.take(1) == [1]
    process = here.spawn_tick()
    until(here.store.newest_tick)
    time.sleep(0.5)
    assert process.poll() is None
    assert here.pools() == {"n1": "bad"}

    others.close()
    process.communicate(timeout=20)

    assert here.pools() == {"n1": "good"}


def test_nothing_new_is_started_while_the_machine_is_too_busy(tmp_path: Path) -> None:
    here = Installation(tmp_path, max_load=0.000001)
    here.add("n1")
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as busy:
        try:
            until(lambda: os.getloadavg()[0] > 0.0)
            assert here.tick() == 0
        finally:
            busy.kill()

    assert here.pools() == {"n1": "bad"}


def test_a_failed_teardown_is_remembered_and_done_before_the_next_probe(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    stuck = Stage(run=f"test ! -e {tmp_path}/stuck || exit 2; echo {{vnode}} >> {tmp_path}/torn-down", timeout_s=5.0)
    recipe = replace(here.recipe, teardown=stuck)
    here = Installation(tmp_path, recipes={"process": recipe})
    (tmp_path / "stuck").touch()
    here.add("n1")
    here.tick()
    member = here.member("n1")
    assert member.pool == "good"
    left = {piece.vnode for piece in member.leftovers}
    assert left

    (tmp_path / "stuck").unlink()
    here.make_due()
    here.tick()

    assert here.member("n1").leftovers == ()
    assert left <= set((tmp_path / "torn-down").read_text().split())


def test_a_damaged_history_keeps_no_node_from_moving_and_nothing_is_forgotten(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    (here.app.state_dir / "history.db").write_bytes(b"no database" * 100)

    with pytest.raises(StoreError, match=r"history\.db"):
        here.tick()

    assert here.pools() == {"n1": "good"}
    assert {"node-added", "probe", "transition"} <= {event.kind for event in here.store.snapshot().outbox}


def test_a_good_node_that_a_learned_deadline_cut_off_is_tested_again_with_all_its_time_and_never_moves(
    tmp_path: Path,
) -> None:
    deadlines = DeadlineSettings(floor_s=1.5, min_passes=4)
    command = f"test ! -e {tmp_path}/{{node}}.slow || sleep 2.5"
    here = Installation(tmp_path, setup=command, timeout_s=90.0, deadlines=deadlines)
    here.add("n1", "n2")
    for _ in range(2):
        here.tick()
        here.make_due()
    before = here.member("n1")

    def probes_of(name: str) -> list[Mapping[str, object]]:
        return [record.event.data for record in here.history("probe") if record.event.node == name]

    told = len(probes_of("n1"))
    (tmp_path / "n1.slow").touch()

    here.tick()

    cancellation, passed = probes_of("n1")[told:]
    assert (cancellation["outcome"], cancellation["cause"]) == ("fail", "deadline")
    assert str(cancellation["reason"]).startswith("setup did not end within 1.5 s")
    assert str(cancellation["reason"]).endswith("(a deadline learned from passes; the recipe allows 1m30s)")
    assert passed["outcome"] == "pass"
    after = here.member("n1")
    assert (after.pool, after.since_at, after.ok_streak) == ("good", before.since_at, before.ok_streak + 1)
    assert here.history("suspect") == []


def test_what_is_left_on_a_node_whose_recipe_is_configured_no_more_is_not_forgotten(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1", recipe="gone")
    piece = Leftover("plabctl-old", "process", here.clock.now())
    with here.store.session() as state:
        state.apply(Changes(members=(replace(here.member("n1"), leftovers=(piece,)),)))

    assert here.tick() == 1

    last = here.member("n1").last
    assert last
    assert (last.outcome, last.reason) == ("unknown", "recipe 'gone' is not configured")
    assert here.member("n1").leftovers == (piece,)


@pytest.mark.parametrize("is_leaving", [False, True])
def test_a_step_that_stood_for_hours_is_followed_by_no_such_pause(*, is_leaving: bool) -> None:
    """The tick keeps its slots meanwhile, and with them the window."""
    assert compute_rest(7200.0, is_leaving=is_leaving) == 30.0
    assert compute_rest(1.5, is_leaving=is_leaving) == (1.5 if is_leaving else 6.0)
