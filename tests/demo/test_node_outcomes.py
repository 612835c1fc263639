"""What became of each node, in words."""

import pytest

from plabctl.core.model import Event, Node
from plabctl.core.state import Changes, MemoryState
from plabctl.demo.node_outcomes import format_outcomes, list_outcomes
from plabctl.render.status_table import ViewContext
from tests.builders import NOW, make_member, make_settings


def probes(letters: str, node: str = "n1") -> list[Event]:
    failed = {"outcome": "fail", "cause": "setup", "reason": "no space"}
    data = {"P": {"outcome": "pass"}, "F": failed, "?": {"outcome": "unknown", "cause": "interrupted"}}
    return [
        Event(f"{number}-probe", NOW, "probe", node, "plabctl", data[letter]) for number, letter in enumerate(letters)
    ]


def situation(pool: str = "good", staged: str = "") -> ViewContext:
    node = Node("n1", {"staged": staged} if staged else {})
    return ViewContext(make_settings(), MemoryState(Changes(nodes=(node,), members=(make_member(pool=pool),))), NOW)


@pytest.mark.parametrize(
    ("letters", "found"),
    [
        ("", "no test of it has ended"),
        ("?", "no test of it has ended"),
        ("P", "passed its only test"),
        ("PP", "passed both tests"),
        ("PPP?", "passed all 3 tests"),
        ("FFF", "failed all 3 tests (setup): no space"),
        ("FFPPP", "failed 2 tests (setup): no space; passed 3 since"),
        ("PF", "passed a test, then failed 1 (setup): no space"),
        ("PFP", "passed 2 of 3 tests by turns, the others failed (setup): no space"),
    ],
)
def test_the_tests_of_a_node_are_told_as_they_went(letters: str, found: str) -> None:
    assert list_outcomes(situation(), probes(letters), ["n1"])[0].found == found


def test_falls_from_good_to_bad_are_counted_and_returns_are_not() -> None:
    moves = [
        Event(f"{number}-transition", NOW, "transition", "n1", "plabctl", {"from": origin, "to": target})
        for number, (origin, target) in enumerate([("good", "bad"), ("bad", "good"), ("good", "bad")])
    ]

    assert list_outcomes(situation("bad"), [*probes("P"), *moves], ["n1"])[0].found.endswith(
        "; fell from good to bad twice"
    )


def test_another_node_s_events_are_not_its_own() -> None:
    assert list_outcomes(situation(), probes("FFF", node="n2"), ["n1"])[0].found == "no test of it has ended"


def test_what_was_staged_stands_above_what_was_found() -> None:
    told = list_outcomes(situation(staged="its disk is full"), probes("P"), ["n1"])

    first, second = ("".join(cell.text for cell in cells) for cells in format_outcomes(told, None))
    assert first == "✓ good  n1  its disk is full"
    assert second == "            passed its only test"


def test_lines_fit_into_the_width_and_lose_no_word() -> None:
    told = list_outcomes(situation(staged="one two three four five six seven eight"), probes("FFPPP"), ["n1"])
    told_lines = ["".join(cell.text for cell in cells) for cells in format_outcomes(told, 50)]

    assert max(map(len, told_lines)) <= 50
    assert " ".join(" ".join(told_lines).split()) == f"✓ good n1 {told[0].staged} {told[0].found}"
