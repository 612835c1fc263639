from pathlib import Path
from typing import Any

import pytest

from plabctl.app.context import App
from plabctl.app.goals import RetestGoal
from plabctl.app.invocation import is_idle
from plabctl.app.sync_occupancy import sync_due_occupancies
from plabctl.core.occupancy import find_busy, make_occupancy_note
from plabctl.values import replace
from tests.app.installation import Installation
from tests.builders import make_occupancy, make_order


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
