"""Columns leave a narrow terminal by rank; names stay whole."""

from hypothesis import given
from hypothesis import strategies as st

from plabctl.render.table_layout import GAP, LEAST_FLEXIBLE, ColumnWidth, fit_columns

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
