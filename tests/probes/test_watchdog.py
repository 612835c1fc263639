"""The watchdog's own work; that it enforces deadlines is tested with the probes."""

import pytest

from plabctl.clock import SystemClock
from plabctl.probes.watchdog import Alarm, Watchdog


def test_arming_an_alarm_does_not_look_at_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    plain: property = vars(Alarm)["is_armed"]

    def look(alarm: Alarm) -> bool:
        nonlocal looks
        looks += 1
        return bool(plain.__get__(alarm))

    monkeypatch.setattr(Alarm, "is_armed", property(look))
    clock = SystemClock()
    watchdog = Watchdog(clock)
    armed = [watchdog.arm(clock.monotonic() + 3600, bool) for _ in range(1000)]

    assert looks < 4 * len(armed)
    for alarm in armed:
        alarm.disarm()
    for _ in range(3000):
        watchdog.arm(clock.monotonic() + 3600, bool).disarm()
    assert len(watchdog._heap) < 2500, "those that were disarmed are dropped"
