"""`status --watch`: keys scroll, search and leave; a pipe gets what changes."""

import json
import os

import pytest

from plabctl.core.names import sort_names
from plabctl.render import status_table
from plabctl.render.listing import Listing
from plabctl.render.live_screen import Keys
from plabctl.render.watch_screen import WatchView
from plabctl.views.status_changes import StatusChanges
from tests.builders import NOW
from tests.cli.console import Desk
from tests.cli.test_terminal import terminal
from tests.render.examples import FAILED, PASSED, make_context, make_pair

DOWN, PAGE_DOWN = "\x1b[B", "\x1b[6~"


def make_listing(count: int) -> Listing:
    pairs = [make_pair(f"node{number}.lab.example.org", last=PASSED, since_at=NOW - 90.0) for number in range(1, count)]
    failed = make_pair("broken.lab.example.org", "bad", last=FAILED, fail_streak=3)
    context = make_context(*pairs, failed)
    return status_table.build_listing(context, sort_names(context.state.names()))


class Watched:
    """A view on a terminal of 80 columns and 24 lines."""

    def __init__(self, count: int = 200) -> None:
        self.view = WatchView()
        self.listing = make_listing(count)
        self.lines = self.look()

    def look(self) -> list[str]:
        lines = self.view.compose(self.listing, 80, 24)
        self.styles = ["".join(style for _, style in line) for line in lines]
        self.lines = ["".join(text for text, _ in line) for line in lines]
        assert len(self.lines) == 24
        return self.lines

    def press(self, *keys: str) -> list[str]:
        for key in keys:
            assert self.view.press(key)
            self.look()
        return self.lines

    @property
    def first(self) -> str:
        title = next(place for place, line in enumerate(self.lines) if line.startswith("STATE"))
        return self.lines[title + 1].split()[2].partition(".")[0]


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ([], "broken"),
        (["j"], "node1"),
        ([DOWN, DOWN], "node2"),
        ([DOWN, DOWN, "\x1bOA", "k", "\x1b[A"], "broken"),
        ([PAGE_DOWN], "node18"),
        ([" ", "b"], "broken"),
        (["G"], "node182"),
        (["\x1b[F", DOWN, PAGE_DOWN], "node182"),
        (["G", "g"], "broken"),
        (["x", "\x1b[15~", "\t"], "broken"),
    ],
)
def test_keys_scroll_to_every_row(keys: list[str], first: str) -> None:
    watched = Watched()
    watched.press(*keys)

    assert watched.first == first


def test_the_last_line_tells_what_is_seen_and_which_keys_there_are() -> None:
    watched = Watched()

    assert watched.lines[-1] == "rows 1-18 of 200; arrows, PgUp, PgDn scroll, / searches, n next, q quits"
    assert Watched(5).lines[-1] == "/ searches, q quits"


def test_a_search_goes_from_hit_to_hit_and_round() -> None:
    watched = Watched()
    found = []
    for keys in (["/", *"NODE15", "\r"], *[["n"]] * 11, ["N"]):
        watched.press(*keys)
        found.append(watched.lines[watched.styles.index("found")].split()[2].partition(".")[0])

    assert found == ["node15", *(f"node15{number}" for number in range(10)), "node15", "node159"]


def test_what_is_typed_for_a_search_is_no_command_and_can_be_mended() -> None:
    watched = Watched()

    assert watched.press("/", "q", "j")[-1] == "/qj"
    assert watched.press("\x7f")[-1] == "/q"
    assert watched.press("\x1b")[-1].startswith("rows 1-18")
    assert watched.press("/", *"nowhere", "\n")[-1].startswith("'nowhere' is not there; rows 1-18")


@pytest.mark.parametrize("key", ["q", "Q", "\x1b", "\x03", ""])
def test_these_keys_leave(key: str) -> None:
    assert not Watched().view.press(key)


def test_columns_do_not_jump_when_cells_become_shorter() -> None:
    def find_titles(view: WatchView, listing: Listing, width: int) -> str:
        texts = ("".join(text for text, _ in line) for line in view.compose(listing, width, 24))
        return next(text for text in texts if text.startswith("STATE"))

    wide, narrow = make_listing(200), make_listing(3)
    for width in (60, 80, 120):
        view = WatchView()
        before = find_titles(view, wide, width)
        assert find_titles(view, narrow, width) == before
    assert find_titles(WatchView(), narrow, 60) != find_titles(WatchView(), wide, 60)


