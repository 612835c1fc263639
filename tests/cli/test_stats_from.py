"""`plabctl stats --from SOURCE`: how usable the nodes of several monitors were."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from plabctl.app import several_stats
from plabctl.app.json_stream import Read
from plabctl.app.stats_source import ToldStats, read_page_stats
from plabctl.core.stats.tally import Span
from plabctl.history.database import History
from tests.cli.console import Desk
from tests.cli.monitors import BOTH, WITH_MONITORS, alter, document, iso
from tests.cli.test_stats import SCHEMA, SITES, SPAN, make_events
from tests.lab.web_pages import WebPages

pytestmark = WITH_MONITORS


def read(desk: Desk, *arguments: str) -> dict[str, Any]:
    said = desk.run("stats", *arguments, "-o", "json")
    assert said.out, said
    found: dict[str, Any] = json.loads(said.out)
    jsonschema.validate(found, SCHEMA)
    return found


def change(desk: Desk, name: str, **values: object) -> None:
    """Let the statistics of that monitor's page have other values."""
    path = desk.folder / name / "stats.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_page_has_what_stats_prints(sites: Path) -> None:
    page = json.loads((sites / "lyon/page/stats.json").read_text())
    jsonschema.validate(page, SCHEMA)

    own = read(Desk(sites / "lyon"), "--since", page["since_at"])

    # It is later now.
    later = {"nodes", "total", "generated_at", "until_at", "known_seconds", "usable_ratio", "good_ratio"}
    rows = [sorted(document["nodes"], key=lambda row: str(row["name"])) for document in (own, page)]
    for ours, theirs in zip([own, own["total"], *rows[0]], [page, page["total"], *rows[1]], strict=True):
        assert ours.keys() == theirs.keys()
        plain = ours.keys() - later
        assert {key: ours[key] for key in plain} == {key: theirs[key] for key in plain}


def test_two_monitors_are_as_one_that_had_seen_it_all(tmp_path: Path) -> None:
    """The history of tests/cli/test_stats.py, and the same taken apart by site."""
    for site in ("all", "oslo", "bonn"):
        (tmp_path / site).mkdir()
        Desk(tmp_path / site)
        state = tmp_path / site / "state"
        state.mkdir(mode=0o700)
        with History(state) as history:
            history.record([event for event in make_events() if site in {"all", SITES[event.node or ""]}])
    desk, parts = Desk(tmp_path), ("--from", "oslo=oslo/plabctl.toml", "--from", "bonn=bonn/plabctl.toml")
    own = ("--config", "all/plabctl.toml")

    for by in ((), ("--by", "site"), ("b1",), ("a1", "a2")):
        whole, several = read(desk, *own, *SPAN, *by), read(desk, *parts, *SPAN, *by)
        rows = "groups" if "--by" in by else "nodes"
        assert several["total"] == whole["total"]
        for ours, theirs in zip(several[rows], whole[rows], strict=True):
            ours.pop("monitor", None)
            assert ours == theirs
    by_monitor = read(desk, *parts, *SPAN, "--by", "monitor")
    assert [(row["name"], row["nodes_count"], row["tests_count"]) for row in by_monitor["groups"]] == [
        ("bonn", 1, 1), ("oslo", 2, 7),
    ]  # fmt: skip
    assert [source["nodes_count"] for source in by_monitor["sources"]] == [2, 1]


