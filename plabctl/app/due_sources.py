"""Which inventories, occupancy sources and sinks are due, by the times of the files that say when each last was.

I/O. Asked by every idle tick, so nothing is imported that only reading them takes: that is
`plabctl.app.sync_inventories`, `plabctl.app.sync_occupancy` and `plabctl.app.sink_sync`.
Tests: `tests/app/test_sync_inventories.py`.
"""

from __future__ import annotations

from hashlib import sha256

from plabctl.kinds import find
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plabctl.app.context import App
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.core.settings import InventorySettings, SinkSettings
    from plabctl.sinks.base import SyncSinkKind

TICK_PREFIX = "tick "
"""How the keys of those sinks begin that are told of ticks: what goes wrong with them makes no tick fail."""


def find_due_inventories(app: App) -> list[InventorySettings]:
    """Return the inventories that were not read within their interval; all whose last reading lies in the future."""
    return [each for each in app.settings.inventories if _is_due(app, name_stamp(each.name), each.every_s)]


def find_due_occupancies(app: App) -> list[OccupancySettings]:
    """Return the occupancy sources that are due, by the same rule."""
    return [each for each in app.settings.occupancies if _is_due(app, name_occupancy_stamp(each.name), each.every_s)]


def find_due_syncs(app: App) -> list[str]:
    """Return the names of the sinks that are brought in line now though nothing happened, by the same rule."""
    return [
        name
        for name, sink in find_synced_sinks(app.settings.sinks).items()
        if (every_s := find_sync_kind(sink).find_interval(sink)) is not None
        and _is_due(app, name_sync_stamp(name), every_s)
    ]


def find_synced_sinks(sinks: Sequence[SinkSettings]) -> dict[str, SinkSettings]:
    """Return those of `sinks` that are brought in line with what is so, by name."""
    return {name: sink for name, sink in name_eventless_sinks(sinks).items() if find("sink", sink.kind).is_synced}


def find_tick_sinks(sinks: Sequence[SinkSettings]) -> dict[str, SinkSettings]:
    """Return those of `sinks` that are told of ticks, by name."""
    return {name: sink for name, sink in name_eventless_sinks(sinks).items() if find("sink", sink.kind).is_ticked}


def find_sync_kind(sink: SinkSettings) -> SyncSinkKind:
    """Return the kind of a sink that is brought in line with what is so."""
    kind: SyncSinkKind = find("sink", sink.kind)
    return kind


def name_eventless_sinks(sinks: Sequence[SinkSettings]) -> dict[str, SinkSettings]:
    """Return those of `sinks` that are told no events, by the key under which the note on sinks has them."""
    found: dict[str, SinkSettings] = {}
    for sink in sinks:
        kind = find("sink", sink.kind)
        if kind.is_eventless:
            name = f"{TICK_PREFIX if kind.is_ticked else 'sync '}{kind.describe(sink)}"
            found[next(key for key in (name, *(f"{name} {n}" for n in range(2, 999))) if key not in found)] = sink
    return found


def name_sync_stamp(key: str) -> str:
    """Return the name of the file whose time says when the sink was last in line with what is so."""
    return f"sink-{_shorten(key)}"


def name_stamp(source: str) -> str:
    """Return the name of the file whose time says when the inventory was last read."""
    return f"inventory-{_shorten(source)}"


def name_occupancy_stamp(source: str) -> str:
    """Return the name of the file whose time says when the occupancy source was last read."""
    return f"occupancy-{_shorten(source)}"


def _is_due(app: App, stamp: str, every_s: float) -> bool:
    read_at = app.store.last_beat(stamp)
    now = app.clock.now()  # after the note: another tick may have read the source a moment ago
    return read_at is None or not read_at <= now < read_at + every_s


def _shorten(source: str) -> str:
    return sha256(source.encode(errors="replace")).hexdigest()[:16]
