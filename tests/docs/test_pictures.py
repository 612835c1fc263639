"""The pictures of the README: as the program draws them, small, and loading nothing from elsewhere."""

import re
import xml.etree.ElementTree as ET

import pytest

from tests.docs.drawings import DRAWINGS
from tests.docs.pages import DOCS
from tests.docs.pictures import PICTURES

README = DOCS.parent / "README.md"
MOST_BYTES = 60_000


def read_words(svg: str) -> list[str]:
    """The pieces of text in a picture, in their order, without what any version of rich may lay out otherwise."""
    root = ET.fromstring(svg)
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    return " ".join(texts).replace("\xa0", " ").split()


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_what_the_program_shows(name: str) -> None:
    stored = (DOCS / "pictures" / name).read_text(encoding="utf-8")

    assert read_words(PICTURES[name]()) == read_words(stored), "draw it anew: make docs"


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_drawing_is_what_the_program_draws(name: str) -> None:
    stored = (DOCS / "pictures" / name).read_text(encoding="utf-8")

    assert DRAWINGS[name]() == stored, "draw it anew: make docs"


@pytest.mark.parametrize("name", [*PICTURES, *DRAWINGS])
def test_the_picture_is_small_and_loads_nothing(name: str) -> None:
    svg = (DOCS / "pictures" / name).read_text(encoding="utf-8")

    assert len(svg.encode()) <= MOST_BYTES
    assert set(re.findall(r"https?://[^\s\"')]*", svg)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@font-face|@import|href|<script|<image", svg)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", svg))


@pytest.mark.parametrize("name", PICTURES)
def test_the_readme_shows_the_picture(name: str) -> None:
    assert f"](docs/pictures/{name})" in README.read_text()


def test_pages_show_the_drawings() -> None:
    for page, name in (("stats.md", "outages.svg"), ("policy.md", "policies.svg")):
        assert f"](pictures/{name})" in (DOCS / page).read_text()
