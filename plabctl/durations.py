"""Read and print durations such as `90s`, `5m`, `2m30s`, `12h`, `2d`.

Pure. Durations are seconds everywhere inside; only text seen by people has units.
Tests: `tests/config/test_schema.py`.
"""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_UNITS_SHOWN = 2
# Not compiled here: many commands print durations and read none. `re` compiles it once.
_UNIT = "(ms|[smhdwy])"


def parse_duration(text: str) -> float:
    """Return the seconds that `text` names; raise ValueError when it names none.

    Units may be combined (`2m30s`, `1h30m`); a bare number is refused, because its unit would be a guess. Only `0`
    needs no unit. A year (`y`) has 365 days.
    """
    text = text.strip()
    if text == "0":
        return 0.0
    *parts, rest = re.split(_UNIT, text)
    numbers, units = parts[::2], parts[1::2]
    if rest or not units or not all(map(_is_number, numbers)):
        message = f"{text!r} is not a duration; write it like 90s, 5m, 2m30s, 12h or 2d"
        raise ValueError(message)
    return sum(float(number) * _UNITS[unit] for number, unit in zip(numbers, units, strict=True))


def _is_number(text: str) -> bool:
    whole, point, rest = text.partition(".")
    return whole.isdecimal() and (rest.isdecimal() or not point)


def format_duration(seconds: float) -> str:
    """Return `seconds` as people write it, in at most two units: `45s`, `2m30s`, `3h10m`, `2d4h`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 1:
        return f"{round(seconds * 1000)}ms" if seconds else "0s"
    rest = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
        if len(parts) == _UNITS_SHOWN:
            break
    return "".join(parts) or "0s"
