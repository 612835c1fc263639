"""Views of a demo with plausible values, for tests that draw them."""

from typing import Any

from plabctl.core.model import Event, Outcome
from plabctl.demo.demo_view import CheckResult, DemoView, NodeChecks, NodeState, NodeView
from tests.builders import NOW

UP = CheckResult(passed=True, words="up")
WORKS = CheckResult(passed=True, words="works")
REFUSED = CheckResult(passed=False, words="refused")
BOTH_PASS = NodeChecks(UP, WORKS)


def make_tests(letters: str) -> tuple[Outcome, ...]:
    """Outcomes by letter: P for a pass, F for a failure."""
    return tuple(Outcome.PASS if letter == "P" else Outcome.FAIL for letter in letters)


def make_node_view(name: str = "n1", state: NodeState = NodeState.GOOD, **fields: Any) -> NodeView:
    return NodeView(name, state, **fields)


def make_view(*nodes: NodeView, left_s: float = 30.0) -> DemoView:
    return DemoView(nodes or (make_node_view(),), window=6, left_s=left_s)


def make_probes(letters: str, node: str = "n1") -> list[Event]:
    """Events of tests: P passed, F failed, ? was interrupted."""
    failed = {"outcome": "fail", "cause": "setup", "reason": "no space"}
    data = {"P": {"outcome": "pass"}, "F": failed, "?": {"outcome": "unknown", "cause": "interrupted"}}
    return [
        Event(f"{number}-probe", NOW, "probe", node, "plabctl", data[letter]) for number, letter in enumerate(letters)
    ]
