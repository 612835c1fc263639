"""How a frozen dataclass of scalars becomes a dictionary for the state file, and comes back.

Pure. Fields at their default are left out. Nothing is tolerated: a field that is not known, is missing or has another
type raises ValueError, in both directions, so that what was written can always be read. Go on with
`plabctl.store.codec`.
Tests: `tests/store/test_codec.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from plabctl.typed import Any, Generic, TypeVar
from plabctl.values import Field, fields

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
_INFINITE = float("inf")
_Readers = tuple[tuple[str, Callable[[Any], Any]], ...]
"""By name of a field that is no scalar: what makes its value."""
_Movers = tuple[tuple[str, str, Callable[[Any], Any]], ...]
"""By key of a document: the name of its field, where that is another, and what makes its value."""

RowSource = tuple[str, bool, object, Callable[[Any], object] | None]
"""Where a field of a row stands in a node's document: its key, whether that is beside the member, default, decoder."""


class Part:
    """How one field that is no scalar is written (`put`, as one of the types `stored`) and read (`get`)."""

    def __init__(self, stored: Iterable[type], put: Callable[[Any], Any], get: Callable[[Any], Any]) -> None:
        self.stored = frozenset(stored)
        self.put = put
        self.get = get


class Shape(Generic[T]):
    """The stored form of the dataclass `cls`; `key` is the field that the document is filed under, or ''.

    Fields are stored under their own names, but for those that `stored_as` gives another: the name of a field may
    change, and what was written must still be read.
    """

    def __init__(
        self,
        cls: type[T],
        key: str = "",
        parts: Mapping[str, Part] | None = None,
        stored_as: Mapping[str, str] | None = None,
    ) -> None:
        self._cls = cls
        self._key = key
        parts, stored_as = parts or {}, stored_as or {}
        self._fields = tuple(
            (field.name, stored_as.get(field.name, field.name), _find_default(field), parts.get(field.name))
            for field in fields(cls)
            if field.name != key
        )
        self._types = {
            stored_as.get(field.name, field.name): (
                parts[field.name].stored if field.name in parts else _TYPES[field.type]
            )
            for field in fields(cls)
            if field.name != key
        }
        self._judged: dict[tuple[object, ...], tuple[_Readers, _Movers]] = {}

    @property
    def sources(self) -> dict[str, RowSource]:
        """Where each field stands in a document, by its name."""
        return {name: (key, False, default, part.get if part else None) for name, key, default, part in self._fields}

    def put(self, value: T) -> Doc:
        """Return the document of `value`; raise ValueError when it could not be read back."""
        doc: Doc = {}
        for name, key, default, part in self._fields:
            content = getattr(value, name)
            if content == default:
                continue
            stored = part.put(content) if part else check_scalar(content, name)
            if type(stored) not in self._types[key]:
                raise ValueError(f"{name!r} holds {content!r}")
            doc[key] = stored
        return doc

    def get(self, doc: Doc, key: str = "") -> T:
        """Return the value of `doc`, filed under `key`; raise ValueError when it is no document of this shape."""
        # Which fields of which types: there are few such outlines among 100,000 documents, so each is judged once.
        outline = (*doc, *map(type, doc.values()))
        try:
            judged = self._judged.get(outline)
            if judged is None:
                judged = self._judged[outline] = self._judge(doc)
            readers, movers = judged
            if readers or movers or self._key:
                doc = doc.copy()
                for name, read in readers:
                    doc[name] = read(doc[name])
                for stored_key, name, read in movers:
                    doc[name] = read(doc.pop(stored_key))
                if self._key:
                    doc[self._key] = key
            return self._cls(**doc)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no document of a {self._cls.__name__.lower()}: {error}") from error

    def decode(self, key: str, doc: Doc) -> T:
        """Return the value that is filed under `key`; raise ValueError when `doc` is no document of this shape."""
        return self.get(doc, key)

    def _judge(self, doc: Doc) -> tuple[_Readers, _Movers]:
        """Return how to read what `doc` holds but for scalars under the name of their field.

        Raise KeyError or ValueError for misfits.
        """
        for key, content in doc.items():
            if type(content) not in self._types[key]:
                raise ValueError(f"{key!r} holds {content!r}")
        found = [(name, key, part) for name, key, _, part in self._fields if key in doc]
        return (
            tuple((name, part.get) for name, key, part in found if part and name == key),
            tuple((key, name, part.get if part else _keep) for name, key, part in found if name != key),
        )


def make_tuple_part(shape: Shape[Any] | Part) -> Part:
    """Return how a field that holds several values of that shape is stored."""
    return Part(
        [list],
        lambda values: [shape.put(value) for value in values],
        lambda docs: tuple(shape.get(doc) for doc in docs),
    )


def _keep(stored: Any) -> Any:
    return stored


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
    if type(value) is float and -_INFINITE < value < _INFINITE:
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
