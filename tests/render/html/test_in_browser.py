"""The page in a real Chromium: with and without script, narrow and wide, dark and light, printed, and hostile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.model import Cause, Node, Outcome, Verdict
from plabctl.core.state import Changes
from plabctl.core.stats.runs import NodeState, Run
from plabctl.render.html.pages import Pages
from plabctl.views.curves import NodeStrip, sort_strips
from plabctl.views.node import ViewContext
from plabctl.views.page import PageView, count_conditions, list_attention, list_page_nodes
from plabctl.views.status import build_status_view
from tests.builders import make_member, make_settings
from tests.lab.chromium import Browser, Page
from tests.memory_state import MemoryState
from tests.render.html.test_pages import HOSTILE, MONTH_S, make_curves, make_view

pytestmark = pytest.mark.chromium
COUNT = 70


def make_lab(now: float) -> PageView:
    """A page of a lab with a site whose switch is dead."""
    last = Verdict(Outcome.FAIL, Cause.CONNECT, "no answer within 20 s", now - 60, 20.0)
    passed = Verdict(Outcome.PASS, None, "", now - 600, 3.0)
    names = [f"pc{number}.{'north' if number % 2 else 'south'}.example.net" for number in range(1, COUNT + 1)]
    nodes = [Node(name, {"site": name.split(".")[1]}) for name in names]
    bad = set(names[:20:2])
    members = [
        make_member(name, "bad", since_at=now - 3600, fail_streak=3, last=last) if name in bad
        else make_member(name, since_at=now - 86400 * index, last=passed)
        for index, name in enumerate(names)
    ]  # fmt: skip
    state = MemoryState(Changes(nodes=tuple(nodes), members=tuple(members)))
    status = build_status_view(ViewContext(make_settings(), state, now, now - 20), names)
    since_at = now - MONTH_S
    down = [Run(since_at, now - 3600, NodeState.USABLE, "good"), Run(now - 3600, now, NodeState.BAD, "bad")]
    up = [Run(since_at, now, NodeState.USABLE, "good")]
    strips = sort_strips(NodeStrip(name, name.split(".")[1], down if name in bad else up) for name in names)
    curves = replace(make_curves("x"), since_at=since_at, until_at=now, strips=strips)
    rows = list_page_nodes(status.nodes, curves, 30)
    return replace(
        make_view(), title="Lab", head=status.head, totals=status.totals, curves=curves, nodes=rows,
        conditions=count_conditions(rows), attention=list_attention(rows),
    )  # fmt: skip


def write(folder: Path, view: PageView) -> Path:
    pages = Pages(view)
    (folder / "node").mkdir()
    (folder / "index.html").write_bytes(pages.render_index().encode("utf-8", "replace"))
    for node in view.nodes[:2]:
        (folder / f"node/{node.view.name}.html").write_bytes(
            pages.render_node(node, view.moves).encode("utf-8", "replace")
        )
    return folder / "index.html"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("page"), make_lab(time.time()))


@contextmanager
def opened(chromium: Browser, page: Path, **how: Any) -> Iterator[Page]:
    """Open a page; in the end nothing was told on its console, and nothing but itself was asked for."""
    with chromium.open(page, **how) as found:
        yield found
        assert found.errors == []
        assert [url.partition("#")[0] for url in found.requests if not url.startswith("data:")] == [page.as_uri()]


@pytest.mark.parametrize(
    ("width", "script", "dark"), [(400, True, False), (400, False, True), (1400, True, True), (1400, False, False)]
)
def test_nothing_is_wrong_and_nothing_sticks_out(
    chromium: Browser, lab: Path, width: int, script: bool, dark: bool
) -> None:
    for page in (lab, *sorted((lab.parent / "node").iterdir())):
        with opened(chromium, page, width=width, script=script, dark=dark) as found:
            assert found.evaluate("document.documentElement.scrollWidth") <= width
            assert found.evaluate("document.querySelectorAll('#nodes tbody tr').length") == (
                COUNT if page == lab else 0
            )
            ink, paper = found.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
            assert (brightness(ink) > brightness(paper)) is dark
            assert abs(brightness(ink) - brightness(paper)) > 150


def brightness(color: str) -> float:
    red, green, blue = (float(part) for part in color[color.index("(") + 1 : -1].split(",")[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_each_state_is_told_by_a_sign_beside_its_colour(chromium: Browser, lab: Path) -> None:
    tell = "e => getComputedStyle(e, '::before').content + e.textContent"
    signs = f"[...new Set([...document.querySelectorAll('.i')].map({tell}))]"
    with opened(chromium, lab) as found:
        assert sorted(found.evaluate(signs)) == ['"✓"usable', '"✗"bad']


SHOWN = (
    "[...document.querySelectorAll('#nodes tbody tr')].filter(row => !row.hidden).map(row => row.cells[0].textContent)"
)
TYPE = """
(text => {{
  const find = document.getElementById("find");
  find.value = text;
  find.dispatchEvent(new Event("input"));
  return new Promise(done => setTimeout(done, 200));
}})("{}")
"""


def test_nodes_are_searched_and_sorted(chromium: Browser, lab: Path) -> None:
    def sort(column: str) -> None:
        found.evaluate(f"[...document.querySelectorAll('th button')].find(b => b.textContent === '{column}').click()")

    with opened(chromium, lab) as found:
        assert found.evaluate("tools.hidden") is False
        found.evaluate(TYPE.format("SOUTH pc1"))
        assert {name.split(".")[0] for name in found.evaluate(SHOWN)} == {f"pc{n}" for n in (10, 12, 14, 16, 18)}
        assert found.evaluate("shown.textContent") == f"5 of {COUNT} nodes"
        assert found.evaluate("location.hash") == "#find=SOUTH%20pc1"
        found.evaluate(TYPE.format(""))
        sort("Node")
        assert found.evaluate(SHOWN)[:3] == ["pc1.north.example.net", "pc2.south.example.net", "pc3.north.example.net"]
        sort("Node")
        assert found.evaluate(SHOWN)[0] == f"pc{COUNT}.south.example.net"
        sort("24 h")
        assert found.evaluate("document.querySelector('#nodes tbody tr .i').textContent") == "bad"
        found.evaluate("document.querySelector('.tile.u').click()")
        assert found.evaluate(f"new Promise(r => setTimeout(() => r({SHOWN}.length), 200))") == COUNT - 10
    with opened(chromium, lab, script=False) as found:
        assert found.evaluate("getComputedStyle(tools).display") == "none"


def test_a_search_is_found_in_the_address(chromium: Browser, lab: Path) -> None:
    with chromium.open(f"{lab.as_uri()}#find=pc70") as found:
        assert found.evaluate(SHOWN) == ["pc70.south.example.net"]
    with chromium.open(f"{lab.as_uri()}#find=%E0%A4%A") as found:
        assert len(found.evaluate(SHOWN)) == COUNT
        assert found.errors == []


def test_its_age_turns_red_when_it_is_no_longer_written(chromium: Browser, lab: Path, tmp_path: Path) -> None:
    with opened(chromium, lab) as found:
        assert found.evaluate("[age.className, /^\\d+s ago$/.test(age.textContent)]") == ["", True]
    old = write(tmp_path, make_lab(time.time() - 7200))
    with opened(chromium, old) as found:
        assert found.evaluate("[age.className, age.textContent]") == ["old", "2h ago: nobody writes it any more"]
        assert found.evaluate("getComputedStyle(age).backgroundColor") == "rgb(179, 38, 30)"


def test_it_can_be_printed_and_its_pictures_are_drawn(chromium: Browser, lab: Path) -> None:
    with opened(chromium, lab) as found:
        assert len(found.print_pdf()) > 20_000
        sizes = "[...document.querySelectorAll('figure svg')].map(svg => svg.getBoundingClientRect().height)"
        assert all(height > 50 for height in found.evaluate(sizes))
        assert len(found.evaluate(sizes)) == 4


def test_hostile_text_runs_nowhere(chromium: Browser, tmp_path: Path) -> None:
    page = write(tmp_path, make_view(" ".join(HOSTILE)))

    for each in (page, *(page.parent / "node").iterdir()):
        with opened(chromium, each) as found:
            assert found.evaluate("document.querySelectorAll('img, [onmouseover]').length") == 0
            assert found.evaluate("document.scripts.length") == (each == page)
            assert "<script>alert(1)</script>" in found.evaluate("document.body.textContent")
