"""The live view, on a terminal made of memory."""

import io
from collections.abc import Sequence

import pyte
import pytest

from plabctl.demo.live_board import LiveBoard, write_lines
from plabctl.render.listing import Cell, Column, Listing, make_plain_cell

FOOTER = "3 nodes: 2 good, 1 bad · window 6 (1 in use) · last tick 1s ago"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "12")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def seen(terminal: Terminal) -> list[str]:
    screen = pyte.Screen(40, 12)
    pyte.Stream(screen).feed(terminal.getvalue().replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display]


def listing() -> Listing:
    rows = [{"name": f"node{number}"} for number in (1, 2, 3)]
    return Listing("nodes", rows, ("name",), (Column("NODE", make_plain_cell("name")),), footer=FOOTER)


def news(*words: str) -> list[Sequence[Cell]]:
    return [(Cell("12:00:00", "faint"), Cell(word)) for word in words]


def test_title_table_footer_and_news_stand_one_under_the_other(terminal: Terminal) -> None:
    with LiveBoard(terminal, color=True) as board:
        board.draw("the title", listing(), news("first"))
        board.draw("the title", listing(), news("second"))
        drawn = seen(terminal)

    assert drawn[:6] == ["the title", "", "NODE", "node1", "node2", "node3"]
    assert drawn[7] == "3 nodes: 2 good, 1 bad"
    assert drawn[9:11] == ["12:00:00  first", "12:00:00  second"]


def test_the_oldest_news_make_room(terminal: Terminal) -> None:
    with LiveBoard(terminal, color=True) as board:
        board.draw("the title", listing(), news(*"abcdefgh"))
        drawn = seen(terminal)

    assert drawn[0] == "the title"
    assert [line[-1:] for line in drawn[9:]] == ["f", "g", "h"]


def test_a_line_that_is_too_long_is_cut_and_not_folded(terminal: Terminal) -> None:
    with LiveBoard(terminal, color=False) as board:
        board.draw("t" * 100, listing(), news("n" * 100))
        drawn = seen(terminal)

    assert drawn[0] == "t" * 39 + "…"
    assert drawn[9].endswith("…")
    assert drawn[1] == drawn[10] == ""


def test_what_looks_like_markup_is_shown_as_it_is(terminal: Terminal) -> None:
    write_lines([(Cell("[red]x[/red]", "bad"), Cell(" [/]"))], terminal, color=False)

    assert terminal.getvalue() == "[red]x[/red] [/]\n"


def test_lines_are_written_whole_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    write_lines([(Cell("x" * 300, "good"),)], out, color=False)

    assert out.getvalue() == "x" * 300 + "\n"
