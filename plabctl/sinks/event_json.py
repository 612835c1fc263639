"""An event as those who are told of it get it: one JSON object on one line.

Pure. Instants are ISO 8601 in UTC; everything outside ASCII is escaped, so that nothing in it can act on a terminal.
Tests: `tests/sinks/test_command.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from math import floor
from typing import Any

from plabctl.core.model import Event

SCHEMA_VERSION = 1


def build_message(event: Event, *, has_output: bool = False) -> bytes:
    """Return the JSON of `event` and a line end; what the stages of a probe printed is in it only if `has_output`."""
    told = {
        "schema_version": SCHEMA_VERSION,
        "id": event.id,
        "at": format_instant(event.at),
        "kind": event.kind,
        "node": event.node,
        "actor": event.actor,
        "data": _format_instants(event.data if has_output else _drop_output(event.data)),
    }
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


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
