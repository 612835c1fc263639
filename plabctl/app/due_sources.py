"""Which inventories and occupancy sources are due, by the times of the files that say when each was last read.

I/O. Asked by every idle tick, so nothing is imported that only reading them takes: that is
`plabctl.app.sync_inventories` and `plabctl.app.sync_occupancy`.
Tests: `tests/app/test_sync_inventories.py`.
"""

from __future__ import annotations

from hashlib import sha256

from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.core.settings import InventorySettings


def find_due_inventories(app: App) -> list[InventorySettings]:
    """Return the inventories that were not read within their interval; all whose last reading lies in the future."""
    return [each for each in app.settings.inventories if _is_due(app, name_stamp(each.name), each.every_s)]


def find_due_occupancies(app: App) -> list[OccupancySettings]:
    """Return the occupancy sources that are due, by the same rule."""
    return [each for each in app.settings.occupancies if _is_due(app, name_occupancy_stamp(each.name), each.every_s)]


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
