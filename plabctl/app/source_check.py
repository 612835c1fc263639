"""Check that the sources of nodes can be read as ticks read them: cron gives commands hardly any environment.

I/O: reads the sources, so it runs their commands. Go on with `plabctl.inventories.fetch`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from plabctl.app.findings import Finding, fail, ok, warn
from plabctl.core.settings import Settings
from plabctl.inventories.base import InventoryKind
from plabctl.inventories.fetch import fetch
from plabctl.kinds import find

_GIVEN = ("HOME", "LOGNAME", "LANG")
"""What cron gives of the environment that users have when they log in, beside a shell and a short path: crontab(5)."""
_PATH = "/usr/bin:/bin"


def check(settings: Settings, told: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield how many nodes each source lists, or why it cannot be read as cron has it read.

    Plug-ins that are broken, and files that the texts `told` name, have been told of before.
    """
    for source in settings.inventories:
        kind: InventoryKind = find("inventory", source.kind)
        files = [f"'{path}'" for path, _ in kind.list_named_files(source.options)]
        if kind.fault or any(file in text for file in files for text in told):
            continue
        with _as_in_cron():
            found = fetch(source, settings.origin)
        if not found.fault:
            yield ok("inventory", f"'{source.name}' lists {len(found.reading.nodes)} nodes")
        elif fetch(source, settings.origin).fault:
            yield fail("inventory", found.fault, "correct it, then run: plabctl inventory sync")
        else:
            advice = "say what it needs in its `environment`, or in the crontab"
            yield warn(
                "inventory",
                f"'{source.name}' can be read here, and not with the environment of cron: {found.fault}",
                advice,
            )


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
