"""Curves as pictures: what is larger is higher, guards lie where they were, and the words say what is to be seen."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from plabctl.core.stats.outages import Bounds
from plabctl.core.stats.runs import NodeState
from plabctl.render.drawing import Drawing
from plabctl.render.drawing_curves import EDGES_S, count_classes, draw_latencies, draw_pools, draw_window
from plabctl.views.curves import Band, Curves, GuardSpan, PoolCurve, WindowUse
from tests.builders import NOW

DAY_S = 86400.0
WINDOW = WindowUse(4, NOW - 40, 10.0, [0.0, 2.0, 2.0, 5.0])


def make_curves(*bands: Band, guards: tuple[GuardSpan, ...] = ()) -> Curves:
    sampled_ats = [NOW - DAY_S * (3.5 - number) for number in range(4)]
    return Curves(NOW - 4 * DAY_S, NOW, NOW - 9 * DAY_S, {}, PoolCurve(sampled_ats, bands), guards, [], [], WINDOW)


def find_paths(drawing: Drawing, name: str) -> list[str]:
    root = ET.fromstring(drawing.format_inline())
    return [path.get("d", "") for path in root.iter("path") if name in path.get("class", "").split()]


def test_bands_lie_on_each_other_and_equal_steps_are_one() -> None:
    drawing = draw_pools(make_curves(Band(NodeState.USABLE, "", [10, 10, 5, 5]), Band(NodeState.BAD, "", [0, 0, 5, 5])))

    assert find_paths(drawing, "p-usable") == ["M36 150V14H193V82H350V150H36Z"]
    assert find_paths(drawing, "p-bad") == ["M36 14V14H350V82H193V14H36Z"]
    assert drawing.summary == "At the end: 5 usable, 5 bad."


def test_pools_are_named_where_several_have_a_state() -> None:
    bands = [Band(NodeState.USABLE, pool, [1, 1, 1, 1]) for pool in ("fast", "good")]

    assert "1 usable in fast, 1 usable in good" in draw_pools(make_curves(*bands)).summary


def test_guards_are_shaded_where_they_were_and_say_of_what() -> None:
    guards = (
        GuardSpan(NOW - 2 * DAY_S, NOW - DAY_S, "site <a>", "", is_on=False),
        GuardSpan(NOW - 60, NOW, "monitor", "", is_on=True),
    )
    drawing = draw_pools(make_curves(Band(NodeState.USABLE, "", [1, 1, 1, 1]), guards=guards))

    root = ET.fromstring(drawing.format_inline())
    veils = [rect for rect in root.iter("rect") if rect.get("class") == "f-ink veil" and rect.get("height") == "136.0"]
    assert [(veil.get("x"), veil.get("width")) for veil in veils] == [("193.0", "78.5"), ("349.9", "1.5")]
    titles = [title.text for group in root.iter("g") for title in group.iter("title")]
    assert titles == ["guard of site <a>, 1d", "guard of monitor, 1m so far"]
    assert "2 guards" in drawing.summary


def test_nothing_known_is_a_picture_too() -> None:
    drawing = draw_pools(replace(make_curves(), pools=PoolCurve([], [])))

    assert "nothing is known yet" in drawing.summary
    ET.fromstring(drawing.format_file())
    assert "broken until seen: none yet; repaired until back: none yet" in draw_latencies([], []).summary


def test_slots_in_use_stand_against_the_window() -> None:
    drawing = draw_window(WINDOW)

    assert find_paths(drawing, "f-mark") == ["M36 150V150H114.5V95.6H271.5V14H350V150H36Z"]
    assert find_paths(drawing, "dashed") == ["M36.0 41.2H350.0"]
    assert "window of 4 slots tests held 2.2 on average, at most 5.0" in drawing.summary


@pytest.mark.parametrize(("seconds", "number"), [(0.0, 0), (60.0, 0), (61.0, 1), (86400.0, 10), (1e9, 11)])
def test_durations_fall_into_classes_that_widen(seconds: float, number: int) -> None:
    counts = count_classes([seconds])

    assert counts[number] == 1
    assert len(counts) == len(EDGES_S) + 1 == 12


def test_how_long_it_took_is_counted_in_the_middle_between_the_bounds() -> None:
    drawing = draw_latencies([Bounds(0.0, 600.0)] * 3 + [Bounds(0.0, 14400.0)], [Bounds(3600.0, 3600.0)])

    assert drawing.summary == "broken until seen: half within 5m, of 4; repaired until back: half within 1h, of 1."
    bars = [float(height) for height in re.findall(r'<rect class="f-mark"[^>]* height="([0-9.]+)"', drawing.body)]
    assert bars == [70.0, 23.3, 70.0]
