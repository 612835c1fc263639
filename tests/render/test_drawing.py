"""What all pictures have in common: colours that everybody tells apart, round numbers on axes, text that stays text."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest

from plabctl.core.stats.runs import NodeState
from plabctl.render.drawing import (
    COLOURS,
    LETTERS,
    PATTERNS,
    STYLE,
    Drawing,
    build_state_entry,
    draw_legend,
    draw_text,
    list_time_ticks,
    list_value_ticks,
)
from tests.builders import NOW

# After Machado, Oliveira and Fernandes (2009): what is left of red, green and blue in linear light.
SIGHTS = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
WHITE = (0.95047, 1.0, 1.08883)


def read_light(colour: str) -> list[float]:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def mix(matrix: Sequence[Sequence[float]], light: Sequence[float]) -> list[float]:
    return [min(1.0, max(0.0, sum(map(lambda a, b: a * b, row, light)))) for row in matrix]


def find_lab(light: Sequence[float]) -> tuple[float, float, float]:
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    parts = [sum(map(lambda a, b: a * b, row, light)) / white for row, white in zip(to_xyz, WHITE, strict=True)]
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in parts)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def measure_distance(one: str, other: str, sight: Sequence[Sequence[float]]) -> float:
    first, second = (find_lab(mix(sight, read_light(colour))) for colour in (one, other))
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)


def compute_contrast(one: str, other: str) -> float:
    bright, dark = sorted(
        (sum(map(lambda a, b: a * b, (0.2126, 0.7152, 0.0722), read_light(colour))) for colour in (one, other)),
        reverse=True,
    )
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("paper", [0, 1], ids=["light", "dark"])
def test_everybody_tells_the_states_apart_by_colour(sight: str, paper: int) -> None:
    for one, other in combinations(NodeState, 2):
        distance = measure_distance(COLOURS[one][paper], COLOURS[other][paper], SIGHTS[sight])
        assert distance > 12, (one, other, distance)


@pytest.mark.parametrize("paper", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_the_paper(paper: int) -> None:
    for name in ("ink", "faint"):
        assert compute_contrast(COLOURS[name][paper], COLOURS["paper"][paper]) > 4.5


def test_each_state_has_a_colour_a_letter_and_a_pattern_of_its_own() -> None:
    found = re.findall(r'<pattern id="p-(\w+)"[^>]*>(.*?)</pattern>', PATTERNS)

    assert [name for name, _ in found] == list(NodeState)
    assert len({body for _, body in found}) == len(set(LETTERS.values())) == len(NodeState)
    for state in NodeState:
        assert f".p-{state}{{fill:url(#p-{state})}}" in STYLE


def test_a_picture_is_one_document_in_a_page_and_alone_and_text_stays_text() -> None:
    drawing = Drawing(100, 50, '<b>&"', "a <script>", draw_text(1, 2, "</svg><x>&'", "end"))

    page, alone = ET.fromstring(drawing.format_inline()), ET.fromstring(drawing.format_file())
    for root, space in ((page, ""), (alone, "{http://www.w3.org/2000/svg}")):
        assert root[0].text == '<b>&"'
        assert root[1].text == "a <script>"
        assert "</svg><x>&'" in [text.text for text in root.iter(f"{space}text")]
    assert "style=" not in drawing.format_inline()  # a page forbids it


def test_what_has_links_is_no_image() -> None:
    assert 'role="img"' not in Drawing(1, 1, "t", "s", "", is_image=False).format_inline()


@pytest.mark.parametrize(
    ("most", "is_count", "labels"),
    [
        (0, False, ["0", "1"]),
        (0.013, False, ["0", "0.005", "0.01", "0.015"]),
        (40, True, ["0", "10", "20", "30", "40"]),
        (3, True, ["0", "1", "2", "3"]),
        (0, True, ["0", "1"]),
        (1000, True, ["0", "200", "400", "600", "800", "1000"]),
    ],
)
def test_values_stand_at_round_numbers(most: float, is_count: bool, labels: list[str]) -> None:
    assert [tick.label for tick in list_value_ticks(most, is_count=is_count)] == labels


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import time

    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"], indirect=True)
@pytest.mark.usefixtures("zone")
def test_times_stand_at_midnight_or_full_hours_where_we_are() -> None:
    import time

    for days in (0.0003, 0.01, 0.5, 1, 7, 30, 365, 4000):
        ticks = list_time_ticks(NOW - days * 86400, NOW)
        assert 2 <= len(ticks) <= 8, days
        assert all(NOW - days * 86400 <= tick.value <= NOW for tick in ticks)
        if days >= 7:
            assert {time.localtime(tick.value)[3:5] for tick in ticks} == {(0, 0)}
        if days == 0.0003:
            assert all(re.fullmatch(r"\d\d:\d\d:[0-5][05]", tick.label) for tick in ticks)
        if days == 0.5:
            assert all(re.fullmatch(r"\d\d:00|[A-Z][a-z]{2} \d+", tick.label) for tick in ticks)


def test_a_legend_goes_on_in_the_next_line() -> None:
    entries = [build_state_entry(state, f"{state} in a pool with a long name") for state in NodeState]

    _, one = draw_legend(0, 0, 9999, entries)
    text, many = draw_legend(0, 0, 400, entries)
    assert (one, many) == (18, 18 * len(entries))
    assert text.count("<rect") == len(entries)
