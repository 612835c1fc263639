"""The process in which the code of one plug-in runs, and the verbs by which plabctl asks it.

I/O: loads the plug-in. `plabctl.plugins.call` starts it and says how it is kept in bounds; nothing here is run in
the process of a command. What a plug-in changes (signals, streams, directories, modules) it changes for itself.
Tests: `tests/plugins/test_plugins.py`.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

from plabctl.core.backoffs.base import Backoff
from plabctl.core.model import Event, Member
from plabctl.core.pools.base import Judgement, Pool, Reading
from plabctl.core.settings import Settings
from plabctl.kinds import POINTS
from plabctl.plugins import check_value
from plabctl.plugins.call import receive, send
from plabctl.plugins.local import BackoffFailed

_LATE_S = 1.0
"""Seconds after its limit at which a call ends the process even if the command that asked is gone."""
_EXIT_FORKED = 70
_SHOWN = 60


class Plugin:
    """What can be asked of a plug-in. Each verb gives a value of plabctl's, or raises anything."""

    def __init__(self) -> None:
        self._value: Any = None
        self._settings: Settings | None = None
        self._pools: dict[str, Pool] = {}

    def load(self, point: str, name: str) -> tuple[str, object]:
        """Import the entry point and look it over; return where it points, and what must be known of it.

        That is the built-in kind that a kind of pool is one of, a recipe itself, nothing of all else. Where it points
        is empty if no package brings it.
        """
        found = {entry.value: entry for entry in entry_points(group=POINTS[point].group, name=name)}
        if not found:
            return "", None
        if len(found) > 1:
            raise LookupError(f"more than one package brings {name!r}: {', '.join(sorted(found))}")
        ((place, entry),) = found.items()
        self._value = check_value.CHECKS[point](name, entry.load())
        if point == "pool":
            return place, check_value.list_sides(self._value)[0].name
        return place, self._value if point == "recipe" else None

    def try_pool(self, pool: str, settings: Settings) -> None:
        """Take the settings that its pools are made with, and let one of them judge plain cases.

        Back-offs of other plug-ins in the settings are loaded here, too.
        """
        self._settings = settings
        self._pools.clear()
        check_value.try_pool(self._pool(pool), settings)

    def judge(self, pool: str, member: Member, reading: Reading) -> Judgement:
        """Return what the kind of pool makes of a report; raise TypeError or ValueError if it cannot be applied."""
        assert self._settings is not None, "it was given before"
        judgement = self._pool(pool).judge(member, reading)
        check_value.check_judgement(judgement, self._settings)
        return judgement

    def wait(self, backoff: Backoff, streak: int, age_s: float) -> float:
        """Return the seconds that the back-off says."""
        return check_value.compute_wait(self._value, backoff, streak, age_s)

    def list_nodes(self, options: Mapping[str, object]) -> list[tuple[str | None, object]]:
        """Return what the inventory or the occupancy source lists: pairs of a name and what is said of that node.

        Of an item that has no name it is None, and how the item looks.
        """
        listed = self._value(options)
        if isinstance(listed, str | bytes) or not isinstance(listed, Iterable):
            given = f"it returned a value of type {type(listed).__name__}"
            raise TypeError(f"{given}, wanted are names, or pairs of a name and a dictionary")
        return [_split_item(each) for each in (listed.items() if isinstance(listed, Mapping) else listed)]

    def tell(self, events: list[Event], options: Mapping[str, object]) -> None:
        """Let the sink have the events."""
        self._value(events, options)

    def _pool(self, name: str) -> Pool:
        if name not in self._pools:
            assert self._settings is not None, "it was given before"
            self._pools[name] = self._value(self._settings.pools[name], self._settings)
        return self._pools[name]


def _split_item(item: object) -> tuple[str | None, object]:
    match item:
        case str():
            return item, None
        case (str(name), more):
            return name, _copy(more) if more else more
    return None, repr(item)[:_SHOWN]


def _copy(variables: Any) -> object:
    """Return a dictionary as one of plabctl's, and of anything else how it looks."""
    try:
        return dict(variables)
    except (TypeError, ValueError):
        return repr(variables)[:_SHOWN]


def main(descriptor: int) -> None:
    """Answer requests that come over the socket `descriptor` until it is closed, then end all that was started."""
    channel = socket.socket(fileno=descriptor)
    own, plugin = os.getpid(), Plugin()
    while (request := receive(channel)) is not None:
        limit_s, verb, arguments = pickle.loads(request)  # noqa: S301 - of the command that started us
        # By the kernel, whatever the plug-in is at; the command itself may have been killed meanwhile.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limit_s + _LATE_S)
        answer = _answer(plugin, verb, arguments)
        if os.getpid() != own:
            os._exit(_EXIT_FORKED)  # the plug-in forked: its child is none of the two who talk here
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        send(channel, answer)
    with suppress(OSError):
        os.killpg(0, signal.SIGKILL)


def _answer(plugin: Plugin, verb: str, arguments: tuple[object, ...]) -> bytes:
    try:
        return pickle.dumps((True, getattr(plugin, verb)(*arguments)))
    except BaseException as error:  # noqa: BLE001 - whatever it raises, SystemExit among it, is its failure to answer
        return pickle.dumps((False, _format_exception(error)))


def _format_exception(error: BaseException) -> str:
    try:
        return str(error) if isinstance(error, BackoffFailed) else check_value.format_exception(error)
    except BaseException:  # noqa: BLE001 - its words are code of the plug-in, too
        return type(error).__name__
