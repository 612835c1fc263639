"""How keys and tables of the configuration are declared, and what every kind of an extension point has.

Pure. `plabctl.config` reads TOML against these; the kinds of extension points declare their own keys with them, beside
the code that goes by them. The types of value are in `types` and `path_types`.
Tests: `tests/config/test_schema.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from plabctl.core.keys.types import Base, ValueType
from plabctl.typed import Any


class Shape(StrEnum):
    """How a table stands in the file."""

    ONE = "one"
    """`[ssh]`, or an inline table."""
    NAMED = "named"
    """`[pool.NAME]`: any number, each with a name."""
    MANY = "many"
    """`[[inventory]]`: any number, in order."""


class Key:
    """One key: its `name` in the file, the `type` of its value, what it means, and the field that it fills.

    `text` says what it does and why its default is what it is; `example` is a value as TOML; `default` describes a
    default that is no constant, or returns its description. A table that few files have is given as the function that
    loads it, which is called when somebody asks for the type.
    """

    __slots__ = ("_default", "_type", "example", "field", "name", "required", "text")

    def __init__(
        self,
        name: str,
        type_: ValueType | Table | Callable[[], Table],
        field: str = "",
        *,
        text: str = "",
        example: str = "",
        default: str | Callable[[], str] = "",
        required: bool = False,
    ) -> None:
        self.name = name
        self._type = type_
        self.field = field or name
        self.text = text
        self.example = example
        self._default = default
        self.required = required

    @property
    def type(self) -> ValueType | Table:
        """What its value is."""
        own = self._type
        return own() if callable(own) else own

    @property
    def default(self) -> str:
        """What the default is, in words; empty where it is a constant."""
        return self._default if isinstance(self._default, str) else self._default()

    def resolve_paths(self, value: Any, base: Base) -> Any:
        """Return a value of this key that was read, with paths made absolute; what is in a table stays as it is."""
        own = self.type
        return own.resolve_paths(value, base) if isinstance(own, ValueType) else value


class Table:
    """One table: its `keys`, and the value with the defaults that they override.

    `topic` tells it from other tables, `text` says what it is about. Where the key `kind` chooses a kind of an
    extension point, the keys that the kind declares (`kind.keys`, a table of its own) may stand here as well. A table
    that is the short form of one kind has no such key: `short_for` says of which, by extension point and name. `point`
    names the extension point whose kinds need no table of this sort.
    """

    __slots__ = ("defaults", "keys", "point", "shape", "short_for", "text", "topic")

    def __init__(
        self,
        topic: str,
        defaults: object,
        *keys: Key,
        shape: Shape = Shape.ONE,
        short_for: tuple[str, str] | None = None,
        point: str = "",
        text: str = "",
    ) -> None:
        self.topic = topic
        self.defaults = defaults
        self.keys = {key.name: key for key in keys}
        self.shape = shape
        self.short_for = short_for
        self.point = point
        self.text = text


NO_KEYS = Table("", None)
"""Of a kind that declares no keys of its own."""


class Kind:
    """One kind of an extension point. Its instances hold no state: what is configured stands in settings.

    `plabctl.kinds` finds it by its name. What else a kind of pool, back-off, inventory, sink or executor can do
    stands in the `base` of its folder.
    """

    name = ""
    help = ""
    """What it does, for the reference: `name: help` stands beside the other kinds of the extension point."""
    keys: Table = NO_KEYS
    """The keys that only this kind has; their defaults are those of the `options` of the settings."""
    left_out: frozenset[str] = frozenset()
    """The keys of the table that mean nothing where this kind is chosen."""
    place_keys: tuple[str, ...] = ()
    """The keys of it that say where it is: two tables with the same are one too many. None stands for all its keys."""
    fault = ""
    """Why it cannot be used: only those of plug-ins ever have one."""

    def check(self, given: Mapping[str, Any], defaults: Any) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between the keys of a table that chose this kind: a key of it, and what is wrong with it.

        `given` are the values that could be read, by key; keys that were not given, or are at fault, are missing.
        `defaults` are the options that hold where nothing is given; of a back-off, all its settings.
        """
        yield from ()
