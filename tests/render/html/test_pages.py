"""Whatever nodes, people and inventories say stays text on every page, and the page allows no other script or style."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from plabctl.core.model import Cause, Event, Hold, Node, Outcome, Verdict
from plabctl.core.problems import Problem, ProblemKind
from plabctl.core.state import Changes
from plabctl.core.stats.runs import NodeState, Run
from plabctl.render.html.pages import Pages, _fold, find_page_name
from plabctl.views.curves import Curves, GuardSpan, NodeStrip, WindowUse, build_pool_curve, sort_strips
from plabctl.views.node import NodeView, ViewContext, list_node_views
from plabctl.views.page import (
    AttentionGroup,
    Condition,
    PageMonitor,
    PageView,
    count_conditions,
    list_attention,
    list_page_nodes,
)
from plabctl.views.status import SourceView, build_status_view
from tests.builders import NOW, make_member, make_settings
from tests.memory_state import MemoryState

ATOM = "{http://www.w3.org/2005/Atom}"
Outline = list[tuple[str, tuple[str, ...]]]
"""The tags of a page, each with the names of its attributes."""
MONTH_S = 30 * 86400.0
HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "{{ 7 * 7 }}{% raw %}",
    "\u202emoc.live\u202c \u200f",
    "a\nb\x00\x1b]0;x\x07",
    "javascript:alert(1)",
    "]]> --> &lt; &#60;",
    "\ud800",
)


class Reader(HTMLParser):
    """Collects the tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def make_view(text: str = "plain", **fields: object) -> PageView:
    """A page on which `text` stands in every place where nodes, people and inventories may put some."""
    failed = Verdict(Outcome.FAIL, Cause.SETUP, text, NOW, 1.5)
    hold = Hold(text, text, NOW - 60, None, is_move=False)
    members = (
        make_member("n1", last=Verdict(Outcome.PASS, None, "", NOW, 1.0)),
        make_member("n2", "bad", fail_streak=2, last=failed),
        make_member("n3", "bad", hold=hold, last=failed),
    )
    nodes = (Node("n1"), Node("n2", {"site": text, "rack": text}), Node("n3", {"site": text}))
    state = MemoryState(Changes(nodes=nodes, members=members))
    context = ViewContext(make_settings(), state, NOW, NOW - 20)
    status = build_status_view(context, state.names())
    curves = make_curves(text)
    rows = list_page_nodes(status.nodes, curves, 30)
    moved = {"from": "good", "to": "bad", "cause": "setup", "reason": text, "since_at": NOW}
    moves = [
        Event("id1", NOW, "transition", "n2", text, moved),
        Event("id2", NOW - 9, "guard-on", None, text, {"scope": text, "reason": text}),
    ]
    head = replace(status.head, problems=[Problem(ProblemKind.SINK, text, text)])
    view = PageView(
        text, head, status.totals, count_conditions(rows), list_attention(rows), rows, moves, 300.0, 30, MONTH_S, curves
    )
    return replace(view, **fields)  # type: ignore[arg-type]  # its own fields


def make_curves(text: str) -> Curves:
    since_at = NOW - 30 * 86400
    runs = [Run(since_at, NOW - 3600, NodeState.USABLE, "good"), Run(NOW - 3600, NOW, NodeState.BAD, "bad")]
    strips = sort_strips(NodeStrip(name, text, runs) for name in ("n1", "n2", "n3"))
    pools = build_pool_curve([runs], since_at, NOW, 24)
    guards = [GuardSpan(NOW - 9, NOW, text, text, is_on=True)]
    return Curves(since_at, NOW, since_at, strips, pools, guards, [], [], WindowUse(4, NOW - 86400, 3600.0, [1.0] * 24))


def render_all(view: PageView) -> Iterator[str]:
    pages = Pages(view)
    yield pages.render_index()
    yield from (pages.render_node(node, view.moves) for node in view.nodes)


def outline(page: str) -> Outline:
    return [(tag, tuple(attrs)) for tag, attrs in read(page).tags]


def outline_all(text: str) -> list[Outline]:
    return [outline(page) for page in render_all(make_view(text))]


@pytest.fixture(scope="module")
def plain() -> list[Outline]:
    return outline_all("plain")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_makes_no_tag_and_no_attribute(text: str, plain: list[Outline]) -> None:
    assert outline_all(text) == plain


def outline_several(text: str) -> Outline:
    """Of the page of several monitors."""
    view = make_view(text, curves=None)
    nodes = [replace(node, view=node.view._replace(monitor=text)) for node in view.nodes]
    told = (SourceView(text, "/srv/page", is_stale=True, generated_at=NOW, nodes_count=3), f"http://x/{text}")
    lost = (SourceView(text, text, is_stale=False, fault=text), "")
    problems = [Problem(ProblemKind.MONITOR, text, text, monitor=text)]
    several = [PageMonitor(source, address, 1) for source, address in (told, lost)]
    head = replace(view.head, problems=problems)
    return outline(Pages(replace(view, head=head, nodes=nodes, monitors=several)).render_index())


@pytest.fixture(scope="module")
def plain_several() -> Outline:
    return outline_several("plain")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_monitors_make_no_tag_either(text: str, plain_several: Outline) -> None:
    assert outline_several(text) == plain_several