def test_nodes_have_their_monitor_and_one_without_a_name_has_none(far: Desk, sites: Path, web: WebPages) -> None:
    lines = [line.split("\t") for line in far.ok("stats", *BOTH, "-o", "tsv", "--header").splitlines()]
    table = far.ok("stats", *BOTH, "-o", "table")
    far_away = read(far, "--from", f"lyon={web.url}/lyon", "--from", f"nancy={web.url}/nancy/status.json")

    assert (lines[0][0], lines[0][-1]) == ("name", "monitor")
    assert {(line[0], line[-1]) for line in lines[1:]} == {
        ("pc1", "lyon"), ("pc2", "lyon"), ("a1", "nancy"), ("a2", "nancy"),
    }  # fmt: skip
    assert table.split()[:2] == ["NODE", "MONITOR"]
    assert "4 nodes of 2 monitors" in table
    assert far_away["nodes"] == read(far, *BOTH)["nodes"]
    alone = read(far, "--from", "lyon")
    assert ("sources" in alone, "monitor" in alone["nodes"][0]) == (False, False)
    assert alone["total"] == json.loads((sites / "lyon/page/stats.json").read_text())["total"]
    assert [row["name"] for row in read(far, "--from", str(sites / "lyon/state"))["nodes"]] == ["pc2", "pc1"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pc1", "a1"], {"a1", "pc1"}),
        (["@bad"], {"a2", "pc2"}),
        (["-p", "bad"], {"a2", "pc2"}),
        (["--by", "site"], {"lyon", "nancy"}),
        (["--by", "rack", "!a*"], {"r1"}),
        (["--by", "monitor", "pc1"], {"lyon"}),
    ],
)
def test_nodes_are_chosen_over_all(far: Desk, arguments: list[str], expected: set[str]) -> None:
    assert set(far.ok("stats", *BOTH, *arguments, "-o", "name").split()) == expected


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["zz"], 1, "no node is named 'zz'"),
        (["-p", "ugly"], 1, "no pool is named 'ugly'"),
        (["--by", "colour"], 2, "no node has the label 'colour'"),
        (["--at", "1h"], 2, "--at needs the history of one monitor"),
        (["-o", "svg"], 2, "-o svg needs the history of one monitor"),
        (["--since", "7d"], 74, "'lyon/stats.json' is about the last 30d alone"),
        (["--since", "30d", "--until", "3d"], 74, "'nancy/stats.json' is about the last 30d alone"),
    ],
)
def test_what_none_has_is_refused(far: Desk, arguments: list[str], code: int, words: str) -> None:
    said = far.run("stats", *BOTH, *arguments)

    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_a_page_says_no_other_span_and_an_installation_any(far: Desk, sites: Path) -> None:
    said = far.run(
        "stats", "--from", "lyon", "--from", f"here={sites}/nancy/plabctl.toml", "--since", "1d", "-o", "name"
    )

    assert (said.code, said.out) == (1, "a2\na1\n")
    words = "'lyon/stats.json' is about the last 30d alone; name the configuration, on its machine"
    assert said.err == f"plabctl: lyon: {words}\n"
    assert far.ok("stats", *BOTH, "--since", "30d", "-o", "name"), "which is what they have"


def test_what_cannot_be_read_hides_no_other(far: Desk, web: WebPages) -> None:
    for name in ("none", "cut", "html", "newer", "tried", "groups", "huge", "digits", "odd", "long", "share", "fewer"):
        shutil.copytree(far.folder / "nancy", far.folder / name)
    (far.folder / "none/stats.json").unlink()
    (far.folder / "cut/stats.json").write_bytes((far.folder / "nancy/stats.json").read_bytes()[:-9])
    (far.folder / "html/stats.json").write_text("<html>")
    change(far, "newer", schema_version=2)
    (far.folder / "tried/stats.json").write_text('{"schema_version":1,"fault":"its history is \\u001b[31mtoo long"}')
    (far.folder / "groups/stats.json").write_text(far.ok("stats", "--from", "nancy", "--by", "site", "-o", "json"))
    nancy = json.loads((far.folder / "nancy/stats.json").read_text())
    first, second = nancy["nodes"]
    for name, changed in (
        ("huge", {"slot_seconds": 1e300}),
        ("digits", {"slot_seconds": 10**400}),
        ("long", {"name": "x" * 254}),
        ("share", {"good_ratio": 2}),
    ):
        change(far, name, nodes=[{**first, **changed}, second])
    change(far, "fewer", nodes=[first])
    change(far, "odd", nodes=[{"name": "x"}, second])
    for name in ("alone.json", "odd-name"):
        shutil.copy(far.folder / "nancy/status.json", far.folder / name)
    (far.folder / "stats.json").write_text("of somebody else")
    web.folders["bare"] = far.folder / "none"
    wrong = {
        "none": ("none", "there is no 'none/stats.json'"),
        "cut": ("cut", "'cut/stats.json' are no statistics of nodes"),
        "html": ("html", "are no statistics of nodes"),
        "newer": ("newer", "are statistics of version 2, and this plabctl reads version 1"),
        "tried": ("tried", "'tried/stats.json' has no statistics: its history is "),
        "groups": ("groups", "are no statistics of nodes"),
        "huge": ("huge", "are no statistics of nodes"),
        "digits": ("digits", "are no statistics of nodes"),
        "odd": ("odd", "are no statistics of nodes"),
        "long": ("long", "are no statistics of nodes"),
        "share": ("share", "are no statistics of nodes"),
        "fewer": ("fewer", "are no statistics of nodes"),
        "alone": ("alone.json", "'alone.json' has a status and no past"),
        "file": ("odd-name", "'odd-name' has a status and no past"),
        "bare": (f"{web.url}/bare", "/bare/stats.json: answered 404"),
        "gone": ("gone", "cannot read 'gone': No such file or directory"),
    }
    sources = [part for name, (place, _) in wrong.items() for part in ("--from", f"{name}={place}")]

    said = far.run("stats", *sources, "--from", "lyon", "-o", "tsv")
    table = far.run("stats", *sources, "--from", "lyon", "-o", "table")
    told = read(far, *sources, "--from", "lyon")

    assert (said.code, [line.split("\t")[0] for line in said.out.splitlines()]) == (1, ["pc2", "pc1"])
    lines = dict(
        line.removeprefix("plabctl: ").split(": ", 1) for line in said.err.splitlines() if "claimed" not in line
    )
    assert [name for name, (_, words) in wrong.items() if words not in lines.get(name, "")] == [], lines
    assert "\x1b" not in said.err + table.out
    assert "! none: there is no" in table.out
    assert [source["monitor"] for source in told["sources"] if "fault" in source] == list(wrong)
    lost = far.run("stats", "--from", "none", "--from", "alone.json")
    assert (lost.code, lost.out, "plabctl report --stats" in lost.err) == (74, "", True)


