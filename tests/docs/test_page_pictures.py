"""The pictures of the page are of the page as it is, of the right size, and shown."""

import pytest

from tests.docs.page_pictures import SHOTS, build_page, compute_digest, read_digest, read_size
from tests.docs.pages import DOCS

MOST_BYTES = 300_000


def test_the_pictures_are_of_the_page_as_it_is() -> None:
    digest = compute_digest(build_page())

    for name in SHOTS:
        assert read_digest((DOCS / "pictures" / name).read_bytes()) == digest, f"{name}: make docs takes it anew"


def test_other_words_are_another_page_and_another_version_is_not() -> None:
    page = "<html><style>a</style><body><p>pc1</p><svg><title>b</title></svg><p>plabctl 1.0</p>"

    assert compute_digest(page) == compute_digest(page.replace("plabctl 1.0", "plabctl 1.1").replace("<p>", "<p >"))
    assert compute_digest(page) != compute_digest(page.replace("pc1", "pc2"))


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_is_small_and_shown(name: str) -> None:
    picture = (DOCS / "pictures" / name).read_bytes()

    assert read_size(picture) == SHOTS[name][:2]
    assert len(picture) <= MOST_BYTES
    assert f"](pictures/{name})" in (DOCS / "page.md").read_text()
