"""How a frozen dataclass of scalars becomes a dictionary for the state file, and comes back.

Pure. Fields at their default are left out. Nothing is tolerated: a field that is not known, is missing or has another
type raises ValueError, in both directions, so that what was written can always be read. Go on with
`plabctl.store.codec`.
Tests: `tests/store/test_codec.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from plabctl.values import MISSING, Field, fields

Doc = dict[str, Any]
T = TypeVar("T")

_NOTHING = type(None)
_TYPES: dict[str, frozenset[type]] = {
    "str": frozenset({str}),
    "bool": frozenset({bool}),
    "str | None": frozenset({str, _NOTHING}),
    "int": frozenset({int}),
    "float": frozenset({float, int}),
    "float | None": frozenset({float, int, _NOTHING}),
}
_LARGEST_INT = 2**63 - 1

RowSource = tuple[str, bool, object, Callable[[Any], object] | None]
"""Where a field of a row stands in a node's document: its key, whether that is beside the member, default, decoder."""


class Part:
    """How one field that is no scalar is written (`put`, as one of the types `stored`) and read (`get`)."""

    def __init__(self, stored: Iterable[type], put: Callable[[Any], Any], get: Callable[[Any], Any]) -> None:
        self.stored = frozenset(stored)
        self.put = put
        self.get = get


class Shape(Generic[T]):
    """The stored form of the dataclass `cls`; `key` is the field that the document is filed under, or ''."""

    def __init__(self, cls: type[T], key: str = "", parts: Mapping[str, Part] | None = None) -> None:
        self._cls = cls
        self._key = key
        self._parts = dict(parts or {})
        stored = [field for field in fields(cls) if field.name != key]
        self._types = {
            field.name: self._parts[field.name].stored if field.name in self._parts else _TYPES[field.type]
            for field in stored
        }
        self._defaults = {field.name: _find_default(field) for field in stored}
        self._judged: dict[tuple[object, ...], tuple[tuple[str, Callable[[Any], Any]], ...]] = {}

    @property
    def defaults(self) -> Doc:
        """The fields that a document may leave out, with what they hold then."""
        return {name: default for name, default in self._defaults.items() if default is not MISSING}

    @property
    def readers(self) -> dict[str, Callable[[Any], Any]]:
        """How the fields that are no scalars are read."""
        return {name: part.get for name, part in self._parts.items()}

    def put(self, value: T) -> Doc:
        """Return the document of `value`; raise ValueError when it could not be read back."""
        doc: Doc = {}
        for name, default in self._defaults.items():
            content = getattr(value, name)
            if content == default:
                continue
            part = self._parts.get(name)
            stored = part.put(content) if part else check_scalar(content, name)
            if type(stored) not in self._types[name]:
                raise ValueError(f"{name!r} holds {content!r}")
            doc[name] = stored
        return doc

    def get(self, doc: Doc, key: str = "") -> T:
        """Return the value of `doc`, filed under `key`; raise ValueError when it is no document of this shape."""
        # Which fields of which types: there are few such outlines among 100,000 documents, so each is judged once.
        outline = (*doc, *map(type, doc.values()))
        try:
            readers = self._judged.get(outline)
            if readers is None:
                readers = self._judged[outline] = self._judge(doc)
            if readers or self._key:
                doc = doc.copy()
                for name, read in readers:
                    doc[name] = read(doc[name])
                if self._key:
                    doc[self._key] = key
            return self._cls(**doc)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no document of a {self._cls.__name__.lower()}: {error}") from error

    def decode(self, key: str, doc: Doc) -> T:
        """Return the value that is filed under `key`; raise ValueError when `doc` is no document of this shape."""
        return self.get(doc, key)

    def _judge(self, doc: Doc) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """Return how to read those fields of `doc` that are no scalars; raise KeyError or ValueError for misfits."""
        for name, content in doc.items():
            if type(content) not in self._types[name]:
                raise ValueError(f"{name!r} holds {content!r}")
        return tuple((name, part.get) for name, part in self._parts.items() if name in doc)


def _find_default(field: Field) -> object:
    return field.default_factory() if field.default_factory else field.default


def check_scalar(value: object, name: str) -> object:
    """Return `value` as JSON can hold it exactly; raise ValueError when it cannot."""
    if isinstance(value, str):
        text = str(value)  # members of an enumeration too: what is staged equals what will be read
        if not text.isascii():
            text.encode()  # a UnicodeEncodeError is a ValueError; JSON has no halves of characters
        return text
    if value is None or type(value) is bool:
        return value
    if type(value) is int and -_LARGEST_INT <= value <= _LARGEST_INT:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise ValueError(f"{name!r} holds {value!r}, which JSON cannot hold")


def copy_plain(value: object, name: str) -> object:
    """Return a copy of `value`, made of scalars, lists and objects only; raise ValueError for anything else."""
    if isinstance(value, Mapping):
        return copy_plain_object(value, name)
    if isinstance(value, list | tuple):
        return [copy_plain(content, name) for content in value]
    return check_scalar(value, name)


def copy_plain_object(value: Mapping[str, object], name: str) -> Doc:
    """Return a copy of `value`, made of scalars, lists and objects only; raise ValueError for anything else."""
    doc: Doc = {}
    for key, content in value.items():
        if not isinstance(key, str):
            raise ValueError(f"{name!r} has the key {key!r}, which is no text")  # noqa: TRY004 - one kind for all refusals
        doc[str(check_scalar(key, name))] = copy_plain(content, key)
    return doc
