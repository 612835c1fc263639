"""What our modules use of `typing`, without loading it where programs run: that takes as long as ten modules of ours.

Pure. Type checkers see the real names. At run time they stand for no more than what executing a module needs of them:
`Any` for any object, `Protocol` and `Generic` for plain base classes; `NamedTuple` makes what `typing` would.
What every short command loads imports from here (`tests/cli/test_imports.py`); elsewhere `typing` will do.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any as Any
    from typing import Generic as Generic
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeVar as TypeVar
    from typing import cast as cast
else:
    Any = TextIO = object

    class TypeVar:
        """A type that is not known."""

        def __new__(cls, *_: object, **__: object) -> type:
            """Return a type that any object has."""
            return object

    def cast(_: object, value: object) -> object:
        """Return `value`."""
        return value

    class Generic:
        """The base of a class with parameters."""

        __slots__ = ()

        def __class_getitem__(cls, _: object) -> type:
            return cls

    class Protocol(Generic):
        """The base of a protocol."""

        __slots__ = ()

    class _NamedTupleMeta(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            types = read_annotations(body)
            defaults = [body.pop(field) for field in types if field in body]
            made = namedtuple(name, types, defaults=defaults, module=body["__module__"])  # noqa: PYI024 - which this is
            made.__annotations__ = types
            for key, value in body.items():
                if key not in _OF_NO_TUPLE:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_NamedTupleMeta):
        """The base of a tuple with named fields: the class becomes one."""


_OF_NO_TUPLE = frozenset(
    {
        "__annotate_func__",
        "__annotations__",
        "__classdictcell__",
        "__module__",
        "__static_attributes__",
    }
)
"""What stands in the body of a class and is not to be copied."""


def read_annotations(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of the fields that the body of a class declares, by name."""
    # From Python 3.14 on they are there only under `from __future__ import annotations`. Else a function makes them:
    # 1 asks it for values. `annotationlib`, which would ask, is slow to import.
    make = body.get("__annotate_func__")
    found: dict[str, Any] = make(1) if make else body.get("__annotations__", {})
    return found
