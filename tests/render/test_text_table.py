"""Tables for people: no markup, no escapes without colour, no name cut."""

import io
import re

import pytest

from plabctl.render import status_table, text_table
from plabctl.render.listing import Cell, Column, Listing
from plabctl.render.times import format_clock
from tests.builders import NOW
from tests.render.examples import list_names, make_context, make_every_kind, make_pair

COLUMNS = (
    Column("NAME", lambda row: Cell(row["name"])),
    Column("WHY", lambda row: Cell(str(row.get("why", "")), "bad"), rank=1, flexible=True),
)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """A stream that says that it is a terminal of UTF-8."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def drawn(
    listing: Listing, width: int, monkeypatch: pytest.MonkeyPatch, *, color: bool = False, wide: bool = False
) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "50")
    monkeypatch.setenv("TERM", "xterm")
    out = Screen()
    text_table.show_table(listing, out, color=color, wide=wide)
    return out.getvalue()


def make_listing(*rows: dict[str, object]) -> Listing:
    return Listing("things", rows, ("name",), COLUMNS)


def test_markup_in_what_a_node_said_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(make_listing({"name": "n1", "why": "[/x] [red]no[/red] :skull:"}), 80, monkeypatch, color=True)

    assert "[/x] [red]no[/red] :skull:" in text


def test_without_colour_there_is_no_escape_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b" not in drawn(make_listing({"name": "n1", "why": "x"}), 80, monkeypatch)


def test_colour_changes_nothing_but_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_every_kind()
    without = drawn(status_table.build_listing(context, list_names(context)), 80, monkeypatch)
    with_colour = drawn(status_table.build_listing(context, list_names(context)), 80, monkeypatch, color=True)

    assert without != with_colour
    assert ESCAPE.sub("", with_colour) == without


@pytest.mark.parametrize("width", [1, 20, 40, 80, 120, 300])
def test_no_name_is_cut_and_lines_fit_where_they_can(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_every_kind()
    table = drawn(status_table.build_listing(context, list_names(context)), width, monkeypatch).split("\n\n")[0]
    names = [name.removesuffix(".example.org") if width < 200 else name for name in list_names(context)]
    longest = max(map(len, [*names, "names are shown without .example.org"]))

    assert all(f" {name}" in table for name in names)
    assert all(len(line) <= max(width, len("? bad?") + 2 + longest) for line in table.splitlines())


def test_a_cell_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(make_listing({"name": "n1", "why": "x" * 100}), 40, monkeypatch)

    assert "…" in text
    assert max(map(len, text.splitlines())) == 40


def test_where_no_row_is_shown_no_blank_line_stands_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_context(make_pair("n1"))

    assert drawn(status_table.build_listing(context, []), 80, monkeypatch).startswith("1 node: 1 good, 0 bad")


def test_wide_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "x" * 100 in drawn(make_listing({"name": "n1", "why": "x" * 100}), 40, monkeypatch, wide=True)


def test_what_is_no_terminal_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = io.StringIO()
    text_table.show_table(make_listing({"name": "n1", "why": "x" * 100}), out, color=False)

    assert "x" * 100 in out.getvalue()


def test_wide_characters_keep_the_columns_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing(
        "things",
        [{"name": "日本", "b": "x"}, {"name": "abcd", "b": "x"}],
        ("name",),
        (Column("N", lambda row: Cell(row["name"])), Column("B", lambda row: Cell(row["b"]))),
    )

    lines = drawn(listing, 80, monkeypatch).splitlines()

    assert lines[1] == "日本  x"
    assert lines[2] == "abcd  x"


def test_a_terminal_that_is_not_utf_8_gets_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="latin-1")
    text_table.show_table(status_table.build_listing(make_context(make_pair("n1")), ["n1"]), out, color=False)
    out.flush()

    assert raw.getvalue().isascii()
    assert b"+ good" in raw.getvalue()


def test_a_column_with_nothing_in_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "WHY" not in drawn(make_listing({"name": "n1"}), 80, monkeypatch)


def test_every_state_has_a_word_and_a_sign_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_every_kind()
    text = drawn(status_table.build_listing(context, list_names(context)), 200, monkeypatch)
    states = {line[:6].rstrip() for line in text.splitlines()[1:10]}

    assert states == {"✓ good", "‖ good", "✗ bad", "? bad?"}
    assert "» testing" in text
    hold = next(member.hold for member in context.state.members() if member.hold)
    assert hold.until_at
    assert f"held by ann: swapping the disk, until {format_clock(hold.until_at, NOW)}" in text
    assert f"needs 3 more passes, next at {format_clock(NOW + 8.0, NOW)}" in text


@pytest.mark.parametrize("color", [True, False])
def test_lines_about_one_thing_stand_under_each_other(color: bool) -> None:
    out = Screen()

    text_table.show_lines([("pool", Cell("✓ good", "good")), ("", Cell("since [b]today[/]"))], out, color=color)

    assert ("\x1b[32m✓ good\x1b[0m\n" in out.getvalue()) == color
    assert ESCAPE.sub("", out.getvalue()) == "pool  ✓ good\n      since [b]today[/]\n"
