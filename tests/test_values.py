"""Values behave as the standard frozen dataclasses do; only their making is put off."""

import dataclasses
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from plabctl.values import dataclass, field, find_fields, replace


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.x + self.y


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    name: str


def test_they_are_made_compared_and_shown_as_usual() -> None:
    assert Point(1) == Point(1, 0, {})
    assert Point(1) != Point(2)
    assert Point(1).size == 1
    assert repr(Point(1, 2)) == "Point(x=1, y=2, names={})"
    assert Named(name="a") == Named(name="a")


def test_equal_values_hash_alike() -> None:
    assert len({Named(name="a"), Named(name="a"), Named(name="b")}) == 2


def test_they_are_frozen_and_have_no_room_for_more() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]  # that is what is refused
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert not hasattr(point, "__dict__")


def test_annotations_that_python_works_out_later_declare_fields_too() -> None:
    asked: list[int] = []

    def annotate(form: int) -> dict[str, type]:  # what a class body has from Python 3.14 on
        asked.append(form)
        return {"x": int, "y": str}

    found = find_fields({"__annotate_func__": annotate, "y": "z"})

    types: dict[str, object] = {each.name: each.type for each in found}
    assert types == {"x": int, "y": str}
    assert found[1].default == "z"
    assert set(asked) == {1}, "their values"


def test_wrong_arguments_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__"):
        Point()  # type: ignore[call-arg]  # that is what is refused
    with pytest.raises(TypeError, match="positional"):
        Named("a")  # type: ignore[call-arg]  # as above


def test_the_first_values_are_made_like_the_later_ones() -> None:
    @dataclass(frozen=True, slots=True)
    class Fresh:
        x: int = 1
        y: int = 3
        names: Mapping[str, str] = field(default_factory=dict)

    made = [Fresh(), Fresh(1), Fresh(x=1), Fresh(1, 3), Fresh(1, y=3), *(Fresh() for _ in range(20))]

    assert all(value == made[0] for value in made)
    assert len({id(value.names) for value in made}) == len(made), "each has a default of its own"


@pytest.mark.parametrize(("arguments", "named"), [((1, 2, {}, 4), {}), ((1,), {"x": 2}), ((), {"z": 1})])
def test_wrong_arguments_are_refused_from_the_first_value_on(arguments: tuple[Any, ...], named: Any) -> None:
    @dataclass(frozen=True, slots=True)
    class Fresh:
        x: int = 1
        y: int = 3
        names: Mapping[str, str] = field(default_factory=dict)

    with pytest.raises(TypeError, match="argument"):
        Fresh(*arguments, **named)


def test_they_work_with_the_standard_functions() -> None:
    assert dataclasses.replace(Point(1), y=5) == replace(Point(1), y=5) == Point(1, 5)
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 0, "names": {}}
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)


def test_a_method_of_the_class_itself_is_kept() -> None:
    @dataclass(frozen=True, slots=True)
    class Quiet:
        word: str

        def __repr__(self) -> str:
            return "quiet"

    assert repr(Quiet("x")) == "quiet"
