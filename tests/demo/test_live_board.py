"""The live view of the demo, on a terminal made of memory."""

import io

import pyte
import pytest

from plabctl.demo.demo_view import DemoView, NodeState
from plabctl.demo.live_board import EVENT_S, LiveBoard
from plabctl.demo.sentences import Sentence
from tests.builders import NOW
from tests.demo.demo_values import BOTH_PASS, make_node_view, make_tests, make_view

HINT = "In a second terminal:", "plabctl status --config /tmp/plabctl-demo-12345678/plabctl.toml"
BAD = make_node_view(
    "n1", NodeState.BAD, checks=BOTH_PASS, tests=make_tests("PFFPFPFFFFFF"), is_testing=True, reason="no space " * 20
)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Seen:
    """A board on a terminal of some size, with a clock that stands still until it is told the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, width: int, height: int) -> None:
        for name, value in {"COLUMNS": width, "LINES": height, "TERM": "xterm"}.items():
            monkeypatch.setenv(name, str(value))
        self._out = Terminal()
        self.now = 0.0
        self.board = LiveBoard(self._out, "the title", HINT, color=True, clock=lambda: self.now)
        self._screen = pyte.Screen(width, height)

    def show(self, view: DemoView, *words: str) -> list[str]:
        """The lines of the terminal after this is shown."""
        self.board.show(view, [Sentence(NOW, word) for word in words])
        pyte.Stream(self._screen).feed(self._out.getvalue().replace("\n", "\r\n"))
        self._out.seek(0)
        self._out.truncate()
        return [line.rstrip() for line in self._screen.display]


@pytest.fixture(params=[(80, 24)])
def seen(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Seen:
    return Seen(monkeypatch, *request.param)


def test_title_command_table_totals_and_event_stand_one_under_the_other(seen: Seen) -> None:
    with seen.board:
        lines = seen.show(make_view(BAD, make_node_view("n2", tests=make_tests("PP"), checks=BOTH_PASS)), "an event")

    assert lines[:3] == ["the title, 30 s to go", *HINT]
    assert lines[4] == "NODE  LAST TESTS  PING SAYS  LOGIN SAYS  PLABCTL SAYS"
    assert lines[5].startswith("n1    ✓✗✓✗✗✗✗✗✗»  up         works       ✗ bad: no space no space")
    assert lines[5].endswith("…")
    assert lines[6].split() == ["n2", "✓✓", "up", "works", "✓", "good"]
    assert lines[8] == "1 bad, 1 good · 1/6 slots in use · 1 passes ping and login only"
    assert lines[10].endswith("  an event")


@pytest.mark.parametrize("seen", [(120, 30)], indirect=True)
def test_where_there_is_room_the_command_has_no_line_of_its_own_and_more_tests_are_shown(seen: Seen) -> None:
    with seen.board:
        lines = seen.show(make_view(BAD))

    assert lines[1] == " ".join(HINT)
    assert "  ✓✗✗✓✗✓✗✗✗✗✗✗»  " in lines[4]


def test_events_come_one_at_a_time_and_each_stays_for_a_while(seen: Seen) -> None:
    with seen.board:
        first = seen.show(make_view(), "one", "two")
        seen.now += EVENT_S / 4
        still = seen.show(make_view())
        seen.now += EVENT_S
        second = seen.show(make_view())
        seen.now += EVENT_S
        last = seen.show(make_view())

    assert [lines[9][-3:] for lines in (first, still, second, last)] == ["one", "one", "two", "two"]
    assert first[10] == still[10] == ""
    assert second[10].endswith("  one")


def test_when_many_events_wait_each_stays_for_a_shorter_while(seen: Seen) -> None:
    with seen.board:
        seen.show(make_view(), *"abcdefghi")
        seen.now += EVENT_S / 8
        lines = seen.show(make_view())

    assert lines[9].endswith("  b")


@pytest.mark.parametrize("seen", [(80, 12)], indirect=True)
def test_where_there_is_no_room_good_nodes_go_first_and_never_the_event(seen: Seen) -> None:
    nodes = [BAD, *(make_node_view(f"good{number}") for number in range(30))]
    with seen.board:
        lines = seen.show(make_view(*nodes), "the event")

    assert lines[5].startswith("n1 ")
    assert lines[6].startswith("good0 ")
    assert lines[7] == "… and 29 more"
    assert lines[11].endswith("  the event")


def test_a_long_event_is_folded_and_older_ones_are_cut(seen: Seen) -> None:
    with seen.board:
        folded = seen.show(make_view(), "word " * 30)
        seen.now += EVENT_S
        cut = seen.show(make_view(), "last")

    assert folded[9].startswith(cut[10][:8])
    assert folded[10].startswith("word")
    assert cut[9].endswith("  last")
    assert cut[10].endswith("…")
    assert cut[11] == ""


@pytest.mark.parametrize("seen", [(20, 5), (300, 80)], indirect=True)
def test_no_terminal_is_too_small_or_too_large(seen: Seen) -> None:
    with seen.board:
        assert seen.show(make_view(BAD), "an event " * 20)[0].startswith("the title")


def test_what_looks_like_markup_is_shown_as_it_is(seen: Seen) -> None:
    with seen.board:
        lines = seen.show(make_view(make_node_view("n1", NodeState.BAD, reason="[red]x[/red] [/]")), "[b]event[/]")

    assert lines[5].endswith("✗ bad: [red]x[/red] [/]")
    assert lines[9].endswith("  [b]event[/]")
