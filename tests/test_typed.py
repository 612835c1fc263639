"""The stand-ins do what the names of `typing` do for us."""

import copy
import inspect
import pickle
import typing

import pytest

from plabctl.typed import Any, Generic, NamedTuple, Protocol, TypeVar, cast

T = TypeVar("T")


class Pair(NamedTuple):
    """Two of something."""

    name: str
    amount: int | None = None

    @property
    def shown(self) -> str:
        return f"{self.name} {self.amount}"


class Standard(typing.NamedTuple):
    name: str
    amount: int | None = None


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Box(Generic[T]):
    def __init__(self, value: T) -> None:
        self.value = value


def test_a_named_tuple_is_one() -> None:
    pair = Pair("a")

    assert (pair.name, pair.amount, pair.shown, pair) == ("a", None, "a None", ("a", None))
    assert repr(pair._replace(amount=2)) == "Pair(name='a', amount=2)"
    assert (Pair._fields, Pair._field_defaults) == (Standard._fields, Standard._field_defaults)
    assert Pair.__annotations__ == Standard.__annotations__ == typing.get_type_hints(Pair)
    assert (Pair.__doc__, Pair.__module__, Pair.__qualname__) == ("Two of something.", __name__, "Pair")
    assert list(inspect.signature(Pair).parameters) == ["name", "amount"]
    assert pickle.loads(pickle.dumps(pair)) == copy.copy(pair) == pair
    assert type(pickle.loads(pickle.dumps(pair))) is Pair


@pytest.mark.parametrize("arguments", [(), ("a", 1, 2)])
def test_a_named_tuple_refuses_what_does_not_fit(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        Pair(*arguments)


def test_bases_and_types_stand_for_nothing() -> None:
    box: Box[Named] = Box(cast("Named", Pair("a")))

    assert box.value.name == "a"
