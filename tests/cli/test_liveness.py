"""What commands say of liveness checks: when a node last answered, and what a tick would ask."""

import json

import pytest

from plabctl.clock import SystemClock
from plabctl.core.liveness import Liveness
from plabctl.core.state import Changes
from plabctl.core.suspicion import Suspicion
from plabctl.store.store import Store
from plabctl.values import replace
from tests.cli.console import CONFIG, Desk

LIVENESS = "liveness = { between = 8 }\n"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with two nodes that are tested in an hour; a check of `pc1` is due."""
    desk = Desk(tmp_path_factory.mktemp("asked"))
    desk.config.write_text(CONFIG.replace('kind = "good"\n', 'kind = "good"\n' + LIVENESS))
    desk.ok("node", "add", "pc1", "pc2", "-q")
    desk.ok("tick")
    clock = SystemClock()
    now = clock.now()
    with Store(desk.folder / "state", clock).session() as state:
        members = {name: state.member(name) for name in ("pc1", "pc2")}
        later = [replace(member, due_at=now + 3600, interval_s=3600.0) for member in members.values() if member]
        known = (Liveness(now - 5, 400.0, now - 405), Liveness(now + 300, 400.0, now - 100))
        both = tuple(replace(member, liveness=own) for member, own in zip(later, known, strict=True))
        state.apply(Changes(members=both))
    return desk


def test_the_status_says_when_each_node_last_answered(asked: Desk) -> None:
    rows = json.loads(asked.ok("status", "-o", "json"))["nodes"]

    assert {row["name"] for row in rows if "answered_at" in row} == {"pc1", "pc2"}
    wide = asked.ok("status", "-o", "wide")
    assert "ANSWERED" in wide
    assert "1m40s ago" in wide
    assert "answered_at" in asked.ok("status", "-o", "tsv", "--header").splitlines()[0].split("\t")


def test_a_status_that_is_read_from_a_file_says_the_same(asked: Desk) -> None:
    path = asked.folder / "status.json"
    path.write_text(asked.ok("status", "-o", "json"))

    told = json.loads(asked.ok("status", "--from", str(path), "-o", "json"))["nodes"]

    assert [row["answered_at"] for row in told] == [row["answered_at"] for row in json.loads(path.read_text())["nodes"]]


def test_without_checks_the_status_is_as_ever(used_desk: Desk) -> None:
    assert "answered_at" not in used_desk.ok("status", "-o", "json")
    assert "ANSWERED" not in used_desk.ok("status", "-o", "wide")


def test_a_tick_says_beforehand_which_checks_it_would_make(asked: Desk) -> None:
    (row,) = json.loads(asked.ok("tick", "--dry-run", "-o", "json"))["tests"]
    table = asked.ok("tick", "--dry-run", "-o", "table")

    assert (row["name"], row["recipe"], row["goal"]) == ("pc1", "command", "liveness")
    assert "liveness, due for" in table
    assert "0 would be tested now, 1 only logged in to, 0 would wait; 0 of 4 run" in table


def test_show_and_explain_say_when_it_is_asked_next(asked: Desk) -> None:
    shown, explained = asked.ok("show", "pc2", "-o", "table"), asked.ok("explain", "pc2", "-o", "table")

    for text in (shown, explained):
        assert "answered 1m" in text
        assert "next login in" in text
    assert "after 2 silent logins in a row it leaves good as a suspect" in explained
    login = json.loads(asked.ok("show", "pc2", "-o", "json"))["login"]
    assert (login["spacing_seconds"], login["silences_count"]) == (400, 0)
    assert json.loads(asked.ok("explain", "pc2", "-o", "json"))["login"] == login


def test_a_suspect_by_silence_failed_no_test_for_whoever_asks(asked: Desk) -> None:
    with Store(asked.folder / "state", SystemClock()).session() as state:
        member = state.member("pc2")
        assert member
        silent = Suspicion("good", member.since_at, 1, member.since_at, by_silence=True)
        state.apply(Changes(members=(replace(member, pool="bad", suspicion=silent),)))
    path = asked.folder / "silent.json"
    path.write_text(asked.ok("status", "-o", "json"))

    for source in ((), ("--from", str(path))):
        assert "suspect: fell silent, tested again at once" in asked.ok("status", *source, "-o", "table")
        (row,) = json.loads(asked.ok("status", "pc2", *source, "-o", "json"))["nodes"]
        assert row["why_not"] == "suspect: it fell silent and is tested again"
