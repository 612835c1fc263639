"""Each query of docs/history.md finds something in a real history, and the page names every table, view and column."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.console import Desk

PAGE = (Path(__file__).parents[2] / "docs/history.md").read_text()
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """The history of two nodes that were tested, one of which broke; a person held the other."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.ok("node", "add", "pc1", "pc2")
    desk.ok("tick")
    desk.break_node("pc2")
    desk.run("retest", "pc2", "--wait")
    desk.ok("hold", "pc1", "--reason", "new disk")
    where = (desk.folder / "state/history.db").as_uri() + "?mode=ro"
    with closing(sqlite3.connect(where, uri=True)) as connection:
        yield connection


@pytest.mark.parametrize("query", QUERIES, ids=[query.partition("\n")[0] for query in QUERIES])
def test_each_query_finds_something(history: sqlite3.Connection, query: str) -> None:
    rows = history.execute(query).fetchall()

    assert rows
    assert all(row[0] is not None for row in rows)


def test_every_column_is_on_the_page_and_no_other(history: sqlite3.Connection) -> None:
    tables = history.execute(
        "select name from sqlite_schema where type in ('table', 'view') and name not like 'sqlite%'"
    ).fetchall()
    found = {
        (name, column)
        for (name,) in tables
        for (column,) in history.execute("select name from pragma_table_info(?)", [name])
    }

    named, table = set(), ""
    for line in PAGE.partition("## Tables and views")[2].partition("## Questions")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and "`" in cells[2]:
            table = cells[1].strip("`") or table
            named |= {(table, column) for column in re.findall(r"`(\w+)`", cells[2])}
    assert named == found


@pytest.mark.parametrize("column", ["cause = 'connect'", "experiment = 'exp'", "unix_at > 5"])
def test_views_go_by_the_indexes(history: sqlite3.Connection, column: str) -> None:
    (step, *_) = history.execute(f"explain query plan select * from tests where {column}").fetchall()

    assert "USING INDEX event_by_" in step[3]


def test_moves_are_found_without_a_walk_over_the_tests(history: sqlite3.Connection) -> None:
    (step, *_) = history.execute("explain query plan select * from moves").fetchall()

    assert "USING INDEX step_by_kind" in step[3]