@pytest.mark.parametrize("text", HOSTILE[:-1], ids=range(len(HOSTILE) - 1))
def test_hostile_text_stands_there_as_it_is(text: str) -> None:
    for page in render_all(make_view(text)):
        assert text.replace("\x00", "") in read(page).text.replace("\x00", "")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_feed_and_the_badges_are_well_formed_whatever_they_say(text: str) -> None:
    pages = Pages(make_view(text))
    feed = ET.fromstring(pages.render_feed().encode("utf-8", "replace"))

    assert [entry.findtext(f"{ATOM}id") for entry in feed.iter(f"{ATOM}entry")] == [
        "urn:plabctl:event:id1", "urn:plabctl:event:id2",
    ]  # fmt: skip
    assert feed.findtext(f"{ATOM}updated") == "2023-11-14T22:13:20Z"
    links = [link.get("href") for link in feed.iter(f"{ATOM}link")]
    assert links == ["feed.atom", "index.html", "node/n2.html", "index.html"]
    for pool in ("good", "bad"):
        ET.fromstring(pages.render_badge(pool))


def test_a_badge_says_how_many_nodes_of_its_pool_are_usable() -> None:
    pages = Pages(make_view())

    assert ET.fromstring(pages.render_badge("good")).get("aria-label") == "good: 1 of 1 usable"
    assert ET.fromstring(pages.render_badge("bad")).get("aria-label") == "bad: 2 nodes"


@pytest.mark.parametrize("which", [0, 1])
def test_the_policy_names_the_very_style_and_script_of_the_page(which: int) -> None:
    page = list(render_all(make_view("x")))[which]
    policy = next(attrs["content"] or "" for tag, attrs in read(page).tags if attrs.get("http-equiv"))

    for tag in ("style", "script"):
        hashes = {
            f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        }
        assert {word for word in policy.split() if word.rstrip(";") in hashes or word in hashes} or not hashes
        assert all(each in policy for each in hashes)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not [
        tag for tag, attrs in read(page).tags if "style" in attrs or any(name.startswith("on") for name in attrs)
    ]


def test_nothing_on_a_page_comes_from_elsewhere() -> None:
    for page in render_all(make_view()):
        for tag, attrs in read(page).tags:
            for name in ("href", "src"):
                assert "//" not in (attrs.get(name) or "").replace("http%3A//www.w3.org", ""), (tag, attrs)


def test_nodes_with_the_same_fault_at_one_site_are_one_line() -> None:
    last = Verdict(Outcome.FAIL, Cause.CONNECT, "no answer", NOW, 20.0)
    names = [f"n{number}" for number in range(1, 5)]
    nodes = [Node(name, {"site": "north" if name != "n4" else "south"}) for name in names]
    members = [
        make_member(name, "bad", fail_streak=1, last=last, since_at=NOW - index) for index, name in enumerate(names)
    ]
    state = MemoryState(Changes(nodes=tuple(nodes), members=tuple(members)))
    views: list[NodeView] = list(list_node_views(ViewContext(make_settings(), state, NOW), names))

    groups = list_attention(list_page_nodes(views))

    assert [(group.condition, group.cause, group.site, group.names, group.since_at) for group in groups] == [
        (Condition.BAD, "connect", "north", ["n1", "n2", "n3"], NOW - 2),
        (Condition.BAD, "connect", "south", ["n4"], NOW - 3),
    ]


def test_one_node_is_no_nodes() -> None:
    group = AttentionGroup(Condition.BAD, "connect", "north", ["n1"], NOW, "no")
    view = make_view(attention=[group], conditions={**dict.fromkeys(Condition, 0), Condition.BAD: 1})
    page = Pages(replace(view, nodes=view.nodes[:1])).render_index()

    assert "Needs attention<small>1 node</small>" in page
    assert "of 1 node<" in page
    assert "1 nodes" not in page


def test_the_last_tick_is_told_by_when_it_was_as_the_page_gets_older() -> None:
    page = Pages(make_view()).render_index()

    tick = page[page.index("Last tick") :].split("</li>")[0]
    assert "(20s before)" in tick
    assert "ago" not in tick


def test_a_storm_of_faults_is_told_in_bounds() -> None:
    group = AttentionGroup(Condition.BAD, "connect", "north", [f"n{n}-{n * 7}.lab" for n in range(1, 300)], NOW, "no")
    page = Pages(make_view(attention=[group] * 5000)).render_index()

    assert page.count("<details>") == 60
    assert "And 4,940 more: see" in page


def test_a_name_too_long_for_a_file_has_a_page_of_its_own() -> None:
    names = {find_page_name("a" * 252 + end) for end in "xyz"}

    assert len(names) == 3
    assert all(len(name.encode()) < 240 for name in names)
    assert find_page_name("pc1.lab") == "pc1.lab.html"


def test_a_line_breaks_between_numbers_of_a_set_of_nodes_and_not_in_one() -> None:
    assert _fold([f"n{number}.<x>" for number in (100, 200, 300)]) == "n[100,<wbr>200,<wbr>300].&lt;x&gt;"
