"""Modules that are imported before a tick claims anything, because they may be gone later.

I/O: imports. A tick may run for minutes, and meanwhile plabctl, its libraries or Python itself may be replaced or
removed: what is imported then would be missing, or would not fit what is loaded. The folders below are loaded whole, so
that nobody has to keep a list of their modules. What is a kind has been loaded with the configuration that names it.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from plabctl.probes.deferred_imports import defer_imports
from plabctl.store.tables import pause_collection

FOLDERS = ("plabctl.core", "plabctl.history", "plabctl.probes", "plabctl.sinks", "plabctl.store")
"""Where a tick works while its probes run."""
SPARED = frozenset({"plabctl.core.backoffs", "plabctl.probes.embedded"})
"""Folders in them that are left out: back-offs are kinds and come with the configuration; the other is for the demo."""
OTHERS = (
    "encodings.idna",  # looking any name up
    "ipaddress",  # names of nodes that are addresses
    "plabctl.views.node_reach",  # the status file, where there are liveness checks or several vantages
    "pwd",  # messages that name a user
    "traceback",  # reporting a bug
)
"""What only some code paths import, beside what is in these folders."""

COLLECT_AT = (5000, 10, 10)
"""How many new objects make the collector look through them, in place of 700, and after how many such looks it looks
through the older ones: a login leaves a thousand in circles, and most of what it makes is gone before a look."""


def load() -> None:
    """Import all that a tick which probes may need; raise ImportError when the installation is incomplete."""
    count = len(sys.modules)
    with defer_imports(), pause_collection():
        for name in _list_all():
            if name not in sys.modules:
                import_module(name)
        if len(sys.modules) > count:
            gc.freeze()  # all this stays, and need not be looked through again; not at each call, for garbage stays too
    gc.set_threshold(*COLLECT_AT)


@functools.cache
def _list_all() -> tuple[str, ...]:
    """Return the names of all of them, as they are when this process asks first: later there may be others."""
    return (*(name for folder in FOLDERS for name in _list_modules(folder)), *OTHERS)


def _list_modules(folder: str) -> Iterator[str]:
    """Yield the names of all modules in a package and in the packages inside it."""
    for found in iter_modules(import_module(folder).__path__, f"{folder}."):
        if found.name not in SPARED:
            yield found.name
            if found.ispkg:
                yield from _list_modules(found.name)
