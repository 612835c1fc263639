"""Ticks on a machine whose clock is set, by hand or by a time server, while they come every minute."""

from pathlib import Path

import pytest

from plabctl.app.context import App
from plabctl.clock import SystemClock
from plabctl.store.store import Store
from tests.app.installation import Installation
from tests.app.test_tick import until

HOUR_S = 3600.0
DAY_S = 86400.0


class SetClock(SystemClock):
    """The machine's clocks, of which the wall clock was set by `offset_s`."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now(self) -> float:
        return round(super().now() + self.offset_s, 3)


class Site(Installation):
    """An installation whose clock can be set."""

    def __init__(self, folder: Path, *, setup: str = "", **fields: object) -> None:
        super().__init__(folder, setup=setup, **fields)  # type: ignore[arg-type]  # any field of Settings
        self.clock: SetClock = SetClock()
        self.store = Store(self.settings.state_dir, self.clock)
        self.app = App(self.settings, self.clock, self.store)


@pytest.mark.parametrize("back_s", [60.0, HOUR_S, DAY_S, 3652 * DAY_S])
def test_ticks_go_on_testing_when_the_clock_was_set_back(tmp_path: Path, back_s: float) -> None:
    here = Site(tmp_path)
    here.add("n1")
    here.tick()
    here.clock.offset_s = -back_s
    here.make_due()

    assert here.tick() == 1


@pytest.mark.parametrize("set_s", [DAY_S, -DAY_S])
def test_a_probe_under_way_goes_on_when_the_clock_is_set(tmp_path: Path, set_s: float) -> None:
    here = Site(tmp_path, setup="sleep 2")
    here.add("n1")
    process = here.spawn_tick()
    until(lambda: here.store.snapshot().claims)
    here.clock.offset_s = set_s

    here.tick()
    process.communicate(timeout=20)

    assert here.history("void", "late") == []
    assert here.pools() == {"n1": "good"}
