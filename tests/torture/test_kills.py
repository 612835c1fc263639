"""Ticks and operators killed at random lose nothing, and the checker would see it if they did."""

from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest

from plabctl.core.model import Event
from tests.builders import NOW
from tests.torture import kills
from tests.torture.concurrent_runs import Run
from tests.torture.history_checks import gaps, lost, reordered, strayed
from tests.torture.options import TortureOptions


@pytest.mark.sshd
@pytest.mark.timeout(600)
def test_some_kills(tmp_path: Path) -> None:
    findings = kills.run(TortureOptions(tmp_path, seed=7, whole=False))

    assert [finding for finding in findings if not finding.holds] == []
    assert int(findings[0].figure) >= 20, "so many were killed"


def run(who: str, code: int = 0, began_at: float = 1.0, ended_at: float = 2.0) -> Run:
    process: Popen[bytes] = Popen(["true"])
    process.wait()
    return Run(who, ("move",), process, began_at, 0.0, ended_at, code)


def event(kind: str = "transition", node: str = "n", actor: str = "op-1", **data: object) -> Event:
    return Event("id", NOW, kind, node, actor, data)


SOUND = ["about a 1", "made a 1", "about b 2", "about c 2", "made c 2", "about d 3", "about e 4", "made e 4"]


@pytest.mark.parametrize(
    ("notes", "rev", "holds"),
    [
        (SOUND, 4, True),
        (SOUND[:-1], 3, False),
        (SOUND, 5, False),
        ([*SOUND[:2], "about c 3", "made c 3"], 3, False),
        ([*SOUND[:2], "about c 1", "made c 1"], 1, False),
        (["about a 1", "about c 2", "made c 2"], 2, False),
    ],
    ids=["sound", "died after the last", "more than was committed", "a gap", "given twice", "nobody died"],
)
def test_a_gap_in_the_count_is_seen(notes: list[str], rev: int, holds: bool) -> None:
    assert (not list(gaps(notes, {"b", "d"}, rev))) is holds


def test_a_lost_order_one_done_twice_and_one_done_though_refused_are_seen() -> None:
    assert len(list(lost([run("op-1")], []))) == 1
    assert len(list(lost([run("op-1")], [event(), event()]))) == 1
    assert len(list(lost([run("op-1", code=1)], [event()]))) == 1
    assert not list(lost([run("op-1"), run("op-2", code=-9)], [event()]))


def test_an_order_that_overtakes_is_seen() -> None:
    first, second = run("a"), replace(run("b"), began_at=3.0, ended_at=4.0)

    assert not list(reordered([first, second], {"a": 1, "b": 2}))
    assert len(list(reordered([first, second], {"a": 2, "b": 1}))) == 1


def test_a_history_that_does_not_lead_to_the_state_is_seen() -> None:
    moved = event(**{"from": "bad", "to": "good"})

    assert not list(strayed([event("node-added"), moved], "bad", {"n": "good"}))
    assert len(list(strayed([event("node-added"), moved], "bad", {"n": "bad"}))) == 1
    assert len(list(strayed([event("node-added"), moved, moved], "bad", {"n": "good"}))) == 1
    assert len(list(strayed([event("node-removed")], "bad", {}))) == 1
