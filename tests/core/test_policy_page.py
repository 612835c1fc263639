"""docs/policy.md and the code say the same numbers."""

from pathlib import Path

import pytest

from plabctl.core.backoff import interval
from plabctl.core.settings import Backoff, BackoffKind

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"


def table_after(heading: str) -> list[list[str]]:
    lines = PAGE.read_text().split(heading)[1].splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize("kind", BackoffKind)
def test_the_table_of_waits_is_what_the_formula_gives(kind: BackoffKind) -> None:
    rows = table_after("in minutes:")
    streaks = [int(cell) for cell in rows[0][1:]]
    shown = next(row for row in rows if row[0] == kind)[1:]

    assert [float(cell) for cell in shown] == [interval(Backoff(kind=kind), n, 0.0) / 60 for n in streaks]
