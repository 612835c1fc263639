from pathlib import Path

import pytest

from plabctl.config.base import Base
from plabctl.config.reference import reference
from plabctl.config.schema import ROOT, Key, Table
from plabctl.config.texts import text_of
from tests.config.test_sample import topics

PAGE = Path(__file__).parents[2] / "docs/config.md"
KEYS = [
    (table, key)
    for table in topics(ROOT).values()
    for key in table.keys.values()
    if not (table is ROOT and isinstance(key.kind, Table))
]


def test_the_page_is_what_the_program_says() -> None:
    assert PAGE.read_text() == reference(), "write it anew: make docs"


@pytest.mark.parametrize(("table", "key"), KEYS, ids=[f"{table.topic}.{key.name}" for table, key in KEYS])
def test_every_key_is_in_the_reference_with_an_example_that_is_allowed(table: Table, key: Key) -> None:
    import tomllib

    example = tomllib.loads(f"x = {text_of(table.topic, key.name).example}")["x"]

    assert f"| `{key.name}` | {text_of(table.topic, key.name).help}" in reference()
    if isinstance(key.kind, Table):
        assert all(inner in key.kind.keys for inner in example)
    else:
        assert key.kind.placed(key.kind.read(example), Base("/etc", "/root")) is not None
