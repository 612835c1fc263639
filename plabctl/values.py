"""Frozen dataclasses that cost next to nothing to define.

Pure. The standard decorator compiles half a dozen methods for every class, close to a millisecond each, and loads
`inspect`; a command that answers in forty milliseconds has no time for that. This one leaves everything to the first
use. It is used like the standard one, which type checkers see; `replace`, `fields` and `asdict` take its values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from plabctl.typed import TYPE_CHECKING, Any, read_annotations

_FEW = 16
"""How many values of a class are made before its `__init__` is compiled."""
MISSING = object()
"""The default of a field that has none."""


class Field:
    """One field as the class declares it."""

    __slots__ = ("default", "default_factory", "name", "type")

    def __init__(self, name: str, type_: str, default: object, factory: Callable[[], object] | None) -> None:
        self.name = name
        self.type = type_
        self.default = default
        self.default_factory = factory


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:

    def replace(value: object, /, **changes: object) -> object:
        """Return a value like `value` but for `changes`."""
        cls = type(value)
        for name in cls.__slots__:
            if name not in changes:
                changes[name] = getattr(value, name)
        return cls(**changes)

    class _Made:
        __slots__ = ("factory",)

        def __init__(self, factory: Callable[[], object]) -> None:
            self.factory = factory

    def field(*, default_factory: Callable[[], object]) -> _Made:
        """Return a marker that the default of a field is made by `default_factory` for each value."""
        return _Made(default_factory)

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """Return a decorator for a class of frozen values with slots, which is the only kind it makes."""
        if not (frozen and slots):
            raise TypeError("plabctl.values makes frozen dataclasses with slots; use dataclasses for others")

        def decorate(cls: type) -> type:
            body = {key: value for key, value in cls.__dict__.items() if key not in {"__dict__", "__weakref__"}}
            slots = tuple(read_annotations(body))
            own = {**_METHODS, **body, "__qualname__": cls.__qualname__, "__slots__": slots}
            for name in slots:
                own.pop(name, None)  # its default
            own["__match_args__"] = () if kw_only else slots
            own["__value_body__"] = body, kw_only
            return type(cls.__name__, (), own)

        return decorate


def fields(cls: type) -> tuple[Field, ...]:
    """Return the fields of a class of values, in the order in which they are declared."""
    found: tuple[Field, ...] = cls.__value_fields__  # type: ignore[attr-defined]  # see _METHODS
    return found


def find_fields(body: Mapping[str, Any]) -> tuple[Field, ...]:
    """Return the fields that the body of a class declares."""
    made: list[Field] = []
    for name, type_ in read_annotations(body).items():
        default = body.get(name, MISSING)
        factory = getattr(default, "factory", None)
        made.append(Field(name, type_, MISSING if factory else default, factory))
    return tuple(made)


def _read_body(lazy: type) -> tuple[Mapping[str, Any], bool]:
    """Return what the body of a class of values declares, and whether its fields are given by name only."""
    found: tuple[Mapping[str, Any], bool] = lazy.__value_body__  # type: ignore[attr-defined]  # set by the decorator
    return found


def _make_late_method(name: str) -> Callable[..., object]:
    """Return a method that puts the real one in its place at its first use."""

    def method(self: object, *args: object, **kwargs: object) -> object:
        # Another thread may be here too: both make the same, and the last one to set it wins.
        lazy = type(self)
        real = getattr(_make_standard_class(lazy), name)
        real.__qualname__ = f"{lazy.__qualname__}.{name}"
        setattr(lazy, name, real)
        return real(self, *args, **kwargs)

    return method


_made_counts: dict[type, int] = {}


def _init(self: object, *args: object, **kwargs: object) -> None:
    """Fill the first few values field by field; when more are made, it is compiled.

    Of most settings there is one value, and to compile costs as much as to fill fifty.
    """
    # Another thread may be here too: whichever counts last, the class is compiled sooner or later, if twice.
    lazy = type(self)
    count = _made_counts[lazy] = _made_counts.get(lazy, 0) + 1
    _, kw_only = _read_body(lazy)
    if not (count <= _FEW and not (kw_only and args) and _is_filled(self, fields(lazy), args, kwargs)):
        _compile(lazy)(self, *args, **kwargs)


def _compile(lazy: type) -> Callable[..., object]:
    real = _compile_init(lazy)
    real.__qualname__ = f"{lazy.__qualname__}.__init__"
    setattr(lazy, "__init__", real)  # noqa: B010 - type checkers have never heard of such a thing
    return real


class _SignatureAtFirstLook:
    """The signature of a class, for callers that ask before its `__init__` is compiled."""

    def __get__(self, value: object, lazy: type) -> object:
        import inspect

        _, *parameters = inspect.signature(_compile(lazy)).parameters.values()
        return inspect.Signature(parameters)


def _is_filled(value: object, own: tuple[Field, ...], args: tuple[object, ...], kwargs: Mapping[str, object]) -> bool:
    """Fill the fields of `value`; False when the arguments do not fit, which the compiled method says properly."""
    given = dict(zip((each.name for each in own), args, strict=False))
    if len(args) > len(own) or not given.keys().isdisjoint(kwargs):
        return False
    given.update(kwargs)
    for each in own:
        name, default = each.name, each.default
        if name in given:
            default = given.pop(name)
        elif each.default_factory:
            default = each.default_factory()
        elif default is MISSING:
            return False
        object.__setattr__(value, name, default)
    return not given


def _compile_init(lazy: type) -> Callable[..., object]:
    """Return `__init__`, compiled: it is the one method that has to be fast, and that most classes need."""
    own, (_, kw_only) = fields(lazy), _read_body(lazy)
    # A slot's own setter is faster by a third than finding the slot by its name.
    space: dict[str, object] = {
        "_missing": MISSING,
        **{f"_set_{each.name}": getattr(lazy, each.name).__set__ for each in own},
    }
    parameters, lines = [], []
    for each in own:
        name, default, factory = each.name, each.default, each.default_factory
        value = name
        if factory:
            space[f"_make_{name}"] = factory
            value = f"_make_{name}() if {name} is _missing else {name}"
            parameters.append(f"{name}=_missing")
        elif default is not MISSING:
            space[f"_default_{name}"] = default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f"  _set_{name}(self, {value})")
    star = "*, " if kw_only and own else ""
    head = f"def make({', '.join(space)}):\n def __init__(self, {star}{', '.join(parameters)}):\n"
    found: dict[str, Callable[..., Callable[..., object]]] = {}
    # In the class's own module, where the names in its annotations can be resolved.
    exec(head + ("\n".join(lines) or "  pass") + "\n return __init__", sys.modules[lazy.__module__].__dict__, found)  # noqa: S102 - of identifiers, as the standard decorator does
    init = found["make"](*space.values())
    init.__annotations__ = {each.name: each.type for each in own}
    return init


def _make_standard_class(lazy: type) -> type:
    """Return the same class as the standard decorator makes it."""
    import dataclasses

    body, kw_only = _read_body(lazy)
    own = {f.name: dataclasses.field(default_factory=f.default_factory) for f in fields(lazy) if f.default_factory}
    return dataclasses.dataclass(frozen=True, kw_only=kw_only)(type(lazy.__name__, (), {**body, **own}))


class _AtFirstLook:
    """What makes a value a dataclass for the standard functions, worked out when one of them asks."""

    def __get__(self, value: object, lazy: type) -> object:
        found = _make_standard_class(lazy).__dataclass_fields__  # type: ignore[attr-defined]  # it is one
        type.__setattr__(lazy, "__dataclass_fields__", found)
        return found


class _FieldsAtFirstLook:
    """The fields of a class, worked out when they are asked for: of many a class no value is made."""

    def __get__(self, value: object, lazy: type) -> tuple[Field, ...]:
        found = find_fields(_read_body(lazy)[0])
        type.__setattr__(lazy, "__value_fields__", found)
        return found


def _refuse(self: object, name: str, *_: object) -> None:
    import dataclasses

    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _getstate(self: object) -> list[object]:
    return [getattr(self, found.name) for found in fields(type(self))]


def _setstate(self: object, state: list[object]) -> None:
    for found, value in zip(fields(type(self)), state, strict=True):
        object.__setattr__(self, found.name, value)


_METHODS: Mapping[str, object] = {
    "__dataclass_fields__": _AtFirstLook(),
    "__delattr__": _refuse,
    "__eq__": _make_late_method("__eq__"),
    "__getstate__": _getstate,
    "__hash__": _make_late_method("__hash__"),
    "__init__": _init,
    "__repr__": _make_late_method("__repr__"),
    "__setattr__": _refuse,
    "__setstate__": _setstate,
    "__signature__": _SignatureAtFirstLook(),
    "__value_fields__": _FieldsAtFirstLook(),
}
"""What every class of values has, the same for all of them; what its body has of these goes first."""
