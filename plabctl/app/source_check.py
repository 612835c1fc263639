"""Check that inventories and occupancy sources can be read as ticks do: cron gives commands hardly any environment.

I/O: reads the sources, so it runs their commands. Go on with `plabctl.inventories.fetch`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from plabctl.app.findings import Finding, fail, ok, warn
from plabctl.core.settings import InventorySettings, Settings
from plabctl.counts import format_count
from plabctl.inventories.base import InventoryKind
from plabctl.inventories.fetch import fetch
from plabctl.kinds import find
from plabctl.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.core.occupancy import OccupancySettings
    from plabctl.occupancy.base import OccupancyKind

_GIVEN = ("HOME", "LOGNAME", "LANG")
"""What cron gives of the environment that users have when they log in, beside a shell and a short path: crontab(5)."""
_PATH = "/usr/bin:/bin"
_CRON_ADVICE = "say what it needs in its `environment`, or in the crontab"


def check(settings: Settings, told: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield how many nodes each source lists, or why it cannot be read as cron has it read.

    Plug-ins that are broken, and files that the texts `told` name, have been told of before.
    """
    for source in settings.inventories:
        if _is_told("inventory", source, told):
            continue
        with _as_in_cron():
            found = fetch(source, settings.origin)
        if not found.fault:
            yield ok("inventory", f"'{source.name}' lists {len(found.reading.nodes)} nodes")
        elif fetch(source, settings.origin).fault:
            yield fail("inventory", found.fault, "correct it, then run: plabctl inventory sync")
        else:
            yield warn(
                "inventory",
                f"'{source.name}' can be read here, and not with the environment of cron: {found.fault}",
                _CRON_ADVICE,
            )
    for each in settings.occupancies:
        if not _is_told("occupancy", each, told):
            yield _check_occupancy(each, settings)


def _is_told(point: str, source: InventorySettings | OccupancySettings, told: Sequence[str]) -> bool:
    kind: InventoryKind | OccupancyKind = find(point, source.kind)
    files = [f"'{path}'" for path, _ in kind.list_named_files(source.options)]
    return bool(kind.fault) or any(file in text for file in files for text in told)


def _check_occupancy(source: OccupancySettings, settings: Settings) -> Finding:
    """Return how many nodes an occupancy source calls busy, or why it cannot be read as cron has it read."""
    from plabctl.occupancy.base import read_source

    now = time.time()
    with _as_in_cron():
        found = read_source(source, settings.origin, now)
    if not found.fault:
        return ok("occupancy", f"'{source.name}' lists {format_count(len(found.uses), 'busy node')}")
    if read_source(source, settings.origin, now).fault:
        return fail("occupancy", f"'{source.name}': {found.fault}", "correct it")
    text = f"'{source.name}' can be read here, and not with the environment of cron: {found.fault}"
    return warn("occupancy", text, _CRON_ADVICE)


@contextmanager
def _as_in_cron() -> Iterator[None]:
    """Have commands started with what cron gives them; for a process of one thread."""
    before = dict(os.environ)
    bare = {name: before[name] for name in _GIVEN if name in before}
    os.environ.clear()
    os.environ.update(bare, SHELL="/bin/sh", PATH=_PATH)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
