"""Only one tick at a time reads a source of nodes or of who uses them: the others go on with what they have.

I/O: a lock file for each source, which the kernel gives back when its holder dies. Its time says until when the reading
takes at most: a tick that was stopped, or that does not go on, keeps no source from being read. A reading that a person
asks for takes no lock.
Tests: `tests/app/test_sync_inventories.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from plabctl.errors import StoreError
from plabctl.files.locks import open_locked

if TYPE_CHECKING:
    from plabctl.app.context import App
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.core.settings import InventorySettings

_Source = TypeVar("_Source", "InventorySettings", "OccupancySettings")
_SLACK_S = 60.0


@contextmanager
def lock_due(
    app: App,
    find_due: Callable[[App], list[_Source]],
    name_stamp: Callable[[str], str],
    known: Sequence[_Source],
) -> Iterator[list[_Source]]:
    """Give the sources that are due and that no other tick is reading, for the time of the block.

    `known` are all sources of this sort, `name_stamp` names the file whose time says when one was last read.
    """
    due = find_due(app)
    paths = {each.name: f"{app.settings.state_dir}/{name_stamp(each.name)}.lock" for each in due}
    end_at = app.clock.now() + _SLACK_S + sum(each.timeout_s for each in known)
    with ExitStack() as locks:
        free = {name for name, path in paths.items() if _may_read(path, app.clock.now(), end_at, locks)}
        # Another tick may have read one between the first look and the lock.
        yield [each for each in find_due(app) if each.name in free] if free else []


def _may_read(path: str, now: float, end_at: float, locks: ExitStack) -> bool:
    """Take the lock, if it is free, for as long as `locks`; return whether the source may be read in any case."""
    try:
        fd = open_locked(path)
    except (StoreError, OSError):
        return True  # whatever is wrong with the directory is told by who writes there
    if fd is not None:
        locks.callback(os.close, fd)
        with suppress(OSError):
            os.utime(fd, (now, end_at))
        return True
    with suppress(OSError):
        return not now <= os.stat(path, follow_symlinks=False).st_mtime <= end_at + 1.0
    return True
