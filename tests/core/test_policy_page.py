"""docs/policy.md and the code say the same numbers."""

from pathlib import Path

import pytest

from plabctl.core.backoffs.age import AGE
from plabctl.core.backoffs.base import BackoffKind, compute_interval
from plabctl.core.backoffs.quadratic import QUADRATIC
from plabctl.core.claim import choose_rows
from plabctl.core.due_rows import Due
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.good import GOOD
from plabctl.core.settings import PoolKind
from plabctl.durations import parse_duration
from plabctl.kinds import builtin_kinds

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
BY_COUNT = [kind for kind in builtin_kinds("backoff") if kind.by_count]


def table_after(heading: str) -> list[list[str]]:
    lines = PAGE.read_text().split(heading)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def shown(rows: list[list[str]], name: str) -> list[float]:
    return [float(cell) for cell in next(row for row in rows if row[0] == name)[1:]]


@pytest.mark.parametrize("pool", [GOOD, BAD])
@pytest.mark.parametrize("kind", BY_COUNT)
def test_the_table_of_waits_by_count_is_what_the_formula_gives(kind: BackoffKind, pool: PoolKind) -> None:
    rows = table_after("in minutes:")
    streaks = [int(cell) for cell in rows[0][1:]]
    name = kind.name if kind is not QUADRATIC or pool is GOOD else "quadratic in bad"

    assert shown(rows, name) == [compute_interval(kind.default(is_good=pool.is_good), n, 0.0) / 60 for n in streaks]


@pytest.mark.parametrize("pool", [GOOD, BAD])
def test_the_table_of_waits_by_age_is_what_the_formula_gives(pool: PoolKind) -> None:
    rows = table_after("by age, in minutes")
    ages = [parse_duration(cell) for cell in rows[0][1:]]
    backoff = AGE.default(is_good=pool.is_good)

    assert shown(rows, pool.name) == [round(compute_interval(backoff, 1, 0.0, age) / 60, 1) for age in ages]


def test_the_table_of_fair_waits_is_what_the_formula_gives() -> None:
    from tests.core.test_fair_wait import unit_after

    rows = table_after("adaptive, in minutes")
    ages = [parse_duration(cell) for cell in rows[0][1:]]
    for pool, seconds in (("good", 60.0), ("bad", 600.0)):
        assert shown(rows, pool) == [round(unit_after(age, pool, seconds) / 60, 1) for age in ages]


def test_the_table_of_the_order_of_service_is_what_is_chosen() -> None:
    _, _, *rows = table_after("served first:")
    waiting = [
        Due(name, "bad", -parse_duration(ago) + parse_duration(wait), None, -parse_duration(ago), parse_duration(wait))
        for name, ago, wait, _, _ in rows
    ]
    chosen = choose_rows(waiting[::-1], [], len(waiting), 0.0).rows

    assert [row.node for row in chosen] == [name for name, *_, place in sorted(rows, key=lambda row: int(row[-1]))]
    for row, (*_, ratio, _) in zip(waiting, rows, strict=True):
        assert ratio == (f"{-row.waiting_since_at / row.interval_s:.2f}" if row.interval_s else "at once")
