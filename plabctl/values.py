"""Frozen dataclasses that cost next to nothing to define.

Pure. The standard decorator compiles half a dozen methods for every class, close to a millisecond each; a command that
answers in forty has no time to define forty classes of which it uses ten. This one leaves each method to its first use.
It is used exactly like the standard one, which is also what type checkers see.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - marks it as exported
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """Return a decorator for a class of frozen values with slots, which is the only kind it makes."""
        if not (frozen and slots):
            raise TypeError("plabctl.values makes frozen dataclasses with slots; use dataclasses for others")

        def decorate(cls: type) -> type:
            body = {key: value for key, value in cls.__dict__.items() if key not in {"__dict__", "__weakref__"}}
            lazy = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
            for name in ("__init__", "__repr__", "__eq__", "__hash__"):
                if name not in body:
                    setattr(lazy, name, _at_first_use(lazy, body, name, kw_only=kw_only))
            lazy.__setattr__ = _refuse
            lazy.__delattr__ = _refuse
            lazy.__getstate__ = _getstate
            lazy.__setstate__ = _setstate
            return lazy

        return decorate


def _at_first_use(lazy: type, body: Mapping[str, object], name: str, *, kw_only: bool) -> Callable[..., object]:
    """Return a method that puts the real one in its own place when it is first called, and calls that."""

    def method(self: object, *args: object, **kwargs: object) -> object:
        # Another thread may be here too: both make the same, and the last one to set it wins.
        is_init = name == "__init__"
        make = dataclasses.dataclass(frozen=True, repr=not is_init, eq=not is_init, kw_only=kw_only)
        real = getattr(make(type(lazy.__name__, (), dict(body))), name)
        real.__qualname__ = f"{lazy.__qualname__}.{name}"
        setattr(lazy, name, real)
        return real(self, *args, **kwargs)

    return method


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _getstate(self: object) -> list[object]:
    return [getattr(self, name) for name in type(self).__slots__]  # type: ignore[attr-defined]  # made with slots


def _setstate(self: object, state: list[object]) -> None:
    for name, value in zip(type(self).__slots__, state, strict=True):  # type: ignore[attr-defined]  # as above
        object.__setattr__(self, name, value)
