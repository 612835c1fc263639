"""Notes: small records that parts of plabctl keep in the state, each under a topic of its own.

Pure. The module that owns a note declares its record and a `NoteKind`, which turns the record into the document that is
stored, and back. Nothing depends on a note for its correctness, so a document that is damaged, or was written by
another version, is no error: what makes no sense in it is left out, here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Generic, TypeGuard, TypeVar

_LARGEST_INT = 2**63 - 1
R = TypeVar("R")
D = TypeVar("D")

Document = Mapping[str, object]
"""A note as it is stored: scalars, lists and objects."""
Notes = Mapping[str, Document]
"""Notes by topic."""
NoteChanges = dict[str, Document | None]
"""Notes to replace, by topic; None takes a note away."""


class NoteReader:
    """Reads a stored object; what is missing or of another type counts as not there."""

    def __init__(self, content: object) -> None:
        self._content = content if isinstance(content, Mapping) else {}

    def read_number(self, key: str, default: D) -> float | D:
        """Return the number at `key`, else `default`."""
        value = self._content.get(key)
        return value if _is_number(value) else default

    def read_count(self, key: str) -> int:
        """Return the whole number at `key`; 0 when there is none, or it is below zero."""
        value = self._content.get(key)
        return value if type(value) is int and 0 <= value <= _LARGEST_INT else 0

    def read_text(self, key: str, default: D) -> str | D:
        """Return the text at `key`, else `default`."""
        value = self._content.get(key)
        return value if isinstance(value, str) else default

    def read_flag(self, key: str) -> bool:
        """Return whether `key` is set."""
        return self._content.get(key) is True

    def read_numbers(self, key: str) -> dict[str, float]:
        """Return the numbers in the object at `key`, by their keys."""
        return {name: value for name, value in self._list_items(key) if _is_number(value)}

    def read_objects(self, key: str) -> dict[str, NoteReader]:
        """Return a reader for each object in the object at `key`, by its key."""
        return {name: NoteReader(value) for name, value in self._list_items(key) if isinstance(value, Mapping)}

    def read_documents(self, key: str) -> dict[str, Document]:
        """Return the objects in the object at `key` as they are, by their keys."""
        return {name: value for name, value in self._list_items(key) if isinstance(value, Mapping)}

    def read_tables(self, key: str) -> dict[str, dict[str, float]]:
        """Return the numbers in each object in the object at `key`, by the keys of both."""
        inner = NoteReader(self._content.get(key))
        return {name: inner.read_numbers(name) for name, _ in self._list_items(key)}

    def read_rows(self, key: str, *types: type) -> Iterator[list[object]]:
        """Yield those lists in the list at `key` that hold one value of each of `types` (float: any number)."""
        rows = self._content.get(key)
        for row in rows if isinstance(rows, list | tuple) else ():
            if isinstance(row, list | tuple) and len(row) == len(types) and all(map(_is_of_type, row, types)):
                yield list(row)

    def _list_items(self, key: str) -> Iterator[tuple[str, object]]:
        table = self._content.get(key)
        return iter(table.items() if isinstance(table, Mapping) else ())


class NoteKind(Generic[R]):
    """One kind of note: the topic it is filed under, and how its record is read from and written to a document."""

    def __init__(self, topic: str, decode: Callable[[NoteReader], R], encode: Callable[[R], Document]) -> None:
        self.topic = topic
        self._decode = decode
        self._encode = encode

    def read(self, notes: Notes) -> R:
        """Return the record; that of an empty document when there is none."""
        return self._decode(NoteReader(notes.get(self.topic)))

    def write(self, record: R | None) -> NoteChanges:
        """Return the change by which `record` is the note from now on; None or an empty document takes it away."""
        return {self.topic: None if record is None else self._encode(record) or None}


def _is_number(value: object) -> TypeGuard[float]:
    return (type(value) is int and abs(value) <= _LARGEST_INT) or (type(value) is float and isfinite(value))


def _is_of_type(value: object, wanted: type) -> bool:
    return _is_number(value) if wanted is float else isinstance(value, wanted)
