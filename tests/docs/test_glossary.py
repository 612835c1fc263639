"""The glossary explains every word, column, event kind, outcome and cause that the program shows."""

import re
from pathlib import Path

import pytest

from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.model import Cause, Outcome
from plabctl.demo import live_board
from plabctl.render import group_table
from plabctl.views.node import NODE_COLUMNS
from tests.docs.pages import DOCS

PACKAGE = DOCS.parent / "plabctl"
TEXT = (DOCS / "glossary.md").read_text()
WORDS = (
    "node",
    "vnode",
    "recipe",
    "probe",
    "outcome",
    "cause",
    "pool",
    "member",
    "good",
    "bad",
    "experiment",
    "window",
    "slot",
    "claim",
    "tick",
    "transition",
    "back-off",
    "jitter",
    "flap",
    "usable",
    "absent",
    "busy",
    "vantage",
    "kind",
    "guard",
    "hold",
    "outbox",
    "sink",
    "view",
    "renderer",
)
_COLUMN = re.compile(r'\bColumn\(\s*"([^"]+)"')


def explained(title: str) -> set[str]:
    """Return the terms in the first column of the tables under the heading `title`."""
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \| .* \|$", section, re.MULTILINE)
    return {term.strip("` ") for cell in cells for term in cell.split(",")}


def shown_columns() -> set[str]:
    """Return the titles of all columns in the source of the package."""
    sources = [path.read_text() for path in sorted(Path(PACKAGE).rglob("*.py"))]
    return {*live_board.COLUMNS, *(title for source in sources for title in _COLUMN.findall(source))}


def test_every_column_is_explained_and_no_other() -> None:
    assert explained("Columns") - {"column"} == shown_columns()


def test_every_kind_of_event_is_explained_and_no_other() -> None:
    assert explained("Events") - {"kind"} == set(EVENT_KINDS)


@pytest.mark.parametrize("word", [*Outcome, *Cause])
def test_every_outcome_and_cause_is_explained(word: str) -> None:
    assert word in explained("Outcomes and causes")


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_our_own_is_explained(word: str) -> None:
    assert word in explained("Words")


def test_the_fields_of_a_node_stand_in_the_order_of_their_columns() -> None:
    section = TEXT.partition("## Fields of a node")[2].partition("\n## ")[0]

    assert tuple(re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)) == NODE_COLUMNS
    assert all(f"`{field}`" in section for field in group_table.FIELDS)
