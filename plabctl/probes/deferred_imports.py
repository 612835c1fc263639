"""Import the SSH libraries without what they load and hardly anybody uses.

I/O: imports, and loads nothing itself. invoke, on which both fabric and paramiko are built, loads `unittest.mock`, and
with that asyncio and ssl, for the tests of those who write tasks, and a YAML parser for configuration files, which
plabctl never reads: together a third of what importing fabric costs. `plabctl.app.preload` and `plabctl.probes.prober`
import the libraries in this way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

DEFERRED = {"unittest.mock": ("Mock",), "invoke.vendor.yaml": ()}
"""Modules that are loaded when something of them is used for the first time; and those of their names, all of them
functions or classes, that are imported from them at once."""


class _Deferred(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> object:
        if name in DEFERRED[self.__name__]:
            return _defer_call(self.__name__, name)
        if name.startswith("__"):  # the import system asks for some
            raise AttributeError(name)
        return getattr(_load(self.__name__), name)


@contextmanager
def defer_imports() -> Iterator[None]:
    """Load none of `DEFERRED` for an `import` in the body, unless it is loaded already."""
    added = [name for name in DEFERRED if name not in sys.modules]
    sys.modules.update({name: _Deferred(name) for name in added})
    try:
        yield
    finally:
        for name in added:
            _forget(name)


def _load(name: str) -> ModuleType:
    _forget(name)
    return import_module(name)


def _forget(name: str) -> None:
    """Let the next import of the module load it."""
    if isinstance(sys.modules.get(name), _Deferred):
        del sys.modules[name]


def _defer_call(module: str, name: str) -> Callable[..., object]:
    def call(*arguments: object, **named: object) -> object:
        return getattr(_load(module), name)(*arguments, **named)

    return call
