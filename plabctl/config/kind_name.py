"""The type of a value that names a kind of an extension point: `kind = "additive"`.

I/O: imports the module of the kind that is named. See `plabctl.kinds`.
Tests: `tests/config/test_schema.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from plabctl.core.keys.formatting import describe_value, quote
from plabctl.core.keys.table import Key, Table
from plabctl.core.keys.types import Base, ValueType
from plabctl.kinds import builtin_kinds, find, find_builtin
from plabctl.typed import Any


class KindName(ValueType):
    """The name of a kind that `accepts` agrees to.

    Settings hold the kind itself, or its name if `by_name`: then its module is loaded again only where it is used.
    """

    __slots__ = ("accepts", "by_name", "point")

    def __init__(self, point: str, accepts: Callable[[Any], bool] = lambda _: True, *, by_name: bool = False) -> None:
        self.point = point
        self.accepts = accepts
        self.by_name = by_name

    @property
    def allowed(self) -> str:  # type: ignore[override]  # worked out when a person asks: it imports every kind
        """What is allowed, in words: the built-in kinds."""
        return "one of " + ", ".join(quote(kind.name) for kind in self.builtin())

    def builtin(self) -> Iterator[Any]:
        """Yield the built-in kinds that may be named here."""
        return filter(self.accepts, builtin_kinds(self.point))

    def read(self, value: object) -> Any:
        """Return the kind."""
        kind = find(self.point, value) if isinstance(value, str) else None
        if kind is None or not self.accepts(kind):
            raise ValueError(f"cannot be {describe_value(value)}")
        return kind

    def resolve_paths(self, value: Any, base: Base) -> Any:
        """Return the kind, or its name."""
        return value.name if self.by_name else value

    def format(self, value: Any) -> str:
        """Return the name of the kind as TOML."""
        return quote(value if isinstance(value, str) else value.name)

    def find_kind(self, value: Any) -> Any:
        """Return the kind that a filled table has in its field `kind`."""
        return find(self.point, value.kind) if self.by_name else value.kind


def find_kind_name(table: Table) -> KindName | None:
    """Return the type of the key by which a table chooses its kind; None for a table without kinds."""
    key = table.keys.get("kind")
    return key.type if key and isinstance(key.type, KindName) else None


def find_fixed_kind(table: Table) -> Any:
    """Return the kind of which a table is the short form; None when it is none."""
    return find_builtin(*table.short_for) if table.short_for else None


def find_kind_of(table: Table, value: Any) -> Any:
    """Return the kind of a value that `table` filled; None where there are no kinds."""
    kind_name = find_kind_name(table)
    return kind_name.find_kind(value) if kind_name else find_fixed_kind(table)


def list_keys(table: Table, kind: Any) -> dict[str, Key]:
    """Return the keys that may stand in a table where `kind` was chosen, those of the kind last."""
    if not kind:
        return table.keys
    common = {name: key for name, key in table.keys.items() if name not in kind.left_out}
    return {**common, **kind.keys.keys}


def describe_key(key: Key) -> str:
    """Return what a key does, in words; of one that chooses a kind, also what each built-in kind does."""
    return f"{key.text} {_describe_kinds(key.type.builtin())}" if isinstance(key.type, KindName) else key.text


def describe_table(table: Table) -> str:
    """Return what a table is about, in words, and what each built-in kind does that needs no such table."""
    return f"{table.text} {_describe_kinds(builtin_kinds(table.point))}" if table.point else table.text


def _describe_kinds(kinds: Iterable[Any]) -> str:
    return "; ".join(f"`{kind.name}`: {kind.help}" for kind in kinds) + "."
