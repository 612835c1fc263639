"""Ticks on a machine whose clock is set, by hand or by a time server, while they come every minute."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plabctl.app import state_check, tick
from plabctl.app.context import App
from plabctl.app.due_sources import find_due_inventories, name_stamp
from plabctl.app.invocation import is_clock_settling, is_idle
from plabctl.app.queries import read_context_of
from plabctl.clock import SystemClock
from plabctl.core import node_orders
from plabctl.core.settings import InventorySettings
from plabctl.core.state import Changes
from plabctl.errors import ClockFault
from plabctl.store.documents import Snapshot
from plabctl.store.store import BEAT_NAME, Store
from plabctl.views.status import count_totals, find_current_problems
from tests.app.installation import Installation
from tests.app.test_tick import until
from tests.builders import make_inventory, make_order
from tests.lab.fork_server import ForkedProcess
from tests.manual_clock import ManualClock

MINUTES_S = 190.0
HOUR_S = 3600.0
DAY_S = 86400.0


class SetClock(SystemClock):
    """The machine's clocks, of which the wall clock was set by `offset_s`; where `set_by` is given, when it exists."""

    def __init__(self) -> None:
        super().__init__()
        self.offset_s = 0.0
        self.set_by: Path | None = None
        self.booted_s: float | None = None

    def now(self) -> float:
        is_set = self.set_by is None or self.set_by.exists()
        return round(super().now() + is_set * self.offset_s, 3)

    def uptime(self) -> float:
        return super().uptime() if self.booted_s is None else self.booted_s


class Site(Installation):
    """An installation whose clock can be set."""

    def __init__(self, folder: Path, *, setup: str = "", **fields: object) -> None:
        super().__init__(folder, setup=setup, **fields)  # type: ignore[arg-type]  # any field of Settings
        self.clock: SetClock = SetClock()
        self.store = Store(self.settings.state_dir, self.clock)
        self.app = App(self.settings, self.clock, self.store)


