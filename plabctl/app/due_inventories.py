"""Which inventories are due, by the times of the files that say when each was last read.

I/O. Asked by every idle tick, so nothing is imported that only reading them takes: that is
`plabctl.app.sync_inventories`.
Tests: `tests/app/test_sync_inventories.py`.
"""

from __future__ import annotations

from hashlib import sha256

from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.settings import InventorySettings


def find_due_inventories(app: App) -> list[InventorySettings]:
    """Return the inventories that were not read within their interval; all whose last reading lies in the future."""

    def is_due(inventory: InventorySettings) -> bool:
        read_at = app.store.last_beat(name_stamp(inventory.name))
        now = app.clock.now()  # after the note: another tick may have read the inventory a moment ago
        return read_at is None or not read_at <= now < read_at + inventory.every_s

    return [inventory for inventory in app.settings.inventories if is_due(inventory)]


def name_stamp(source: str) -> str:
    """Return the name of the file whose time says when the source was last read."""
    return f"inventory-{sha256(source.encode(errors='replace')).hexdigest()[:16]}"
