"""The documents: what goes in comes out, and nothing else does."""

import json

import pytest

from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, Leftover, Node, Outcome, Report, StageRun
from plabctl.core.recipe import Become, Recipe, Stage, Transport
from plabctl.executors.dask.protocol import decode_assignment, decode_report, encode

RECIPE = Recipe("r", Transport.LOCAL, check=Stage("true", timeout_s=3.0), become=Become.SUDO, teardown_required=True)
ASSIGNMENT = Assignment(
    node=Node("n1", {"site": "north"}, "file:x", 5.0),
    token="t",
    recipe=RECIPE,
    vnode="v",
    pool="good",
    deadline_s=3.0,
    goal=Goal.SETUP,
    leftovers=((Leftover("v0", "r", 1.0), RECIPE),),
    lowered={"check": 60.0},
    away_from=("", "north"),
    scripts={"/x": "echo \udc80\n"},
    host_keys={"n1": ("n1 ssh-ed25519 AAAA",)},
)
REPORT = Report(
    "n1",
    "t",
    Outcome.FAIL,
    Cause.SETUP,
    "why",
    1.0,
    2.0,
    stages=(StageRun("setup", 1.0, None, "out"), StageRun("teardown", 1.0, 0, truncated=True)),
    left=("v",),
    stray=Leftover("v", "r", 1.0),
    address="",
    vantage="north",
)


def test_what_goes_in_comes_out() -> None:
    assert decode_assignment(encode(ASSIGNMENT)) == ASSIGNMENT
    assert decode_report(encode(REPORT)) == REPORT


@pytest.mark.parametrize(
    "changes",
    [
        {"unheard_of": 1},
        {"outcome": "maybe"},
        {"seconds": "2"},
        {"seconds": True},
        {"left": "v"},
        {"left": [1]},
        {"stray": {"vnode": "v"}},
        {"stages": [["setup", 1.0]]},
        {"node": None},
    ],
)
def test_any_other_document_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_report(json.dumps({**json.loads(encode(REPORT)), **changes}))


@pytest.mark.parametrize("text", ["", "[]", "1", "{", "[" * 100_000])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_assignment(text)
