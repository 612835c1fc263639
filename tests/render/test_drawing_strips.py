"""Strips of nodes: a row each, what is bad is seen however short, many nodes take little room."""

import re
from xml.etree import ElementTree as ET

import pytest

from plabctl.core.stats.runs import NodeState, Run
from plabctl.render.drawing_runs import describe_runs, draw_runs, draw_strip
from plabctl.render.drawing_strips import draw_outages, draw_strips, format_percent
from plabctl.render.times import format_local
from plabctl.views.curves import NodeStrip
from tests.builders import NOW

DAY_S = 86400.0
SINCE = NOW - DAY_S


def make_runs(*parts: tuple[NodeState, float]) -> list[Run]:
    """Runs that follow each other up to NOW, each so many hours long."""
    runs, at = [], NOW - sum(hours for _, hours in parts) * 3600.0
    for state, hours in parts:
        runs.append(Run(at, at + hours * 3600.0, state, "good"))
        at += hours * 3600.0
    return runs


USABLE = make_runs((NodeState.USABLE, 24))
FAILED = make_runs((NodeState.USABLE, 11.99), (NodeState.SUSPECT, 0.01), (NodeState.BAD, 6), (NodeState.USABLE, 6))


def make_strips(count: int, site_size: int = 8) -> list[NodeStrip]:
    return [
        NodeStrip(f"n{number}.example.org", f"s{number // site_size}", FAILED if number % 2 else USABLE)
        for number in range(count)
    ]


def test_each_node_has_a_row_with_its_name_and_what_it_was() -> None:
    drawing = draw_strips(make_strips(3), SINCE, NOW, title="t")
    root = ET.fromstring(drawing.format_inline())
    texts = [text.text for text in root.iter("text")]

    assert [f"n{number}.example.org" in texts for number in range(3)] == [True] * 3
    assert texts.count("s0") == 1
    (bad,) = [path.get("d", "") for path in root.iter("path") if path.get("class") == "q-bad"]
    ((x, y, width),) = re.findall(r"M(\d+) (\d+)h(\d+)", bad)
    left = int(re.findall(r'class="q-usable"[^>]* d="M(\d+)', drawing.body)[0])
    assert int(x) == pytest.approx((left + 664) / 2, abs=1)
    assert int(width) == pytest.approx((664 - left) / 4, abs=1)
    assert int(y) > 14
    assert drawing.summary == "3 nodes, by site and name; at the end: 3 usable."


def test_what_is_shorter_than_a_pixel_is_seen_also_at_the_very_end() -> None:
    late = make_runs((NodeState.USABLE, 23.9999), (NodeState.BAD, 0.0001))
    drawing = draw_strips([NodeStrip("n1", None, late)], SINCE, NOW, title="t")

    assert re.search(r'class="q-bad"[^>]* d="M663 \d+h1"', drawing.body)
    assert re.search(r'class="q-bad" d="M287 6h1"', draw_strip(late, SINCE, NOW))


@pytest.mark.parametrize(("count", "high"), [(48, 14), (49, 4), (240, 4), (241, 2), (600, 2), (601, 1), (2000, 1)])
def test_the_more_nodes_the_lower_are_their_rows(count: int, high: int) -> None:
    drawing = draw_strips(make_strips(count), SINCE, NOW, title="t")

    assert f'-bad" stroke-width="{high}"' in drawing.body
    assert ("translate(0 .5)" in drawing.body) is (high == 1)
    assert drawing.body.count("M", drawing.body.index('-bad" stroke')) >= count // 2


def test_a_month_of_a_thousand_nodes_is_a_few_hundred_kilobytes() -> None:
    busy = make_runs(*[(NodeState.BAD, 2), (NodeState.USABLE, 22)] * 30)
    strips = [NodeStrip(f"n{number}.example.org", f"s{number // 25}", busy) for number in range(1000)]

    drawing = draw_strips(strips, NOW - 30 * DAY_S, NOW, title="t", link=lambda name: f"node/{name}.html")
    assert len(drawing.format_inline()) < 600_000


def test_too_many_nodes_are_those_that_were_unusable_most() -> None:
    drawing = draw_strips(make_strips(5000), SINCE, NOW, title="t")

    assert "5000 nodes, 2000 drawn" in drawing.summary
    assert "3000 more nodes, usable most of the time, are left out" in drawing.body
    assert "usable all the time" not in drawing.body


def test_rows_lead_to_pages_and_a_hostile_name_stays_text() -> None:
    strip = NodeStrip('<a href="x">', "<s>", USABLE)
    drawing = draw_strips([strip], SINCE, NOW, title="t", link=lambda name: f'node/"{name}')
    root = ET.fromstring(drawing.format_inline())

    (link,) = root.iter("a")
    assert link.get("href") == 'node/"<a href="x">'
    assert [title.text for title in link.iter("title")] == ['<a href="x">: usable 100 %']
    assert root.get("role") is None


def test_no_node_is_a_picture_too() -> None:
    assert "0 nodes" in draw_strips([], SINCE, NOW, title="t").summary
    ET.fromstring(draw_runs("n1", [], SINCE, NOW).format_file())
    assert "unknown all the time" in draw_strip([], SINCE, NOW)


def test_one_node_has_words_for_each_run_and_a_letter_where_there_is_room() -> None:
    root = ET.fromstring(draw_runs("n<1>", FAILED, SINCE, NOW).format_inline())
    titles = [title.text or "" for group in root.iter("g") for title in group.iter("title")]

    assert [title.split(",")[0] for title in titles] == [
        "usable for 11h59m", "suspect for 36s", "bad for 6h", "usable for 6h",
    ]  # fmt: skip
    letters = [text.text for group in root.iter("g") for text in group.iter("text")]
    assert letters == ["U", "B", "U"]


def test_the_strip_in_a_table_is_small_and_says_in_words_what_it_shows() -> None:
    text = draw_strip(FAILED, SINCE, NOW)

    assert len(text) < 500
    assert ET.fromstring(text)[0].text == "usable 17h59m, suspect 36s, bad 6h; usable at the end"
    assert describe_runs(USABLE, SINCE, NOW) == "usable all the time"
    assert describe_runs(FAILED, NOW - 3600, NOW) == "usable all the time"


def test_a_picture_begins_where_something_is_known() -> None:
    late = make_runs((NodeState.UNKNOWN, 20), (NodeState.USABLE, 4))
    never = make_runs((NodeState.UNKNOWN, 24))

    def draw(*runs: list[Run]) -> tuple[str, str]:
        drawn = draw_outages([NodeStrip(f"n{n}", None, own) for n, own in enumerate(runs)], SINCE, NOW)
        return drawn.title, drawn.format_file()

    title, text = draw(late, never)
    assert title == f"{format_local(NOW - 4 * 3600)} to {format_local(NOW)}, nothing is known before"
    assert f"{format_local(SINCE)}" not in text
    whole = make_runs((NodeState.BAD, 24))
    assert draw(late, whole)[0] == draw(never)[0] == f"{format_local(SINCE)} to {format_local(NOW)}"
    just_now = make_runs((NodeState.UNKNOWN, 24), (NodeState.BAD, 0))
    assert draw(just_now)[0].startswith(format_local(NOW - 60))


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, ""),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.99999, "99.9 %"),
        (0.5, "50.0 %"),
        (0.0004, "0.1 %"),
        (1 / 3, "33.3 %"),
    ],
)
def test_a_share_is_all_or_nothing_only_if_it_is(ratio: float | None, text: str) -> None:
    assert format_percent(ratio) == text
