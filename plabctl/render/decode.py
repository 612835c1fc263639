"""Objects of JSON as views again: what `plabctl.render.encode` wrote, wherever it comes from.

Pure. As there, all follows from the names and types of a view's fields, so that a new field needs nothing here. For
each class of views a function is compiled that reads an object in one expression, because there may be a million.
Whoever wrote the object is not trusted: a value of another type, or a number that none of ours can be, raises
TypeError, ValueError or KeyError, and text that cannot be shown goes through `clean`.
Tests: `tests/render/test_decode.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from plabctl.core.model import Cause, Hold, Outcome, Verdict
from plabctl.render.compiled_rows import compile_function, describe_fields
from plabctl.render.encode import get_key, is_instant

Clean = Callable[[str], str]
_INNER_VIEWS: Mapping[str, type] = {"Verdict": Verdict, "Hold": Hold}
_DEFAULTS = {("Verdict", "reason"): "''", ("Hold", "reason"): "''", ("Hold", "is_move"): "False"}
"""What stands for a field that is left out though it is never None."""
_CAUSES = {cause.value: cause for cause in Cause}
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_MOST = 1e15
"""No count and no number of seconds is larger: their sums stay numbers. None is below zero."""
_MINUTES_KEPT = 16_384
_MINUTE, _ISO = len("2026-11-22T12:00"), len("2026-11-22T12:00:00Z")


class _Minutes(dict[str, float]):
    """Instants by the beginning of their text: a list of a million nodes has few minutes and many instants."""

    def __missing__(self, text: str) -> float:
        at = datetime.fromisoformat(f"{text}:00+00:00").timestamp()
        if len(self) < _MINUTES_KEPT:
            self[text] = at
        return at


_minutes = _Minutes()
_seconds = {f":{number:02}Z": float(number) for number in range(60)}


def read_instant(text: str) -> float:
    """Return the instant that `text` says in ISO 8601, in seconds since 1970."""
    if len(text) == _ISO and (second := _seconds.get(text[_MINUTE:])) is not None:
        return _minutes[text[:_MINUTE]] + second
    return datetime.fromisoformat(text).timestamp()


def make_object_reader(cls: type, clean: Clean) -> Callable[[Mapping[str, Any]], Any]:
    """Return what makes a view of the class of an object; fields that are not known are left out."""
    readers = _make_readers(clean)
    space: dict[str, object] = {"cls": cls}
    parts = []
    for name, kind in describe_fields(cls):
        key, plain = get_key(name), kind.removesuffix(" | None").removeprefix("collections.abc.")
        read: Callable[[Any], object]
        if plain in _INNER_VIEWS:
            read = make_object_reader(_INNER_VIEWS[plain], clean)
        else:
            read = read_instant if is_instant(name) else readers[plain]
        space[call := f"read_{name}"] = read
        default = _DEFAULTS.get((cls.__name__, name), "None" if kind.endswith("| None") else "")
        if default:
            parts.append(f"{default} if (found := get({key!r})) is None else {call}(found)")
        else:
            parts.append(f"{call}(row[{key!r}])")
    return compile_function("read_object", "row", ["get = row.get", f"return cls({', '.join(parts)})"], space)


def _make_readers(clean: Clean) -> dict[str, Callable[[Any], object]]:
    """Return what reads a value, by the type of its field."""

    def read_text(value: Any) -> str:
        if value.__class__ is not str:
            raise TypeError
        text: str = value
        return text if text.isprintable() else clean(text)

    def read_texts(value: Any) -> tuple[str, ...]:
        if value.__class__ is not list:
            raise TypeError
        return tuple(map(read_text, value))

    def read_map(value: Any) -> dict[str, str]:
        return {read_text(key): read_text(inner) for key, inner in value.items()}

    def read_counts(value: Any) -> dict[str, int]:
        return {read_text(key): _read_whole(inner) for key, inner in value.items()}

    return {
        "str": read_text,
        "Sequence[str]": read_texts,
        "Mapping[str, str]": read_map,
        "Mapping[str, int]": read_counts,
        "bool": _read_flag,
        "int": _read_whole,
        "float": read_number,
        "Cause": _CAUSES.get,  # one of a later version is not known here, and no reason to refuse all
        "Outcome": _OUTCOMES.__getitem__,
    }


def _read_flag(value: Any) -> bool:
    if value.__class__ is not bool:
        raise TypeError
    return bool(value)


def _read_whole(value: Any) -> int:
    if value.__class__ is not int:
        raise TypeError
    if not 0 <= value <= _MOST:
        raise ValueError
    return int(value)


def read_number(value: Any) -> float:
    """Return a number as JSON has it; raise TypeError or ValueError for what is none, or none of ours."""
    if value.__class__ is not float and value.__class__ is not int:
        raise TypeError
    if not 0 <= value <= _MOST:
        raise ValueError
    return float(value)
