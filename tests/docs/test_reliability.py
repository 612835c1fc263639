"""The page on reliability claims nothing that is not tested, and leaves no fault of the matrix out."""

import ast
import re
from functools import cache

import pytest

from tests.docs.pages import DOCS
from tests.torture.__main__ import PARTS

ROOT = DOCS.parent
TEXT = (DOCS / "reliability.md").read_text()
ROWS = re.findall(r"^\| ([A-E]-?\d+) \| (.*) \|$", TEXT, re.MULTILINE)
MATRIX = [
    *(f"A{number}" for number in range(1, 26)),
    *(f"B{number}" for number in range(1, 29)),
    *(f"C{number}" for number in range(1, 26)),
    *(f"D{number}" for number in range(1, 37)),
    *(f"E-{number}" for number in range(1, 10)),
]
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
COMMANDS = re.findall(r"python -m tests\.torture ([a-z]+)", TEXT)


@cache
def functions_of(path: str) -> set[str]:
    """The functions and classes of a module, and the methods of its classes."""
    top = ast.parse((ROOT / path).read_text()).body
    inner = [node for each in top if isinstance(each, ast.ClassDef) for node in each.body]
    return {node.name for node in [*top, *inner] if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_every_fault_has_its_row() -> None:
    assert [name for name, _ in ROWS] == MATRIX


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[name for name, _ in ROWS])
def test_a_fault_is_tested_or_it_is_said_why_not(name: str, row: str) -> None:
    fault, outcome, evidence = row.split(" | ")

    assert fault
    assert outcome
    assert "`tests/" in evidence or "`make torture`" in evidence or "not tested" in evidence


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_the_tests_that_it_names_are_there(path: str, name: str) -> None:
    assert name in functions_of(path)


def test_it_names_every_part_of_the_torture() -> None:
    assert set(COMMANDS) == PARTS.keys()
