import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from plabctl.app import sync_occupancy, tick
from plabctl.app.context import App
from plabctl.app.goals import RetestGoal
from plabctl.app.invocation import is_idle
from plabctl.app.signals import Stop
from plabctl.app.slots_in_use import SlotsInUse
from plabctl.app.sync_occupancy import sync_due_occupancies
from plabctl.clock import SystemClock
from plabctl.core import claim
from plabctl.core.occupancy import find_busy, make_occupancy_note
from plabctl.store.store import Store
from plabctl.values import replace
from tests.app.installation import Installation
from tests.builders import make_occupancy, make_order
from tests.lab.wait_until import wait_until


def with_busy(folder: Path, *busy: str, **fields: Any) -> Installation:
    """Four nodes, and a source that lists as busy what stands in a file."""
    here = Installation(folder, occupancies=(make_occupancy(command=("/bin/cat", str(folder / "busy")), **fields),))
    set_busy(here, *busy)
    here.add("n1", "n2", "n3", "n4")
    return here


def set_busy(here: Installation, *names: str) -> None:
    (here.folder / "busy").write_text("".join(f"{name}\n" for name in names))
    forget_reading(here)


def forget_reading(here: Installation) -> None:
    for stamp in here.app.state_dir.glob("occupancy-*"):
        stamp.unlink()


def list_tested(here: Installation) -> list[str]:
    return sorted(member.node for member in here.store.snapshot().members() if member.last)


def test_a_busy_node_is_not_tested_until_it_is_released(tmp_path: Path) -> None:
    here = with_busy(tmp_path, "N2", "n4", "elsewhere")

    here.tick()

    assert list_tested(here) == ["n1", "n3"]
    set_busy(here, "n4")
    here.tick()
    assert list_tested(here) == ["n1", "n2", "n3"]


def test_a_tick_ends_although_only_busy_nodes_are_due(tmp_path: Path) -> None:
    here = with_busy(tmp_path, "n1", "n2", "n3", "n4")

    assert here.tick() == 0
    assert here.tick() == 0


def test_a_source_is_read_when_it_is_due(tmp_path: Path) -> None:
    here = with_busy(tmp_path, every_s=300.0)

    assert not is_idle(here.app)
    here.tick()
    here.tick()  # whatever the first test of a node calls for
    assert is_idle(here.app)
    forget_reading(here)
    assert not is_idle(here.app)


def test_a_source_that_fails_is_believed_for_a_while(tmp_path: Path) -> None:
    here = with_busy(tmp_path, "n2")
    here.tick()
    (tmp_path / "busy").unlink()
    forget_reading(here)

    sync_due_occupancies(here.app)

    state = here.store.snapshot()
    note = make_occupancy_note("scheduler").read(state.notes)
    assert "no such file" in note.fault.lower()
    assert "n2" in find_busy(state.notes, here.settings.occupancies, here.clock.now())
    here.settings = replace(here.settings, occupancies=(replace(here.settings.occupancies[0], stale_after_s=0.0),))
    here.app = App(here.settings, here.clock, here.store)
    here.tick()
    assert list_tested(here) == ["n1", "n2", "n3", "n4"]


def test_a_reading_with_nothing_new_commits_nothing(tmp_path: Path) -> None:
    here = with_busy(tmp_path, "n2")
    sync_due_occupancies(here.app)
    before = here.store.snapshot().rev
    forget_reading(here)

    sync_due_occupancies(here.app)

    assert here.store.snapshot().rev == before


def test_who_waits_for_a_test_does_not_wait_for_a_release(tmp_path: Path) -> None:
    here = with_busy(tmp_path, "n2")
    here.tick()
    goal = RetestGoal(["n1", "n2"], make_order(now=here.clock.now()))

    here.tick(tick_goal=goal)

    assert (here.member("n1").requested_at, here.member("n2").last) == (None, None)
    assert here.member("n2").requested_at is not None, "it is tested when it is released"
    set_busy(here)
    here.tick()
    assert here.member("n2").last


