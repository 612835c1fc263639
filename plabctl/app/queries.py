"""What the reading commands ask for: the state as it is now, without a lock.

I/O. Nothing here writes, waits for a tick, or disturbs one. `plabctl.report` makes of it what people and programs see.
"""

from __future__ import annotations

from plabctl.app.context import App, open_app
from plabctl.core.selection import select
from plabctl.report.status import Situation, in_pools


def look(config_path: str | None) -> Situation:
    """Return the situation of the installation that `config_path` describes; raise ConfigError or StoreError."""
    return look_at(open_app(config_path))


def look_at(app: App) -> Situation:
    """Return the situation of `app`: its state and the last tick, read now."""
    return Situation(app.settings, app.store.snapshot(), app.clock.now(), app.store.last_beat())


def chosen(situation: Situation, words: tuple[str, ...], pools: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the nodes that `words` select (all when there are none), sorted, limited to `pools`.

    Raise NoSuchNode or NoSuchPool for a word or pool that there is nothing for.
    """
    selection = select(words or ("*",), situation.state, situation.settings.pools) if words else None
    names = selection.names if selection else sorted(situation.state.names())
    return list(in_pools(situation, names, pools))
