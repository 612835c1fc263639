import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plabctl.errors import UsageFault
from plabctl.sim import plot
from plabctl.sim.plot import Point, draw_svg

SVG = "{http://www.w3.org/2000/svg}"
MANY = [Point(f"policy {number}", 3000.0 + number, 0.16) for number in range(7)]


def picture(points: list[Point], **titles: str) -> ET.Element:
    return ET.fromstring(draw_svg(points, **{"title": "t", "x_title": "x", "y_title": "y", **titles}))


def test_every_policy_is_one_point_with_its_name() -> None:
    drawn = picture([Point("age", 2334, 0.124), Point("additive", 3403, 0.164)])
    texts = [text.text for text in drawn.iter(f"{SVG}text")]

    assert len(list(drawn.iter(f"{SVG}circle"))) == 2
    assert [texts.count(name) for name in ("age", "additive")] == [1, 1]


def test_more_costs_are_further_right_and_more_harm_is_higher() -> None:
    drawn = picture([Point("little", 10, 0.1), Point("much", 20, 0.2)])
    places = [(float(circle.get("cx", "")), float(circle.get("cy", ""))) for circle in drawn.iter(f"{SVG}circle")]

    assert places[0][0] < places[1][0]
    assert places[0][1] > places[1][1]


LETTER = 8
ANCHORS = {"start": 0.0, "middle": -0.5, "end": -1.0}


def label_boxes(drawn: ET.Element) -> list[tuple[float, float, float]]:
    """Of each policy's label: left and right end, if a letter is so wide, and the line it stands on."""
    boxes = []
    for text in drawn.iter(f"{SVG}text"):
        if (label := text.text or "").startswith("policy"):
            width = len(label) * LETTER
            left = float(text.get("x", "")) + width * ANCHORS[text.get("text-anchor", "start")]
            boxes.append((left, left + width, float(text.get("y", ""))))
    return boxes


def test_labels_do_not_cover_each_other_even_when_points_do() -> None:
    boxes = label_boxes(picture(MANY))

    assert len(boxes) == len(MANY)
    for number, (left, right, y) in enumerate(boxes):
        for other_left, other_right, other_y in boxes[:number]:
            assert abs(y - other_y) >= 14 or right <= other_left or other_right <= left


def test_a_label_begins_or_ends_at_its_point() -> None:
    drawn = picture([Point("policy 1", 1000, 0.1), Point("policy 2", 1001, 0.1)])
    xs = [float(circle.get("cx", "")) for circle in drawn.iter(f"{SVG}circle")]
    (first, _), (_, second) = ((left, right) for left, right, _ in label_boxes(drawn))

    assert 0 < first - xs[0] < 12
    assert 0 < xs[1] - second < 12


def test_what_a_name_holds_is_text() -> None:
    drawn = draw_svg([Point("<a&b>", 1, 1)], title='"<t>"', x_title="x", y_title="y")

    assert "&lt;a&amp;b&gt;" in drawn
    assert not re.search(r"<(a&|t>)", drawn)


@given(
    st.lists(
        st.builds(Point, st.text("ab", min_size=1, max_size=9), st.floats(0, 1e6), st.floats(0, 100)),
        min_size=1,
        max_size=9,
    )
)
def test_any_points_make_a_picture_that_holds_them(points: list[Point]) -> None:
    for circle in picture(points).iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx", "")) <= 880
        assert 0 <= float(circle.get("cy", "")) <= 560


def test_a_png_is_made_where_its_library_is_and_refused_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)

    with pytest.raises(UsageFault, match="needs the Python package resvg-py") as caught:
        plot.refuse_png()
    assert ".svg" in caught.value.hint


def test_a_png_is_a_png() -> None:
    pytest.importorskip("resvg_py", reason="PNG needs the package resvg-py, which is optional")

    assert plot.draw_png(draw_svg(MANY, title="t", x_title="x", y_title="y")).startswith(b"\x89PNG")