def test_a_slow_reading_frees_no_node_that_a_later_one_found_busy(tmp_path: Path) -> None:
    here = with_busy(tmp_path, "n1", "n2")
    code = 'said=$(cat busy); if mv slow going; then while test ! -e go; do sleep 0.02; done; fi; echo "$said"'
    slow = replace(make_occupancy(command=("/bin/sh", "-c", f"cd {tmp_path}; {code}")), every_s=0.0)
    here.settings = replace(here.settings, occupancies=(slow,))
    here.app = App(here.settings, here.clock, here.store)
    sync_due_occupancies(here.app)
    (tmp_path / "slow").touch()
    set_busy(here, "n2", "n3")
    first = threading.Thread(target=sync_due_occupancies, args=(here.app,))
    first.start()
    assert wait_until((tmp_path / "going").exists, within_s=20.0)
    set_busy(here, "n1", "n2")

    sync_due_occupancies(here.app)
    (tmp_path / "go").touch()
    first.join()

    busy = find_busy(here.store.snapshot().notes, here.settings.occupancies, here.clock.now())
    assert sorted(busy) == ["n1", "n2", "n3"]
    assert here.member("n1").liveness is None, "no release was seen"


@pytest.mark.parametrize("point", ["read", "noted", "claim", "claimed"])
def test_a_tick_that_is_killed_loses_no_release_and_tests_no_busy_node(tmp_path: Path, point: str) -> None:
    here = with_busy(tmp_path, "n2")
    pools = {name: replace(pool, at_release="test") for name, pool in here.settings.pools.items()}
    here.settings = replace(here.settings, pools=pools)
    here.app = App(here.settings, here.clock, here.store)
    here.tick()
    here.tick()
    tests = count_tests(here)
    assert tests["n2"] == 0
    here.make_due("n3")
    set_busy(here, "n3")

    tick_until_killed(here, point)
    forget_reading(here)
    here.tick()

    assert count_tests(here)["n3"] == tests["n3"], "in use since before the tick that was killed"
    assert count_tests(here)["n2"] >= 1
    assert here.member("n2").release_test_since_at is None
    assert here.pools()["n2"] == "good"
    assert "n3" in find_busy(here.store.snapshot().notes, here.settings.occupancies, here.clock.now())


def count_tests(here: Installation) -> Counter[str | None]:
    return Counter(record.event.node for record in here.history("probe"))


def tick_until_killed(here: Installation, point: str) -> None:
    """Run a tick in a process that kills itself when it gets there."""
    path = here.folder / "settings.pickle"
    path.write_bytes(pickle.dumps(here.settings))
    code = f"from tests.app.test_sync_occupancy import die; die({str(path)!r}, {point!r})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == -signal.SIGKILL, "it did not get there"


def die(settings_path: str, point: str) -> None:
    """Run a tick that kills its process at that point."""
    points: dict[str, tuple[object, str]] = {
        "read": (sync_occupancy, "plan_occupancy"),
        "noted": (sync_occupancy, "read_fault"),
        "claim": (claim, "list_candidates"),
        "claimed": (SlotsInUse, "launch"),
    }
    owner, name = points[point]
    assert hasattr(owner, name)
    setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    settings, clock = pickle.loads(Path(settings_path).read_bytes()), SystemClock()
    tick.run_tick(App(settings, clock, Store(settings.state_dir, clock)), Stop())


def test_a_source_that_says_something_else_each_time_is_believed_each_time(tmp_path: Path) -> None:
    here = with_busy(tmp_path, every_s=0.0)
    for names in (["n1"], ["n2", "n3"], [], ["n1", "n2", "n3", "n4"], ["n4"]):
        set_busy(here, *names)
        sync_due_occupancies(here.app)
        assert sorted(find_busy(here.store.snapshot().notes, here.settings.occupancies, here.clock.now())) == names


@pytest.mark.parametrize("count", [100_000])
def test_a_list_of_very_many_nodes_is_noted(tmp_path: Path, count: int) -> None:
    here = with_busy(tmp_path, *(f"other{number}" for number in range(count)), "n1")

    sync_due_occupancies(here.app)

    state = here.store.snapshot()
    busy = find_busy(state.notes, here.settings.occupancies, here.clock.now())
    assert len(busy) == count + 1
    assert "n1" in busy
