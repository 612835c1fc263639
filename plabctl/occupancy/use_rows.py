"""Read what a source says of one use of a node: by whom, since when, until when.

Pure. What is wrong with it never frees the node: that it is listed counts.
Tests: `tests/occupancy/test_command.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plabctl.occupancy.base import Row

_SHAPE = 'write {"by": "...", "since": "...", "until": "..."}'
_KEYS = frozenset({"name", "by", "since", "until"})
_LATEST_AT = 253402300799.0
"""The end of the year 9999."""


def read_use(place: str, name: str, use: object, now: float) -> Row:
    """Return the row of a node and what is said of its use; that it is busy counts whatever that is."""
    if use is None:
        return Row(place, name)
    if not isinstance(use, Mapping):
        return Row(place, name, fault=f"{name}: neither null nor an object, {_SHAPE}", is_bare=True)
    by, faults = use.get("by"), []
    if by is not None and not isinstance(by, str):
        faults.append("`by` is no text")
    instants: dict[str, float | None] = {}
    for key in ("since", "until"):
        try:
            instants[key] = _read_instant(use.get(key), now, ahead=key == "until")
        except ValueError as error:
            instants[key] = None
            faults.append(f"`{key}` {error}")
    fault = f"{name}: {', '.join(faults)}" if faults else ""
    is_bare = bool(use) and use.keys().isdisjoint(_KEYS)
    words = by if isinstance(by, str) else ""
    return Row(place, name, words, instants["since"], instants["until"], fault, is_bare=is_bare)


def _read_instant(value: object, now: float, *, ahead: bool) -> float | None:
    """Return the instant that a number of seconds since 1970 or a text names; raise ValueError when it is none."""
    from plabctl.instants import parse_instant

    if value is None:
        return None
    at = value
    if isinstance(value, str):
        try:
            at = parse_instant(value, now, ahead=ahead)
        except ValueError:
            raise ValueError(f"{value!r:.100} is no instant") from None
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at <= _LATEST_AT:
        raise ValueError(f"{value!r:.100} is no instant")
    return round(float(at), 3)
