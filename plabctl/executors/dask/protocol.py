"""What goes over the network between monitors, scheduler and workers: messages, and documents of tests and reports.

Pure. A message is a dictionary of plain values; the documents in it are JSON of plain values too, so that versions of
plabctl can be told apart, and nothing of ours is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from plabctl.core.assignment import Assignment
from plabctl.core.model import Report

PROTOCOL = 1
"""Raised whenever messages or documents change: workers, scheduler and monitors with other numbers are refused."""
GRANT_S = 5.0
"""A worker that was told to begin a test does so within that time of asking, or not at all."""
Message = dict[str, Any]
_T = TypeVar("_T")


def encode(value: Assignment | Report) -> str:
    """Return the document of an assignment or a report."""
    return json.dumps(_plain(value), separators=(",", ":"))


def decode_assignment(text: str) -> Assignment:
    """Return the assignment that a document describes; raise ValueError for any other document."""
    return _decode(Assignment, text)


def decode_report(text: str) -> Report:
    """Return the report that a document describes; raise ValueError for any other document."""
    return _decode(Report, text)


def _decode(cls: type[_T], text: str) -> _T:
    try:
        value: _T = _read(cls, json.loads(text))
    except (RecursionError, TypeError, KeyError) as error:
        raise ValueError(f"no document of a {cls.__name__.lower()}: {error}") from error
    return value


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _read(type_: Any, value: Any) -> Any:
    """Return the JSON `value` as a value of `type_`; raise ValueError if it is none."""
    origin = get_origin(type_)
    if origin is UnionType:
        if value is None and NoneType in get_args(type_):
            return None
        (type_,) = (each for each in get_args(type_) if each is not NoneType)
        return _read(type_, value)
    if origin is tuple and isinstance(value, list):
        return _read_row(get_args(type_), value)
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, dict):
        return {key: _read(get_args(type_)[1], each) for key, each in value.items()}
    return _read_value(type_, value) if isinstance(type_, type) else _refuse(type_, value)


def _read_row(kinds: tuple[Any, ...], row: list[Any]) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        return tuple(_read(kinds[0], each) for each in row)
    return tuple(_read(kind, each) for kind, each in zip(kinds, row, strict=True))


def _read_value(cls: type, value: Any) -> Any:
    if is_dataclass(cls) and isinstance(value, dict):
        hints = _hints(cls)
        if unknown := value.keys() - hints.keys():
            raise ValueError(f"{cls.__name__} has no {sorted(unknown)}")
        return cls(**{name: _read(hints[name], each) for name, each in value.items()})
    if issubclass(cls, Enum):
        return cls(value)
    if cls is float and type(value) is int:
        return float(value)
    return value if type(value) is cls else _refuse(cls, value)


def _refuse(type_: Any, value: Any) -> Any:
    raise ValueError(f"{value!r} is no {type_}")
