from typing import Any, cast

import pytest

from plabctl.core.model import Member
from plabctl.fast_replace import compile_replace
from plabctl.values import fields, replace
from tests.builders import make_member

replace_member = compile_replace(Member)


@pytest.mark.parametrize("name", [each.name for each in fields(Member)])
def test_it_does_what_replace_does(name: str) -> None:
    member = make_member(ok_streak=3)
    before, change = replace(member), cast(Any, {name: None})

    made = replace_member(member, **change)

    assert type(made) is Member
    assert made == replace(member, **change)
    assert getattr(made, name) is None
    assert member == before


def test_no_change_makes_an_equal_value_and_no_field_is_set_by_place_or_by_a_wrong_name() -> None:
    member = make_member()

    assert replace_member(member) == member
    with pytest.raises(TypeError):
        replace_member(member, "n2")
    with pytest.raises(TypeError):
        replace_member(member, age_s=3.0)
