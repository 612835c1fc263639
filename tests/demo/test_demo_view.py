"""What a view is made of: the state, the history, and what the checks said."""

from plabctl.core.model import Cause, Event, Node, Outcome, Verdict
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.demo.demo_view import DemoView, NodeState, build_demo_view, list_tests
from tests.builders import NOW, make_claim, make_member, make_settings
from tests.demo.demo_values import BOTH_PASS, make_probes
from tests.memory_state import MemoryState

FAILED = Verdict(Outcome.FAIL, Cause.SETUP, "no space", NOW, 1.0)
PASSED = Verdict(Outcome.PASS, None, "", NOW, 1.0)


def build() -> DemoView:
    members = (
        make_member("n10", "good", ok_streak=2, last=PASSED),
        make_member("n2", "good", ok_streak=2, last=PASSED),
        make_member("n3", "bad"),
        make_member("n4", "bad", fail_streak=1, last=FAILED, suspicion=Suspicion("good", NOW, 3, NOW)),
        make_member("n5", "bad", fail_streak=3, last=FAILED, penalty=1.5, penalty_at=NOW),
    )
    nodes = tuple(Node(member.node, {"staged": "full"} if member.node == "n5" else {}) for member in members)
    state = MemoryState(Changes(nodes=nodes, members=members, claims=(make_claim("n3"),)))
    tests = list_tests([*make_probes("PFF?", "n5"), Event("x", NOW, "transition", "n5", "plabctl", {})])
    return build_demo_view(make_settings(), state, NOW, {"n5": BOTH_PASS, "n2": BOTH_PASS}, tests, 12.0)


def test_bad_nodes_come_first_and_equal_ones_by_number() -> None:
    assert [(node.name, node.state) for node in build().nodes] == [
        ("n5", NodeState.BAD),
        ("n4", NodeState.SUSPECT),
        ("n3", NodeState.UNTESTED),
        ("n2", NodeState.GOOD),
        ("n10", NodeState.GOOD),
    ]


def test_a_node_is_shown_with_its_counted_tests_its_reason_and_its_checks() -> None:
    node = build().nodes[0]

    assert node.tests == (Outcome.PASS, Outcome.FAIL, Outcome.FAIL)
    assert (node.reason, node.staged, node.checks, node.passes_needed) == ("no space", "full", BOTH_PASS, 2)
    assert [each.passes_needed for each in build().nodes[1:]] == [1, 1, 0, 0]


def test_a_running_test_is_seen() -> None:
    assert [node.name for node in build().nodes if node.is_testing] == ["n3"]


def test_only_a_node_that_is_not_good_deceives_the_checks() -> None:
    view = build()

    assert [node.name for node in view.nodes if node.is_deceptive] == ["n5"]
    assert view.deceptive_count == 1
