"""Screens of 60, 80 and 120 columns are those that were looked at and kept."""

import pytest

from tests.render.screens import SCREENS, WIDTHS, draw, find_file


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_the_one_that_was_looked_at(name: str, width: int) -> None:
    kept = find_file(name, width).read_text(encoding="utf-8")

    assert draw(name, width) == kept, "look at the new one: python -m tests.render.screens"
