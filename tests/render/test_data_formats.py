"""Listings for programs: nothing is cut, nothing breaks out of its cell."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.render import data_formats, encode
from plabctl.render.listing import Listing, Row

texts = st.text(max_size=20)


def make_listing(*rows: Row) -> Listing:
    return Listing("things", rows, ("name", "last.outcome", "labels"))


@given(texts, texts)
def test_tsv_has_constant_columns_and_one_line_a_row(name: str, outcome: str) -> None:
    text = "".join(data_formats.format_tsv(make_listing({"name": name, "last": {"outcome": outcome}})))

    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert len(text[:-1].split("\t")) == 3


def test_a_header_stands_there_on_request_only() -> None:
    listing = make_listing({"name": "n1"})

    assert "".join(data_formats.format_tsv(listing)) == "n1\t\t\n"
    assert "".join(data_formats.render(listing, "tsv", header=True)).splitlines()[0] == "name\tlast_outcome\tlabels"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        (2.0, "2"),
        (10.0, "10"),
        (0.1234, "0.123"),
        (0.0012345, "0.0012345"),
        ({"a": "1", "b": "2"}, "a=1,b=2"),
        (["x", "y"], "x y"),
        ("a\tb\nc", "a b c"),
    ],
)
def test_a_cell_is_one_line_of_text(value: object, text: str) -> None:
    assert encode.format_cell(value) == text


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@sum", "\tx", "=HYPERLINK(1)"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(text: str) -> None:
    written = "".join(data_formats.format_csv(make_listing({"name": text})))
    (_, row) = csv.reader(io.StringIO(written))

    assert not row[0].startswith(("=", "+", "-", "@", "\t"))


@pytest.mark.parametrize("text", ["-1.5", "+3", "plain", 'a "b"', "a,b"])
def test_other_cells_come_back_as_they_were(text: str) -> None:
    (_, row) = csv.reader(io.StringIO("".join(data_formats.format_csv(make_listing({"name": text})))))

    assert row[0] == text


def test_tsv_is_not_defused() -> None:
    assert "".join(data_formats.format_tsv(make_listing({"name": "=x"}))) == "=x\t\t\n"


def test_names_are_one_a_line() -> None:
    assert "".join(data_formats.format_names(make_listing({"name": "a"}, {"name": "b"}))) == "a\nb\n"


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError):
        data_formats.render(make_listing(), "xml")


def test_rows_are_walked_once_and_late() -> None:
    walked = []

    def rows() -> object:
        for name in ("a", "b"):
            walked.append(name)
            yield {"name": name}

    pieces = data_formats.render(Listing("things", rows(), ("name",)), "tsv")  # type: ignore[arg-type]  # a generator of rows

    assert not walked
    assert "".join(pieces) == "a\nb\n"
