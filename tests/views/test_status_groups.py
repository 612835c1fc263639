"""Nodes that fail for the same reason are one group."""

from dataclasses import replace

import pytest

from plabctl.errors import UsageFault
from plabctl.views.status_groups import group_nodes
from tests.builders import NOW
from tests.render.examples import FAILED, PASSED, make_context, make_every_kind, make_pair


def test_by_reason_there_is_a_group_for_each_and_none_for_usable_nodes() -> None:
    named = replace(FAILED, reason="ssh: n3: no route to host")
    context = make_context(
        make_pair("n1", "bad", last=FAILED, since_at=NOW - 60.0),
        make_pair("n2", last=PASSED),
        make_pair("n3", "bad", last=named),
        make_pair("n4", "bad", last=replace(named, reason="ssh: n4: no route to host"), since_at=NOW - 9.0),
        make_pair("n5", "bad", last=PASSED, ok_streak=1),
    )

    groups = {group.value: group for group in group_nodes(context, ["n1", "n2", "n3", "n4", "n5"], "reason")}

    assert list(groups) == ["ssh: NODE: no route to host", "connection refused", "passes again, more passes needed"]
    assert groups["ssh: NODE: no route to host"].names == ["n3", "n4"]
    assert groups["connection refused"].since_at == NOW - 60.0


@pytest.mark.parametrize(
    ("reasons", "common"),
    [
        (
            ["10.0.0.1 port 22: connection refused", "fe80::7 port 2222: connection refused"],
            "ADDRESS: connection refused",
        ),
        (
            [
                "no answer from 10.0.0.1 port 22 within 20 s",
                "no answer from ::1 port 22, 10.0.0.1 port 22 within 9.87 s",
            ],
            "no answer from ADDRESS in time",
        ),
        (
            ["no address for 'n1': name not known", "no address for 'x.lab': name not known"],
            "no address for NODE: name not known",
        ),
        (
            [
                "unknown host key ssh-rsa SHA256:a+/B; run 'plabctl trust n1'",
                "unknown host key ssh-rsa SHA256:x9; run 'plabctl trust n2'",
            ],
            "unknown host key ssh-rsa FINGERPRINT; run 'plabctl trust NODE'",
        ),
        (
            ["cannot create '/x/plabctl-8165b1a419b15476': full", "cannot create '/x/plabctl-68560a08ee98675a': full"],
            "cannot create '/x/VNODE': full",
        ),
        (["setup did not end within 34 s", "setup did not end within 1e+03 s"], "setup did not end in time"),
        (["not up after 600 s: exit 1", "not up after 31.5 s: exit 1"], "not up in time: exit 1"),
    ],
)
def test_the_same_fault_reads_the_same_whatever_is_the_nodes_own(reasons: list[str], common: str) -> None:
    last = [replace(FAILED, reason=reason) for reason in reasons]
    context = make_context(*(make_pair(f"n{number}", "bad", last=each) for number, each in enumerate(last, 1)))

    assert [group.value for group in group_nodes(context, ["n1", "n2"], "reason")] == [common]


def test_by_label_all_nodes_are_in_a_group_and_the_worst_comes_first() -> None:
    context = make_context(
        make_pair("n1", last=PASSED, variables={"rack": "1"}),
        make_pair("n2", "bad", last=FAILED),
        make_pair("n3", "bad", last=FAILED, variables={"rack": "2"}),
        make_pair("n4", last=PASSED, variables={"rack": "2"}),
    )

    groups = group_nodes(context, ["n1", "n2", "n3", "n4"], "rack")

    assert [(group.value, group.count, group.usable_count) for group in groups] == [
        ("2", 2, 1),
        ("1", 1, 1),
        (None, 1, 0),
    ]
    assert groups[0].pools == {"bad": 1, "good": 1}
    assert groups[0].unusable == ["n3"]


@pytest.mark.parametrize("by", ["reason", "site", "rack", "pool", "cause"])
def test_every_node_that_is_not_usable_is_in_a_group(by: str) -> None:
    context = make_every_kind()
    names = sorted(context.state.names())

    grouped = {name for group in group_nodes(context, names, by) for name in group.unusable}

    assert grouped == {f"{name}.example.org" for name in ("bad", "new", "suspect", "held")}


def test_what_is_nothing_to_group_by_is_refused() -> None:
    with pytest.raises(UsageFault, match="raeson"):
        group_nodes(make_every_kind(), [], "raeson")
