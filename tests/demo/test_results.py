"""What became of each node, in words."""

from typing import Any

import pytest

from plabctl.core.model import Event
from plabctl.demo.demo_view import NodeState
from plabctl.demo.results import format_deceptive, format_results, list_results
from tests.builders import NOW, make_settings
from tests.demo.demo_values import BOTH_PASS, make_node_view, make_probes, make_view

SETTINGS = make_settings()


def find_words(events: list[Event], **fields: Any) -> str:
    (result,) = list_results(make_view(make_node_view(**fields)), events, SETTINGS)
    return result.found


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
        ("PFP", "passed 2 of 3 tests, the others failed (setup): no space"),
    ],
)
def test_the_tests_of_a_node_are_told_as_they_went(letters: str, found: str) -> None:
    assert find_words(make_probes(letters)) == found


def test_moves_from_good_to_bad_are_counted_and_returns_are_not() -> None:
    moves = [
        Event(f"{number}-transition", NOW, "transition", "n1", "plabctl", {"from": origin, "to": target})
        for number, (origin, target) in enumerate([("good", "bad"), ("bad", "good"), ("good", "bad")])
    ]

    found = find_words([*make_probes("P"), *moves], state=NodeState.BAD, passes_needed=3)

    assert found.endswith("; moved from good to bad twice; needs 3 more passes in a row")


def test_another_node_s_events_are_not_its_own() -> None:
    assert find_words(make_probes("FFF", node="n2")) == "no test of it has ended"


def test_what_was_staged_stands_above_what_was_found() -> None:
    node = make_node_view(staged="its disk is full", checks=BOTH_PASS)
    results = list_results(make_view(node), make_probes("P"), SETTINGS)

    first, second = ("".join(cell.text for cell in cells) for cells in format_results(results, None))
    assert first == "✓ good  n1  fault: its disk is full"
    assert second == "            ping: up, login: works, plabctl: passed its only test"


def test_lines_fit_into_the_width_and_lose_no_word() -> None:
    node = make_node_view(staged="one two three four five six seven eight")
    results = list_results(make_view(node), make_probes("FFPPP"), SETTINGS)
    lines = ["".join(cell.text for cell in cells) for cells in format_results(results, 50)]

    assert max(map(len, lines)) <= 50
    checks = "ping: not tried, login: not tried, plabctl:"
    assert " ".join(" ".join(lines).split()) == f"✓ good n1 fault: {node.staged} {checks} {results[0].found}"


def test_nodes_that_only_a_set_up_test_finds_are_named() -> None:
    deceptive = [make_node_view(name, NodeState.BAD, checks=BOTH_PASS) for name in ("n1", "n2", "n3")]
    others = [make_node_view("n4", NodeState.BAD), make_node_view("n5", checks=BOTH_PASS)]

    assert format_deceptive(make_view(*deceptive, *others)).startswith("n1, n2 and n3 answer a ping and a login, but")
    assert format_deceptive(make_view(deceptive[0])).startswith("n1 answers a ping and a login, but")
    assert format_deceptive(make_view(*others)) == ""
