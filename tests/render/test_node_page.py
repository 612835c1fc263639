"""`show` says all about a node, in words."""

import json
from dataclasses import replace

import pytest

from plabctl.core.model import Event, Hold, Leftover, Member, Node
from plabctl.core.suspicion import Suspicion
from plabctl.render import node_page
from plabctl.render.times import format_clock, format_local
from plabctl.views.node import ViewContext
from plabctl.views.node_record import NodeRecord
from tests.builders import NOW, make_claim
from tests.render.examples import FAILED, PASSED, make_context, make_every_kind, make_pair

PROBE = Event(
    "t1-probe",
    FAILED.at,
    "probe",
    "n1",
    "plabctl",
    {
        "outcome": "fail",
        "cause": "setup",
        "reason": "no space left",
        "seconds": 3.2,
        "stages": [
            {"stage": "connect", "seconds": 0.1, "exit_code": None, "output": "", "truncated": False},
            {"stage": "setup", "seconds": 3.1, "exit_code": 1, "output": "making\nno space [/x]\n", "truncated": True},
        ],
        "note": "teardown: exit 1",
    },
)
MOVE = Event(
    "m1",
    NOW - 500.0,
    "transition",
    "n1",
    "ann",
    {"from": "good", "to": "bad", "cause": "operator", "reason": "new disk"},
)


def told(node: Node, member: Member, *recent: Event, testing: bool = False) -> str:
    context = make_context((node, member))
    claim = make_claim(node.name) if testing else None
    return "\n".join(
        f"{label}: {cell.text}"
        for label, cell in node_page.build_lines(NodeRecord(node, member, claim, recent), context)
    )


def test_a_bad_node_is_told_with_what_its_last_test_printed() -> None:
    text = told(*make_pair("n1", "bad", last=FAILED, fail_streak=3, due_at=NOW + 480.0), MOVE, PROBE)

    assert "because: good -> bad: new disk (by ann)" in text
    assert "last test: failed (connect) 6m40s ago, took 0.2 s" in text
    assert "setup       3.10 s  exit 1, output cut" in text
    assert "│ no space [/x]" in text
    assert "teardown: exit 1" in text
    assert "next test: in 8m" in text
    assert "3 failures in a row" in text
    assert f"to return: needs 1 more pass, next at {format_clock(NOW + 480.0, NOW)}; then goes to good" in text


@pytest.mark.parametrize(("ago_s", "counts"), [(60.0, "from"), (1800.0, "since"), (9000.0, "since")])
def test_a_node_that_is_not_ready_is_told_since_when_and_when_that_counts(ago_s: float, counts: str) -> None:
    since = NOW - ago_s
    node, member = make_pair("n1", not_ready_since_at=since)

    line = f"not ready: it says so itself, since {format_local(since)}; counts as a failure {counts} "
    assert line + format_local(since + 1800.0) in told(node, member)


def test_a_flapping_node_is_told_how_many_passes_it_needs() -> None:
    text = told(*make_pair("n1", "bad", last=PASSED, ok_streak=1, penalty=2.5, penalty_at=NOW))

    at = format_clock(NOW + 300.0, NOW)
    assert (
        f"to return: needs 2 more passes, the next test is due now, then 5m apart: in good at {at} at the earliest"
        in text
    )
    assert "flapping: penalty 2.5, halved every 6h: a return takes 3 passes in a row" in text


def test_a_suspect_is_told_as_one() -> None:
    text = told(*make_pair("n1", "bad", last=FAILED, suspicion=Suspicion("good", NOW - 9e4, 7, NOW)))

    assert "pool: ? bad, as a suspect" in text
    assert f"because: it failed once in good at {format_local(NOW)}; the next test confirms or refutes that" in text


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "pool: ✓ good\n"),
        ({"fail_streak": 1, "last": FAILED}, "pool: ! good, not usable: its last test failed\n"),
        ({"hold": Hold("ann", "disk", NOW - 60.0)}, "pool: ‖ good, not usable: held by ann\n"),
        ({"absent_since_at": NOW - 60.0}, "pool: ◌ good\n"),
        ({"fail_streak": 1, "hold": Hold("ann", "fine", NOW - 60.0, NOW + 60.0, is_move=True)}, "pool: ✓ good\n"),
    ],
)
def test_a_node_in_good_that_is_not_usable_has_the_sign_of_the_status(fields: dict[str, object], line: str) -> None:
    assert line in told(*make_pair("n1", **fields))  # type: ignore[arg-type]  # fields of Member


def test_a_new_node_has_no_past() -> None:
    text = told(*make_pair("n1", "bad"))

    assert "it has not been tested yet" in text
    assert "last test: never" in text
    assert "next test: now" in text


def test_leftovers_and_a_running_test_are_told() -> None:
    text = told(*make_pair("n1", leftovers=(Leftover("plabctl-x", "process", NOW - 60.0),)), testing=True)

    assert "leftover: vnode plabctl-x of 1m ago" in text
    assert "next test: » running for 0s, in slot 1" in text


@pytest.mark.parametrize("name", ["held.example.org", "over.example.org"])
def test_a_hold_is_told_while_it_holds(name: str) -> None:
    context = make_every_kind()
    node, member = context.state.node(name), context.state.member(name)
    assert node
    assert member

    text = told(node, member)

    assert ("held: by ann" in text) == (name == "held.example.org")


def test_an_old_test_is_not_shown_as_the_last() -> None:
    member = replace(make_pair("n1", "bad", last=FAILED)[1], last=replace(FAILED, at=NOW - 5.0))

    assert "making" not in told(Node("n1"), member, PROBE)


@pytest.mark.parametrize("name", sorted(make_every_kind().state.names()))
def test_every_kind_of_node_can_be_told_and_documented(name: str) -> None:
    context: ViewContext = make_every_kind()
    node, member = context.state.node(name), context.state.member(name)
    assert node
    assert member
    subject = NodeRecord(node, member, context.state.claims.get(name), (MOVE, PROBE))

    assert node_page.build_lines(subject, context)
    assert json.loads(node_page.format_json(subject, context))["name"] == name
