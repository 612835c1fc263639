"""What the reading commands ask for: the state as it is now, without a lock.

I/O. Nothing here writes, waits for a tick, or disturbs one. `plabctl.render` makes of it what people and programs see.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence

from plabctl.app.context import App, open_app
from plabctl.core.names import is_alias, sort_names
from plabctl.core.surroundings import Surroundings
from plabctl.errors import NoSuchPool, StoreError, UsageFault
from plabctl.store.lock_report import read_lock_report
from plabctl.store.store import ERROR_PREFIX, SUCCESS_NAME
from plabctl.typed import TYPE_CHECKING
from plabctl.views.node import NODE_FACTS, ViewContext

if TYPE_CHECKING:
    from plabctl.core.problems import Problem
    from plabctl.core.selection import Selection
    from plabctl.core.surroundings import LockReport

UNUSABLE = "unusable"
"""What `status --fail-on` takes beside the names of pools."""


def read_context(config_path: str | None) -> ViewContext:
    """Return what views are built from, by the configuration at `config_path`; raise ConfigError or StoreError."""
    return read_context_of(open_app(config_path))


def read_context_of(app: App) -> ViewContext:
    """Return what views of `app` are built from: its state, the last tick and the processes at work, read now.

    The clock is read last: a tick may begin at any moment, and no instant that it notes may lie ahead of `now`.
    """
    state, sight, around, last_tick_at = app.store.snapshot(), find_sight(app), look_around(app), app.store.last_beat()
    return ViewContext(app.settings, state, app.clock.now(), last_tick_at, sight, around)


def look_around(app: App) -> Surroundings:
    """Return what problems show beside the state: how the last ticks ended, the disk, the load."""
    folder = app.settings.state_dir
    last_success_at = app.store.last_beat(SUCCESS_NAME)
    try:
        names = [name for name in os.listdir(folder) if name.startswith(ERROR_PREFIX)]
        disk = os.statvfs(folder)
    except OSError:
        return Surroundings(last_success_at)
    failure = None
    if names:
        from plabctl.app.last_error import find_failure

        paths = [f"{folder}/{name}" for name in names]
        failure = find_failure(paths, last_success_at or 0.0, app.clock.now())
    are_files_used_up = disk.f_files and not disk.f_favail
    free_bytes = 0 if are_files_used_up else disk.f_bavail * disk.f_frsize
    load = os.getloadavg()[0] if app.settings.max_load else None
    return Surroundings(last_success_at, failure, free_bytes, load, _find_certificate_problem(app))


def _find_certificate_problem(app: App) -> Problem | None:
    key = app.settings.ssh.key
    if not key or not os.path.lexists(f"{key}-cert.pub"):
        return None
    from plabctl.app.certificate_check import find_problem

    return find_problem(app.settings, app.clock.now())


def find_sight(app: App) -> LockReport | None:
    """Return the locks that are held and the ticks that run; None when that cannot be seen."""
    try:
        return look_at_locks(app)
    except StoreError:
        return None


def look_at_locks(app: App) -> LockReport:
    """Return the locks that are held and the ticks that run; raise StoreError when that cannot be seen."""
    return read_lock_report(app.settings.state_dir, app.clock.uptime(), app.settings.ssh.known_hosts)


def select_nodes(context: ViewContext, words: Sequence[str]) -> Selection:
    """Return the nodes that `words` mean; raise NoSuchNode or NoSuchPool."""
    from plabctl.core.selection import select_nodes

    return select_nodes(words, context.state, context.settings, context.now)


def list_chosen(context: ViewContext, words: tuple[str, ...], pools: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the nodes that `words` select (all when there are none), sorted, limited to `pools`.

    `node2` comes before `node10`. Raise NoSuchNode or NoSuchPool for a word or pool that there is nothing for.
    """
    names = select_nodes(context, words).names if words else context.state.names()
    return sort_names(_filter_pools(context, names, pools))


def check_pool_names(context: ViewContext, pools: Iterable[str]) -> None:
    """Raise NoSuchPool when one of `pools` is none."""
    known = context.settings.pools
    for pool in pools:
        if pool in context.state.experiments:
            raise NoSuchPool(f"{pool!r} is an experiment", hint=f"see: plabctl experiment show {pool}")
        if pool not in known:
            from plabctl.core.selection import build_unknown_pool_error

            raise build_unknown_pool_error(pool, known)


def is_any_in(context: ViewContext, names: Iterable[str], where: str) -> bool:
    """Return whether one of these nodes is in the pool `where`, or is not usable where that says `unusable`."""
    if where != UNUSABLE or where in context.settings.pools:
        return any(True for _ in _filter_pools(context, names, (where,)))
    from plabctl.core.usable import is_usable

    members = map(context.state.member, names)
    now, good_pools = context.now, context.settings.good_pools
    return any(member and not is_usable(member, now, good_pools) for member in members)


def find_one(context: ViewContext, word: str) -> str:
    """Return the name of the one node that `word` means; raise NoSuchNode for none, UsageFault for several."""
    names = select_nodes(context, [word]).names
    if len(names) > 1:
        raise UsageFault(f"{word!r} means {len(names)} nodes", hint="name one")
    return names[0]


def list_chosen_or_gone(context: ViewContext, words: tuple[str, ...]) -> list[str]:
    """Return what `words` select, and the words that could be names of nodes that were removed."""
    from plabctl.core.selection import find_name, split_words

    parts = split_words(words)
    gone = {word for word in parts if is_alias(word) and find_name(word, context.state) is None}
    there = [word for word in parts if word not in gone]
    return sort_names(gone.union(select_nodes(context, there).names if there or not gone else ()))


class ChangeWatcher:
    """Looks at one installation again and again, and knows when there is something new to see."""

    def __init__(self, config_path: str | None) -> None:
        self._app = open_app(config_path)
        self._seen: tuple[int | None, float | None] | None = None

    def read(self) -> ViewContext:
        """Return what views are built from, as it is now."""
        context = read_context_of(self._app)
        self._seen = (context.state.rev or None, context.last_tick_at)
        return context

    def has_changed(self) -> bool:
        """Return whether something was committed, or a tick came by, since the last look."""
        head = self._app.store.head()
        return self._seen != (head.rev if head else None, self._app.store.last_beat())


def _filter_pools(context: ViewContext, names: Iterable[str], pools: Collection[str]) -> Iterator[str]:
    """Yield those of `names` that are in one of `pools`; all of them when no pool is asked for."""
    for name in names:
        if not pools or ((node := context.state.select_one(NODE_FACTS, name)) and node.pool in pools):
            yield name
