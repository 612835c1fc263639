"""Policies as points: what costs more is further right, labels cover nothing, what is efficient and where you are."""

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from plabctl.render.drawing_points import Point, draw_points, find_frontier

SVG = "{http://www.w3.org/2000/svg}"
MANY = [Point(f"policy {number}", 3000.0 + number, 0.16) for number in range(7)]


def picture(points: list[Point], **titles: str) -> ET.Element:
    return ET.fromstring(draw_points(points, **{"title": "t", "x_title": "x", "y_title": "y", **titles}).format_file())


def find_circles(drawn: ET.Element) -> list[ET.Element]:
    """The circle of each point."""
    return [group[0] for group in drawn.iter(f"{SVG}g") if group.get("class") == "point"]


def test_every_policy_is_one_point_with_its_name() -> None:
    drawn = picture([Point("age", 2334, 0.124), Point("additive", 3403, 0.164)])
    texts = [text.text for text in drawn.iter(f"{SVG}text")]

    assert len(find_circles(drawn)) == 2
    assert [texts.count(name) for name in ("age", "additive")] == [1, 1]


def test_more_costs_are_further_right_and_more_harm_is_higher() -> None:
    drawn = picture([Point("little", 10, 0.1), Point("much", 20, 0.2)])
    places = [(float(circle.get("cx", "")), float(circle.get("cy", ""))) for circle in find_circles(drawn)]

    assert places[0][0] < places[1][0]
    assert places[0][1] > places[1][1]


LETTER = 6.6
ANCHORS = {"middle": -0.5, "end": -1.0}


def label_boxes(drawn: ET.Element) -> list[tuple[float, float, float]]:
    """Of each policy's label: left and right end, if a letter is so wide, and the line it stands on."""
    boxes = []
    for text in drawn.iter(f"{SVG}text"):
        if (label := text.text or "").startswith("policy"):
            width = len(label) * LETTER
            left = float(text.get("x", "")) + width * ANCHORS.get(text.get("class", "").split()[-1], 0.0)
            boxes.append((left, left + width, float(text.get("y", ""))))
    return boxes


def test_labels_do_not_cover_each_other_even_when_points_do() -> None:
    boxes = label_boxes(picture(MANY))

    assert len(boxes) == len(MANY)
    for number, (left, right, y) in enumerate(boxes):
        for other_left, other_right, other_y in boxes[:number]:
            assert abs(y - other_y) >= 10 or right <= other_left or other_right <= left


def test_a_label_begins_or_ends_at_its_point() -> None:
    drawn = picture([Point("policy 1", 1000, 0.1), Point("policy 2", 1001, 0.1)])
    xs = [float(circle.get("cx", "")) for circle in find_circles(drawn)]
    (first, _), (_, second) = ((left, right) for left, right, _ in label_boxes(drawn))

    assert 0 < first - xs[0] < 12
    assert 0 < xs[1] - second < 12


def test_what_is_efficient_is_filled_and_joined_and_says_so() -> None:
    points = [Point("much", 30, 1), Point("little", 10, 5), Point("worse", 20, 6), Point("some", 20, 3)]
    points += [Point("same", 20, 3), Point("dear", 40, 1)]
    drawing = draw_points(points, title="t", x_title="x", y_title="y")

    assert [point.label for point in find_frontier(points)] == ["little", "some", "same", "much"]
    circles = find_circles(ET.fromstring(drawing.format_file()))
    assert ["f-mark" in circle.get("class", "") for circle in circles] == [True, True, False, True, True, False]
    assert drawing.summary == "6 points; efficient: little, some, same, much."
    assert re.search(r'class="line s-mark dashed" d="M[0-9.]+ [0-9.]+(H[0-9.]+V[0-9.]+){3}"', drawing.body)


def test_where_you_are_is_marked_and_named() -> None:
    drawing = draw_points(
        [Point("age", 1, 2), Point("configured", 2, 3, is_here=True)], title="t", x_title="x", y_title="y"
    )

    drawn = ET.fromstring(drawing.format_file())
    assert "configured: you are here" in [text.text for text in drawn.iter(f"{SVG}text")]
    assert [len(group) for group in drawn.iter(f"{SVG}g") if group.get("class") == "point"] == [1, 2]
    assert drawing.summary.endswith("You are at configured.")


def test_what_a_name_holds_is_text() -> None:
    drawn = draw_points([Point("<a&b>", 1, 1)], title='"<t>"', x_title="x", y_title="y").format_file()

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
    for circle in find_circles(picture(points)):
        assert 0 <= float(circle.get("cx", "")) <= 720
        assert 0 <= float(circle.get("cy", "")) <= 460