@pytest.fixture
def reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give this process, and none that it starts, another boot id."""

    def another() -> None:
        (tmp_path / "boot_id").write_text("another\n")
        monkeypatch.setattr("plabctl.clock._BOOT_ID_PATH", str(tmp_path / "boot_id"))

    return another


@contextmanager
def ticking(here: Installation) -> Iterator[ForkedProcess]:
    """Run a tick in a process of its own; hand it over when it probes, and wait for its end."""
    with here.spawn_tick() as process:
        try:
            until(lambda: here.store.snapshot().claims)
            yield process
            process.communicate(timeout=30)
        finally:
            process.kill()


@pytest.mark.parametrize("back_s", [60.0, HOUR_S, DAY_S, 3652 * DAY_S])
def test_ticks_go_on_testing_when_the_clock_was_set_back(tmp_path: Path, back_s: float) -> None:
    here = Site(tmp_path)
    here.add("n1")
    here.tick()
    here.clock.offset_s, here.clock.booted_s = -back_s, 1e6
    here.make_due()

    assert here.tick() == 1


@pytest.mark.parametrize("set_s", [DAY_S, -DAY_S])
@pytest.mark.parametrize("booted_s", [None, 20.0])
def test_a_probe_under_way_goes_on_when_the_clock_is_set(tmp_path: Path, set_s: float, booted_s: float | None) -> None:
    here = Site(tmp_path, setup="sleep 2")
    here.add("n1")
    with ticking(here) as process:
        here.clock.offset_s = set_s
        here.clock.booted_s = booted_s
        here.tick()

    assert process.returncode == 0
    assert here.history("void", "late") == []
    assert here.pools() == {"n1": "good"}


@pytest.mark.parametrize("back_s", [HOUR_S, DAY_S, 3652 * DAY_S])
@pytest.mark.parametrize("booted_s", [20.0, 1e6])
def test_what_a_tick_found_is_settled_when_its_clock_is_set_back(
    tmp_path: Path, back_s: float, booted_s: float, reboot: Callable[[], None]
) -> None:
    here = Site(tmp_path, setup=f"touch {tmp_path}/set; exit 2")
    here.add("n1")
    reboot()
    here.clock.booted_s = booted_s
    here.clock.offset_s, here.clock.set_by = -back_s, tmp_path / "set"

    assert here.tick() == 1

    assert here.member("n1").fail_streak == 1
    assert here.history("void", "late") == []
    assert not is_clock_settling(here.app)
    here.make_due()
    assert here.tick() == 1


@pytest.mark.parametrize("now", [100.0, 1_600_000_000.0])
def test_a_machine_that_was_just_booted_and_does_not_know_the_time_decides_nothing(
    tmp_path: Path, now: float, reboot: Callable[[], None]
) -> None:
    here = Site(tmp_path)
    here.add("n1")
    here.tick()
    here.break_node("n1")
    before = here.store.snapshot()
    reboot()
    here.clock.offset_s = now - SystemClock().now()
    here.clock.booted_s = 20.0

    assert is_clock_settling(here.app)
    with pytest.raises(ClockFault):
        here.tick()

    assert here.store.snapshot().rev == before.rev
    here.clock.offset_s = 2 * HOUR_S
    assert not is_clock_settling(here.app)
    assert not is_idle(here.app)
    here.tick()
    assert here.pools() == {"n1": "bad"}


def test_a_clock_that_is_never_set_is_complained_about_and_one_that_lies_behind_is_believed_in_the_end(
    tmp_path: Path,
) -> None:
    here = Site(tmp_path)
    here.add("n1")
    here.tick()
    here.clock.booted_s = 601.0

    here.clock.offset_s = 100.0 - SystemClock().now()
    with pytest.raises(ClockFault, match="not set"):
        is_clock_settling(here.app)
    here.clock.offset_s = -3652 * DAY_S
    assert not is_clock_settling(here.app)


def test_a_hold_lasts_as_long_as_it_was_meant_to_when_the_clock_is_set_back(tmp_path: Path) -> None:
    here = Site(tmp_path)
    here.add("n1")
    here.tick()
    with here.store.session() as state:
        order = make_order(now=here.clock.now())
        state.apply(node_orders.hold(state, here.settings, ["n1"], order, order.now + HOUR_S))
    here.clock.offset_s, here.clock.booted_s = -DAY_S, 1e6
    here.tick()

    hold = here.member("n1").hold
    assert hold is not None
    assert hold.until_at == pytest.approx(here.clock.now() + HOUR_S, abs=60)
    assert here.member("n1").since_at <= here.clock.now()


def test_a_clock_that_is_set_back_while_a_tick_commits_makes_no_later_tick_idle(tmp_path: Path) -> None:
    here = Site(tmp_path)
    here.add("n1")
    here.tick()
    with here.store.session() as state:
        order = make_order(now=here.clock.now())
        state.apply(node_orders.retest(state, ["n1"], order))
        here.clock.offset_s, here.clock.booted_s = -DAY_S, 1e6

    assert not is_idle(here.app)
    assert here.tick() == 1
    assert is_idle(here.app)


@pytest.mark.parametrize("what", ["sleep", "boot"])
def test_what_a_tick_finds_after_a_sleep_or_for_an_earlier_boot_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    here = Site(tmp_path, setup=f"touch {tmp_path}/begun; sleep 1; exit 2")
    here.add("n1")
    with ticking(here) as process:
        until((tmp_path / "begun").exists)  # by then it has let go of the lock of the state
        os.kill(process.pid, signal.SIGSTOP)
        if what == "sleep":
            here.clock.booted_s = here.clock.uptime() + 8 * HOUR_S
        else:
            monkeypatch.setattr(tick, "read_boot_id", lambda: "another")

        here.tick()
        os.kill(process.pid, signal.SIGCONT)

    assert len(here.history("void")) == len(here.history("late")) == 1
    assert len(here.history("probe")) == here.member("n1").fail_streak == 1


class BusyStore(Store):
    """A store in which a tick begins and commits at each reading, while the clock goes on."""

    def __init__(self, here: Installation, clock: ManualClock) -> None:
        super().__init__(here.settings.state_dir, clock)
        self._ticking = clock, Store(here.settings.state_dir, clock)

    def _let_a_tick_come(self) -> None:
        clock, others = self._ticking
        clock.advance(MINUTES_S)
        others.beat()
        for inventory in make_inventories():
            others.beat(name_stamp(inventory.name))
        with others.session() as state:
            state.apply(Changes(notes={"tick": {"at": clock.now()}}))

    def snapshot(self, *, anew: bool = False) -> Snapshot:
        self._let_a_tick_come()
        return super().snapshot(anew=anew)

    def saved_at(self) -> float:
        self._let_a_tick_come()
        return super().saved_at()

    def last_beat(self, name: str = BEAT_NAME) -> float | None:
        self._let_a_tick_come()
        return super().last_beat(name)


def make_inventories() -> tuple[InventorySettings, ...]:
    return (make_inventory("file", path="nodes", every_s=7200.0),)


@pytest.fixture
def busy(tmp_path: Path) -> App:
    here = Installation(tmp_path, inventories=make_inventories())
    here.add("n1")
    clock = ManualClock(here.clock.now())
    return App(here.settings, clock, BusyStore(here, clock))


def test_a_tick_that_begins_during_a_reading_is_not_ahead_of_it(busy: App) -> None:
    context = read_context_of(busy)

    assert context.last_tick_at is not None
    assert context.last_tick_at <= context.now
    assert isinstance(context.state, Snapshot)
    assert context.state.head
    assert context.state.head.saved_at <= context.now
    assert find_current_problems(context, count_totals(context)) == []


def test_the_doctor_does_not_take_a_commit_during_its_work_for_a_clock_set_back(busy: App) -> None:
    assert [str(each) for each in state_check.check(busy) if each.topic == "clock"] == []


def test_a_commit_right_after_a_boot_is_not_taken_for_a_clock_set_back(
    busy: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("plabctl.clock._BOOT_ID_PATH", str(tmp_path / "missing"))
    monkeypatch.setattr(busy.clock, "uptime", lambda: 20.0)

    assert busy.store.explain_clock_doubt() == ""


def test_an_inventory_that_another_tick_reads_meanwhile_is_not_due(busy: App) -> None:
    assert find_due_inventories(busy) == []
