import re
from pathlib import Path

import pytest

from plabctl.config import sample
from plabctl.config.kind_name import describe_key
from plabctl.config.locate import BaseDir
from plabctl.config.reference import build_reference
from plabctl.config.schema import ROOT
from plabctl.core.keys.table import Key, Table
from tests.config.test_sample import topics

PAGE = Path(__file__).parents[2] / "docs/config.md"
KEYS = [
    (table, key)
    for table in topics(ROOT).values()
    for key in table.keys.values()
    if not (table is ROOT and isinstance(key.type, Table))
]


def test_the_page_is_what_the_program_says() -> None:
    assert PAGE.read_text() == build_reference(), "write it anew: make docs"


@pytest.mark.parametrize(("table", "key"), KEYS, ids=[f"{table.topic}.{key.name}" for table, key in KEYS])
def test_every_key_is_in_the_reference_with_an_example_that_is_allowed(table: Table, key: Key) -> None:
    import tomllib

    example = tomllib.loads(f"x = {key.example}")["x"]

    assert f"| `{key.name}` | {describe_key(key)}" in build_reference()
    if isinstance(key.type, Table):
        assert all(inner in key.type.keys for inner in example)
    else:
        assert key.type.resolve_paths(key.type.read(example), BaseDir("/etc", "/root")) is not None


def _numbers(table: Table, key: Key) -> list[str]:
    """The numbers in the default of a key, or in the words that stand for it."""
    said = key.default or sample.format_default(table, key) or ""
    return re.findall(r"\d[\w.]*", said)


@pytest.mark.parametrize(("table", "key"), KEYS, ids=[f"{table.topic}.{key.name}" for table, key in KEYS])
def test_every_default_number_names_its_reason(table: Table, key: Key) -> None:
    if _numbers(table, key):
        assert " because " in describe_key(key)
        assert describe_key(key) in build_reference().replace("\\|", "|")
