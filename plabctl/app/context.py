"""What every use case needs: settings, clock, store and random generator.

I/O. `open_app` is the one place that reads the configuration; `plabctl.app.tick` is the use case to read first.
Tests: `tests/app/test_state_check.py`.
"""

from __future__ import annotations

import os

from plabctl.clock import Clock, SystemClock
from plabctl.config.load import load
from plabctl.core.settings import Settings
from plabctl.errors import ConfigError, PluginFault
from plabctl.store.store import Store
from plabctl.typed import TYPE_CHECKING
from plabctl.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from plabctl.core.state import State

_FOUND: dict[str, os.stat_result] = {}
"""What state directories were when this process first used them."""
PLUGIN_HINT = "fix or remove the package that provides it, or name another; check again with: plabctl config check"


@dataclass(frozen=True, slots=True)
class App:
    """An installation of plabctl: its settings, clock and store."""

    settings: Settings
    clock: Clock
    store: Store

    @property
    def state_dir(self) -> Path:
        """The directory of the state."""
        from pathlib import Path

        return Path(self.settings.state_dir)


def open_app(config_path: str | None = None, clock: Clock | None = None) -> App:
    """Return the installation that `config_path`, or the first configuration found, describes; nothing is written."""
    clock = clock or SystemClock()
    settings = load(config_path)
    owners, network_disk = settings.origin.owners, settings.network_disk
    store = Store(settings.state_dir, clock, network_disk=network_disk, owners=owners, found=_FOUND)
    app = App(settings, clock, store)
    if settings.report.status_file:
        # By name, as that module stands on this one; and only with such a file.
        from importlib import import_module

        store.on_commit = import_module("plabctl.app.status_file").StatusFile(app).note_commit
    return app


def duplicate(app: App) -> App:
    """Return the same installation with a store of its own, for another thread."""
    settings, owners = app.settings, app.settings.origin.owners
    store = Store(settings.state_dir, app.clock, network_disk=True, owners=owners, found=app.store.found)
    return App(settings, app.clock, store)


def list_plugin_faults(settings: Settings) -> list[str]:
    """Return what is wrong with plug-ins, each as `FILE: KEY: what`, and which pools are disabled for it."""
    faults = []
    for path, fault in settings.plugin_faults.items():
        pool = path.split(".")[1]
        what = f"; nothing is tested in pool {pool!r}" if path.startswith("pool.") else ""
        faults.append(f"{settings.path}: {path}: {fault}{what}")
    return faults


def check_plugins(settings: Settings) -> None:
    """Raise PluginFault when a plug-in cannot be used."""
    if faults := list_plugin_faults(settings):
        raise PluginFault("\n".join(faults), hint=PLUGIN_HINT)


def check_pools(settings: Settings, state: State) -> None:
    """Raise ConfigError when nodes are in a pool that the configuration does not have (any more)."""
    counts = state.counts()
    faults = [
        f"{settings.path}: pool.{pool}: missing, but {counts[pool]} nodes are in it"
        for pool in sorted(counts.keys() - settings.pools.keys())
    ]
    if faults:
        raise ConfigError(faults, hint="put the pool back, or move its nodes first: plabctl move @POOL OTHER")
