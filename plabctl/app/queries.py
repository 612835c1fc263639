"""What the reading commands ask for: the state as it is now, without a lock.

I/O. Nothing here writes, waits for a tick, or disturbs one. `plabctl.report` makes of it what people and programs see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from plabctl.app.context import App, open_app
from plabctl.core.names import is_node_name
from plabctl.errors import NoSuchNode, NoSuchPool, StoreError, UsageFault
from plabctl.report.status import Situation, in_pools

if TYPE_CHECKING:
    from plabctl.core.selection import Selection
    from plabctl.core.stuck import Sight


def look(config_path: str | None) -> Situation:
    """Return the situation of the installation that `config_path` describes; raise ConfigError or StoreError."""
    return look_at(open_app(config_path))


def look_at(app: App) -> Situation:
    """Return the situation of `app`: its state, the last tick and the processes at work, read now."""
    state = app.store.snapshot()
    return Situation(app.settings, state, app.clock.now(), app.store.last_beat(), sight_of(app))


def sight_of(app: App) -> Sight | None:
    """Return the locks that are held and the ticks that run; None when that cannot be seen."""
    from plabctl.store.sight import look as look_for  # noqa: PLC0415 - a tick, which needs this module, looks at none

    try:
        return look_for(app.settings.state_dir, app.clock.uptime(), app.settings.ssh.known_hosts)
    except StoreError:
        return None


def select_in(situation: Situation, words: Sequence[str]) -> Selection:
    """Return the nodes that `words` mean; raise NoSuchNode or NoSuchPool."""
    from plabctl.core.selection import select  # noqa: PLC0415 - a list of all nodes can spare it

    return select(words, situation.state, situation.settings.pools)


def chosen(situation: Situation, words: tuple[str, ...], pools: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the nodes that `words` select (all when there are none), sorted, limited to `pools`.

    Raise NoSuchNode or NoSuchPool for a word or pool that there is nothing for.
    """
    names = select_in(situation, words).names if words else sorted(situation.state.names())
    return list(in_pools(situation, names, pools))


def check_pool_names(situation: Situation, pools: Iterable[str]) -> None:
    """Raise NoSuchPool when one of `pools` is none."""
    known = situation.settings.pools
    for pool in pools:
        if pool in situation.state.experiments:
            raise NoSuchPool(f"{pool!r} is an experiment", hint=f"see: plabctl experiment show {pool}")
        if pool not in known:
            from plabctl.core.selection import nearest  # noqa: PLC0415 - only for a typing error

            like = nearest(pool, known)
            hint = f"the nearest name is {like!r}" if like else f"the pools are: {', '.join(known)}"
            raise NoSuchPool(f"no pool is named {pool!r}", hint=hint)


def are_any_in(situation: Situation, names: Iterable[str], pool: str) -> bool:
    """Say whether one of these nodes is in `pool`."""
    return any(True for _ in in_pools(situation, names, (pool,)))


def the_one(situation: Situation, word: str) -> str:
    """Return the name of the one node that `word` means; raise NoSuchNode for none, UsageFault for several."""
    names = select_in(situation, [word]).names
    if len(names) > 1:
        raise UsageFault(f"{word!r} means {len(names)} nodes", hint="name one")
    return names[0]


def chosen_or_gone(situation: Situation, words: tuple[str, ...]) -> list[str]:
    """Return what `words` select, and the words that could be names of nodes that were removed."""
    names: set[str] = set()
    for word in (part for given in words for part in given.split(",") if part):
        try:
            names.update(select_in(situation, [word]).names)
        except NoSuchNode:
            if not is_node_name(word):
                raise
            names.add(word)
    return sorted(names)


def chosen_if_any(situation: Situation, words: tuple[str, ...], pools: tuple[str, ...]) -> list[str]:
    """Return what `chosen` does, or nothing at all when there is no such node now."""
    try:
        return chosen(situation, words, pools)
    except NoSuchNode:
        return []


class Eye:
    """Looks at one installation again and again, and knows when there is something new to see."""

    def __init__(self, config_path: str | None) -> None:
        self._app = open_app(config_path)
        self._seen: tuple[int | None, float | None] | None = None

    def look(self) -> Situation:
        """Return the situation now."""
        situation = look_at(self._app)
        self._seen = (situation.state.rev or None, situation.last_tick_at)
        return situation

    def has_changed(self) -> bool:
        """Say whether something was committed, or a tick came by, since the last look."""
        head = self._app.store.head()
        return self._seen != (head.rev if head else None, self._app.store.last_beat())
