"""What one process has room for, and that a tick keeps to it."""

import resource
from pathlib import Path

import pytest

from plabctl.app import capacity as this
from plabctl.app.slots_in_use import SlotsInUse
from plabctl.store.slots import Slots
from tests.app.installation import Installation

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.mark.parametrize(
    ("kind", "limits", "expected"),
    [
        (resource.RLIMIT_NOFILE, UNLIMITED, 1_000_000),
        (resource.RLIMIT_NOFILE, (24, 622), 200),
        (resource.RLIMIT_NOFILE, (24, 24), 1),
        (resource.RLIMIT_NOFILE, (4, 4), 1),
        (resource.RLIMIT_AS, (1, 1), 1),
        (resource.RLIMIT_AS, (3000 * 1024**2 + this.BYTES_KEPT, 4000 * 1024**2), 1000),
    ],
)
def test_the_limits_say_how_many_probes_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, kind: int, limits: tuple[int, int], expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda asked: limits if asked == kind else UNLIMITED)
    monkeypatch.setattr(this, "_read_address_space", lambda: 1000 * 1024**2)

    assert this.compute_capacity() == expected


def test_what_is_in_use_is_asked_of_the_system() -> None:
    assert this._read_address_space() > 1024**2


def test_a_tick_holds_no_more_slots_than_it_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plabctl.app.slots_in_use.compute_capacity", lambda: 2)
    installation = Installation(tmp_path, window=8)
    installation.add("n1")
    slots = Slots(installation.app.state_dir, 8)
    slots_in_use = SlotsInUse(installation.app, slots)

    slots_in_use.take_slots(5)
    slots_in_use.take_slots(5)

    assert len(slots.held) == len(slots_in_use.idle) == 2
    slots.close()


def test_a_tick_with_room_for_one_probe_tests_all_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this, "compute_capacity", lambda: 1)
    installation = Installation(tmp_path, window=8)
    installation.add("n1", "n2", "n3")

    installation.tick()

    assert set(installation.pools().values()) == {"good"}
