"""Columns leave a narrow terminal by rank; names stay whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.render.listing import Cell, Column
from plabctl.render.table_layout import GAP, LEAST_FLEXIBLE, ColumnWidth, draw_rows, find_common_end, fit_columns

wants = st.lists(st.builds(ColumnWidth, st.integers(0, 60), st.integers(0, 5), st.booleans()), max_size=8)


def total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + GAP * max(0, len(widths) - 1)


@given(wants, st.integers(1, 200))
def test_it_fits_unless_what_must_stay_is_too_wide(asked: list[ColumnWidth], room: int) -> None:
    widths = fit_columns(asked, room)

    assert total(widths) <= room or all(asked[place].rank == 0 for place in widths)


@given(wants, st.integers(1, 200))
def test_only_flexible_columns_are_shortened(asked: list[ColumnWidth], room: int) -> None:
    for place, width in fit_columns(asked, room).items():
        assert width == asked[place].width or (
            asked[place].flexible and width >= min(asked[place].width, LEAST_FLEXIBLE)
        )


@given(wants, st.integers(1, 200))
def test_a_column_goes_only_after_all_of_higher_rank(asked: list[ColumnWidth], room: int) -> None:
    kept = fit_columns(asked, room)
    gone = [want.rank for place, want in enumerate(asked) if want.width and place not in kept]

    assert not gone or all(asked[place].rank <= min(gone) for place in kept)


@given(wants)
def test_without_a_limit_everything_is_shown_in_full(asked: list[ColumnWidth]) -> None:
    assert fit_columns(asked, None) == {place: want.width for place, want in enumerate(asked) if want.width}


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (["pc1.lab.example.org", "pc2.lab.example.org", ""], ".lab.example.org"),
        (["pc1.lab.example.org", "pc2.site.example.org"], ".example.org"),
        (["pc1.lab", "pc2.lab", "db1", "127.0.0.1", "fe80::1", "pc3.lab", "pc4.lab"], ".lab"),
        (["pc1.lab", "db1", "db2"], ""),
        (["pc1.lab", "pc2.lab", "pc1"], ""),
        (["pc1.lab.example.org", "pc1.lab.example.org"], ".lab.example.org"),
        (["lab.example.org", "pc2.lab.example.org"], ".example.org"),
        (["example.org", "pc2.lab.example.org"], ".org"),
        (["pc1.lab", "pc2"], ""),
        (["pc1", "pc11"], ""),
        (["10.0.0.1", "10.1.0.1"], ""),
        ([], ""),
    ],
)
def test_names_have_their_domain_in_common(names: list[str], end: str) -> None:
    assert find_common_end(names) == end


def draw(texts: list[tuple[str, str]], room: int | None) -> list[str]:
    columns = (
        Column("NODE", lambda row: row, is_name=True),
        Column("WHY", lambda row: row, rank=1, flexible=True),
    )
    rows = [[Cell(name), Cell(why)] for name, why in texts]
    return ["".join(text for text, _ in line) for line in draw_rows(columns, rows, room, titles=False)]


def test_names_lose_their_common_end_before_a_reason_is_cut() -> None:
    rows = [("pc1.lab.example.org", "no route to host"), ("pc2.lab.example.org", "")]

    assert draw(rows, None) == draw(rows, 37) == ["pc1.lab.example.org  no route to host", "pc2.lab.example.org"]
    assert draw(rows, 36) == ["pc1  no route to host", "pc2", "names are shown without .lab.example.org"]


def test_folded_names_lose_it_too() -> None:
    rows = [("pc[1,3].lab,x7.lab", "y" * 90), ("pc2.lab", "")]

    assert [line.split()[0] for line in draw(rows, 80)[:2]] == ["pc[1,3],x7", "pc2"]
