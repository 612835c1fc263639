"""Sinks that reach people are tried out, and what is wrong with sinks is found before something is to be sent.

I/O: sends what it is asked to.
Tests: `tests/cli/test_notify.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from plabctl.app.context import App
from plabctl.app.sink_sync import read_scene
from plabctl.core.keys.formatting import suggest
from plabctl.core.settings import Settings
from plabctl.errors import UsageFault
from plabctl.kinds import find
from plabctl.sinks.base import SinkContext, SinkKind


class Trial(NamedTuple):
    """What came of sending a test: the name of the sink, where it went, what went wrong, how many seconds it took."""

    name: str
    where: str
    error: str
    seconds: float


def try_sinks(app: App, names: Sequence[str]) -> Iterator[Trial]:
    """Send a test to all sinks that reach people, or to those of these names; yield what came of each.

    Raise UsageFault when there is no such sink.
    """
    sinks = [(kind.suggest_name(sink), kind, sink) for sink in app.settings.sinks if (kind := _find(sink.kind))]
    known = [name for name, kind, _ in sinks if kind.reaches_people]
    if not known:
        raise UsageFault("no sink notifies people", hint='add a [[sink]] with kind = "apprise"; see: docs/notices.md')
    for name in names:
        if name not in known:
            hint = f"they are: {', '.join(known)}"
            raise UsageFault(f"no sink that notifies people is called {name!r}{suggest(name, known)}", hint=hint)
    context = SinkContext(app.settings.state_dir, app.settings.origin)
    for name, kind, sink in sinks:
        if kind.reaches_people and (not names or name in names):
            began = app.clock.monotonic()
            for where, error in kind.try_out(sink, read_scene(app, ""), context):
                ended = app.clock.monotonic()
                yield Trial(name, where, error, ended - began)
                began = ended


def list_sink_faults(settings: Settings) -> list[str]:
    """Return what is wrong with sinks that reading the configuration does not show, as `FILE: KEY: what`."""
    return [
        f"{settings.path}: sink[{number}].{key}: {what}"
        for number, sink in enumerate(settings.sinks, 1)
        for key, what in _find(sink.kind).find_faults(sink, settings)
    ]


def _find(name: str) -> SinkKind:
    kind: SinkKind = find("sink", name)
    return kind