def test_keys_of_several_bytes_are_one_key() -> None:
    ours, theirs = os.pipe()
    try:
        os.write(theirs, f"{DOWN}q\x1bOBü{PAGE_DOWN}\x1b".encode())
        keys = Keys(ours)

        assert [keys.read(0.01) for _ in range(6)] == [DOWN, "q", "\x1bOB", "ü", PAGE_DOWN, "\x1b"]
        assert keys.read(0.01) is None
    finally:
        os.close(theirs)
        assert Keys(ours).read(0.01) == ""
        os.close(ours)


def test_only_changes_are_taken_and_a_decaying_penalty_is_none() -> None:
    changes = StatusChanges()
    view = next(iter(make_listing(1).rows))

    assert changes.take([view]) == ([view], [])
    assert changes.take([view._replace(penalty=0.5)]) == ([], [])
    assert changes.take([view._replace(ok_streak=7)]) == ([view._replace(ok_streak=7)], [])
    assert changes.take([]) == ([], [view.name])


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_the_live_view_shows_changes_and_leaves_the_terminal_as_it_was(used_desk: Desk, key: str) -> None:
    with terminal(used_desk, "status", "--watch") as shown:
        before = shown.local_flags()
        shown.wait_for("pc2")
        shown.type(DOWN)
        used_desk.ok("hold", "pc1", "--reason", "look at me")
        shown.wait_for("held by")
        shown.type(key)

        assert shown.end() == 0
        assert shown.local_flags() == before
    assert shown.raw.count(b"\x1b[?1049h") == shown.raw.count(b"\x1b[?1049l") == 1
    assert shown.raw.rfind(b"\x1b[?25h") > shown.raw.rfind(b"\x1b[?25l")


@pytest.mark.parametrize("width", [20, 300])
def test_the_live_view_takes_any_width(used_desk: Desk, width: int) -> None:
    with terminal(used_desk, "status", "--watch", width=width) as shown:
        shown.wait_for("pc1")
        shown.type("q")

        assert shown.end() == 0
    assert b"Traceback" not in shown.raw


def test_a_terminal_that_cannot_be_drawn_on_gets_the_table_and_then_what_changes(used_desk: Desk) -> None:
    with terminal(used_desk, "status", "--watch", environ={"TERM": "dumb"}) as shown:
        shown.wait_for("2 nodes")
        used_desk.ok("hold", "pc1", "--reason", "look at me")
        shown.wait_for("held by")
        shown.type("\x03")
        shown.end()

    assert b"\x1b" not in shown.raw
    assert [line.split()[2] for line in shown.screen.display if line[2:].startswith(("good", "bad"))] == [
        "pc2", "pc1", "pc1",
    ]  # fmt: skip


@pytest.mark.parametrize("form", [None, "tsv", "name"])
def test_a_pipe_gets_the_rows_that_change(used_desk: Desk, form: str | None) -> None:
    with used_desk.running("status", "--watch", *([] if form is None else ["-o", form])) as watching:
        assert watching.stdout
        lines = [watching.stdout.readline() for _ in range(2)]
        used_desk.ok("hold", "pc2", "--reason", "x")
        lines.append(watching.stdout.readline())
        used_desk.ok("node", "rm", "pc1", "--yes")
        lines.append(watching.stdout.readline())
        watching.terminate()
        rest = watching.stdout.read()

    names = [json.loads(line)["name"] if form is None else line.split("\t")[0].strip() for line in lines]
    assert names == ["pc1", "pc2", "pc2", "pc1"]
    assert rest == ""
    if form is None:
        assert json.loads(lines[-1]) == {"name": "pc1", "removed": True}


def test_the_whole_document_comes_anew_on_request(used_desk: Desk) -> None:
    with used_desk.running("status", "--watch", "-o", "json") as watching:
        assert watching.stdout
        first = json.loads(watching.stdout.readline())
        used_desk.ok("hold", "pc2", "--reason", "x")
        second = json.loads(watching.stdout.readline())
        watching.terminate()

    assert [len(document["nodes"]) for document in (first, second)] == [2, 2]
    assert second["rev"] > first["rev"]
