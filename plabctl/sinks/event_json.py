"""An event as those who are told of it get it: one JSON object on one line, or a list of them for a batch.

Pure. `docs/events.schema.json` describes it. Instants are ISO 8601 in UTC with whole seconds; everything outside ASCII
is escaped, so that nothing in it can act on a terminal.
Tests: `tests/sinks/test_command.py`, `tests/docs/test_events.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from plabctl.core.events import MACHINE
from plabctl.core.model import NO_LABELS, Event
from plabctl.masks import mask_secrets
from plabctl.sinks.base import SinkContext

SCHEMA_VERSION = 1
_LIFTED = ("experiment", "pool", "from", "to", "outcome", "cause", "reason", "since_at", "until_at")
"""What of an event's data stands beside its kind as well: what most who are told look for."""


def build_message(
    events: Sequence[Event], context: SinkContext, *, is_batch: bool = False, has_output: bool = False
) -> bytes:
    """Return the JSON of the event, or of a list of events, and a line end.

    What the stages of a probe printed is in it only if `has_output`.
    """
    told = [build_object(event, context, has_output=has_output) for event in events]
    return json.dumps(told if is_batch else told[0], separators=(",", ":")).encode() + b"\n"


def build_object(event: Event, context: SinkContext, *, has_output: bool = False) -> dict[str, object]:
    """Return one event as an object for JSON."""
    data = _format_instants(event.data if has_output else _drop_output(event.data))
    variables = context.nodes.get(event.node or "", {})
    return {
        "schema_version": SCHEMA_VERSION,
        "id": event.id,
        "at": format_instant(event.at),
        "kind": event.kind,
        "text": _describe(event, context),
        "node": event.node,
        "site": variables.get("site"),
        "labels": {name: _mask(name, value) for name, value in variables.items() if name not in NO_LABELS},
        "actor": event.actor,
        **{name: data[name] for name in _LIFTED if data.get(name) is not None},
        "data": data,
    }


def _describe(event: Event, context: SinkContext) -> str:
    where = f"{event.node}: " if event.node else ""
    by = "" if event.actor == MACHINE else f" (by {event.actor})"
    return f"{where}{context.describe(event)}{by}"


def _mask(name: str, value: str) -> str:
    """Return the value of a label; one that is called a password may be one."""
    return mask_secrets(f"{name}={value}").removeprefix(f"{name}=")


def _drop_output(data: Mapping[str, object]) -> Mapping[str, object]:
    """Leave out what stages printed: there may be secrets in it, and those who are told may tell others."""
    stages = data.get("stages")
    if not isinstance(stages, list | tuple):
        return data
    bare = [{key: value for key, value in stage.items() if key != "output"} for stage in stages]
    return {**data, "stages": bare}


def format_instant(at: float) -> str:
    """Return the second in which the instant lies as `2026-11-22T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(floor(at)))


def _format_instants(value: Any, name: str = "") -> Any:
    """Return `value` with the instants in it, known by their names, as text."""
    if isinstance(value, Mapping):
        return {key: _format_instants(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_format_instants(inner) for inner in value]
    is_instant = name.endswith("_at") and isinstance(value, int | float) and not isinstance(value, bool)
    return format_instant(value) if is_instant else value
