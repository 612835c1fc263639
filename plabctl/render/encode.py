"""Views for programs: any view as an object of plain values for JSON, and any value as the text of a TSV cell.

Pure. A view is a NamedTuple or a value of `plabctl.values`; what it becomes follows from the names and types of its
fields, so that a new field needs nothing here: instants (`_at`) become ISO 8601, `is_held` is called `held`, enums
become their words, views inside become objects, and None is left out. Numbers are rounded to three places, or to as
many as `DIGITS` of the view's class says for the field.
`plabctl.render.compiled_rows` does the same for rows by the thousand.
Tests: `tests/render/test_data_formats.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial

from plabctl.kinds import load
from plabctl.render.times import format_iso
from plabctl.typed import Any
from plabctl.values import fields

EMPTY_IS_UNKNOWN = frozenset({("Verdict", "reason")})
"""Fields of classes of the core in which empty text stands for None."""
OWN_ENCODERS = {
    "Event": "plabctl.render.event_table:build_event_row",
    "StageRun": "dataclasses:asdict",
}
"""Classes of which the fields alone do not say what programs get, and what encodes them."""
DIGITS = 3
_SMALL, _MORE_DIGITS = 0.1, 7  # a share of a thousandth is worth its digits
_ONE_LINE = str.maketrans({"\t": " ", "\n": " ", "\r": " "})
_PLAIN = frozenset({str, int, bool})
_Plan = tuple[tuple[str, str, Callable[[Any], object]], ...]
_plans: dict[type, _Plan] = {}


def encode_view(view: Any) -> dict[str, object]:
    """Return the view as an object for JSON."""
    cls = view.__class__
    plan = _plans.get(cls)
    if plan is None:
        if cls.__name__ in OWN_ENCODERS:
            return _encode_in_own_way(view)
        plan = _plans[cls] = tuple((get_key(name), name, _choose_encoder(cls, name)) for name in list_fields(cls))
    row: dict[str, object] = {}
    for key, name, encode in plan:
        value = getattr(view, name)
        if value is not None and (value := encode(value)) is not None:
            row[key] = value
    return row


def _encode_in_own_way(view: Any) -> dict[str, object]:
    row: dict[str, object] = load(OWN_ENCODERS[view.__class__.__name__])(view)
    return row


def encode_value(value: Any) -> object:
    """Return a view, or what may stand in one, as JSON has it."""
    cls = value.__class__
    if cls in _PLAIN or value is None:
        return value
    if cls is float:
        return round(value, DIGITS)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: encode_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple) and not hasattr(cls, "_fields"):
        return [encode_value(inner) for inner in value]
    return encode_view(value)


def list_fields(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of a class of views."""
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    return tuple(each.name for each in fields(cls)) if names is None else names


def get_key(name: str) -> str:
    """Return the name of a view's field as programs see it."""
    return name.removeprefix("is_")


def is_instant(name: str) -> bool:
    """Return whether the field of that name holds an instant."""
    return name == "at" or name.endswith("_at")


def get_digits(cls: type, name: str) -> int:
    """Return to how many places the field is rounded."""
    digits: int = getattr(cls, "DIGITS", {}).get(name, DIGITS)
    return digits


def _choose_encoder(cls: type, name: str) -> Callable[[Any], object]:
    if is_instant(name):
        return format_iso
    digits = get_digits(cls, name)
    if digits != DIGITS:
        return partial(_round, digits)
    return _drop_empty if (cls.__name__, name) in EMPTY_IS_UNKNOWN else encode_value


def _round(digits: int, number: float) -> float:
    return round(number, digits)


def _drop_empty(text: str) -> str | None:
    return text or None


def format_cell(value: object) -> str:
    """Return one value as the text of a TSV cell, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{DIGITS if abs(value) >= _SMALL else _MORE_DIGITS}f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping):
        text = ",".join(f"{key}={inner}" for key, inner in value.items())
    elif isinstance(value, list | tuple):
        text = " ".join(map(str, value))
    else:
        text = str(value)
    return text.translate(_ONE_LINE)
