import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core.slurm_nodes import SlurmNode
from plabctl.core.slurm_plan import Update, plan_changes
from plabctl.core.standing import Standing

OURS = "plabctl: connect: connection refused"
STATES = ("idle", "mixed", "allocated", "completing", "draining", "drained", "down", "planned", "maint", "blocked")


def make_standing(why_not: str = "", name: str = "n1", *, is_decided: bool = True) -> Standing:
    return Standing(name, {}, why_not, is_decided or not why_not, is_followed=False)


@pytest.mark.parametrize(
    ("why_not", "state", "reason", "change"),
    [
        ("", "idle", "", None),
        ("", "drained", OURS, Update(("n1",), "resume")),
        ("", "draining", OURS, Update(("n1",), "resume")),
        ("", "down", OURS, Update(("n1",), "resume")),
        ("", "drained", "broken fan", None),
        ("", "down", "Not responding", None),
        ("connect: connection refused", "idle", "", Update(("n1",), "drain", OURS)),
        ("connect: connection refused", "allocated", "", Update(("n1",), "drain", OURS)),
        ("connect: connection refused", "drained", OURS, None),
        ("connect: no route", "drained", OURS, None),
        ("setup: no space", "drained", OURS, Update(("n1",), "drain", "plabctl: setup: no space")),
        ("setup: no space", "drained", "broken fan", None),
        ("setup: no space", "down", "broken fan", None),
        ("setup: no space", "fail", "broken fan", None),
        ("setup: no space", "failing", "broken fan", None),
        ("setup: no space", "inval", "Low RealMemory", None),
        ("connect: connection refused", "inval", OURS, None),
        ("", "inval", OURS, None),
        ("setup: no space", "down", "Not responding", Update(("n1",), "drain", "plabctl: setup: no space")),
        ("setup: no space", "down", OURS, Update(("n1",), "drain", "plabctl: setup: no space")),
        ('setup: "a"\n\x1b[0m|b', "idle", "", Update(("n1",), "drain", "plabctl: setup: 'a' [0m|b")),
    ],
)
def test_what_is_done_to_a_node(why_not: str, state: str, reason: str, change: Update | None) -> None:
    planned = plan_changes([(make_standing(why_not), SlurmNode("n1", state, "root", reason))])

    assert planned == ([change] if change else [])


@pytest.mark.parametrize(("state", "reason"), [("idle", ""), ("drained", OURS), ("down", "Not responding")])
def test_of_a_node_that_was_never_tested_nothing_is_concluded(state: str, reason: str) -> None:
    standing = make_standing("in bad", is_decided=False)

    assert plan_changes([(standing, SlurmNode("n1", state, "root", reason))]) == []


def test_nodes_with_one_reason_are_changed_at_once() -> None:
    pairs = [(make_standing("x: y", f"n{n}"), SlurmNode(f"n{n}", "idle", "", "")) for n in range(1200)]
    planned = plan_changes(pairs)

    assert [len(update.nodes) for update in planned] == [500, 500, 200]
    assert planned[0].describe() == "drain n0, n1, n2, n3, n4 and 495 more: plabctl: x: y"


@settings(max_examples=60)
@given(
    st.sampled_from(STATES),
    st.sampled_from(["", OURS, "broken fan", "Not responding"]),
    st.sampled_from(["", "connect: connection refused", "setup: x"]),
    st.booleans(),
)
def test_a_second_look_changes_nothing_and_what_others_did_stays(
    state: str, reason: str, why_not: str, is_decided: bool
) -> None:
    node, standing = SlurmNode("n1", state, "root", reason), make_standing(why_not, is_decided=is_decided)
    planned = plan_changes([(standing, node)])
    after = node
    for update in planned:
        is_drain = update.state == "drain"
        after = node._replace(state="drained" if is_drain else "idle", reason=update.reason)

    assert plan_changes([(standing, after)]) == []
    if (node.is_drained or node.is_down) and reason == "broken fan":
        assert planned == []
