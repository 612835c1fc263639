"""Reading what is due of the sources that say which nodes there are, and which of them are in use.

I/O, without any lock but for the moment in which what is new is noted. Inventories come first: a node that joins is
known by the time somebody may be using it.
Tests: `tests/app/test_sync_occupancy.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plabctl.app.sync_inventories import sync_due_inventories

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.errors import PlabctlError


def sync_due_sources(app: App) -> list[PlabctlError]:
    """Read the inventories and the occupancy sources that are due; return what went wrong, one fault a source."""
    faults: list[PlabctlError] = [*sync_due_inventories(app)]
    if app.settings.occupancies:
        from plabctl.app.sync_occupancy import sync_due_occupancies  # few have such a source

        faults += sync_due_occupancies(app)
    return faults