def test_what_is_old_or_shorter_or_claimed_twice_is_told(far: Desk) -> None:
    rows = document(far, "lyon")["nodes"]
    alter(far, "nancy", nodes=[*document(far, "nancy")["nodes"], rows[0]])
    now = time.time()
    change(far, "lyon", generated_at=iso(now - 3 * 86400))
    change(far, "nancy", since_at=iso(now - 7 * 86400), until_at=iso(now))

    said = far.run("stats", *BOTH, "-o", "name")

    assert said.code == 0
    assert [source["stale"] for source in read(far, *BOTH)["sources"]] == [True, False]
    assert said.err.splitlines() == [
        "plabctl: 1 node is claimed by lyon and nancy: pc1",
        "plabctl: lyon: its statistics are 3d old",
        "plabctl: nancy: its statistics are of 7d, those of others of more",
    ]


def test_a_node_that_is_gone_is_there_by_its_name_and_in_no_pool(far: Desk) -> None:
    nancy = json.loads((far.folder / "nancy/stats.json").read_text())
    gone = {**nancy["nodes"][0], "name": "A9", "removed": True}
    change(far, "nancy", nodes=[*nancy["nodes"], gone], total={**nancy["total"], "nodes_count": 3})

    assert far.ok("stats", *BOTH, "a9", "pc1", "-o", "name").split() == ["A9", "pc1"]
    assert far.ok("stats", *BOTH, "a9", "pc1", "-p", "good", "-o", "name").split() == ["pc1"]
    assert far.ok("stats", *BOTH, "a9", "-p", "good", "-o", "name") == ""


@pytest.mark.usefixtures("forked_readers")
def test_a_reader_that_is_killed_takes_only_its_own_source_with_it(
    sites: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_or_die(read: Read, place: str, monitor: str) -> ToldStats:
        if monitor == "nancy":
            os.kill(os.getpid(), signal.SIGKILL)
        return read_page_stats(read, place, monitor)

    monkeypatch.setattr(several_stats, "read_page_stats", read_or_die)
    now = time.time()
    asked = several_stats.StatsAsked(Span(now - 30 * 86400.0, now), is_any_span=True)

    found = several_stats.read_several_stats([f"{sites}/lyon/page", f"nancy={sites}/nancy/page"], asked)

    assert ({view.name for view in found.views}, found.is_partial) == ({"pc1", "pc2"}, True)
    assert found.notes == [f"nancy: '{sites}/nancy/page/stats.json' could not be read to its end"]


def test_several_as_one_are_a_source_again(far: Desk) -> None:
    (far.folder / "region").mkdir()
    for command, file in (("status", "status.json"), ("stats", "stats.json")):
        (far.folder / "region" / file).write_text(far.ok(command, *BOTH, "-o", "json"))

    told = read(far, "--from", "region", "--from", "x=lyon", "a1")

    assert [row["monitor"] for row in told["nodes"]] == ["region/nancy"]


def test_no_state_is_made(far: Desk) -> None:
    before = sorted(far.folder.iterdir())
    far.ok("stats", *BOTH)
    assert sorted(far.folder.iterdir()) == before
