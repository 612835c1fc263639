"""`plabctl stats` of a history that was made by hand: two sites, three nodes, a day."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from plabctl.core.model import Event
from plabctl.history.database import History
from tests.cli.console import Desk

NOW = 1_790_000_000.0
H = 3600.0
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/stats.schema.json").read_text())
SITES = {"a1": "oslo", "a2": "oslo", "b1": "bonn"}


def make_events() -> list[Event]:
    """a1 was good from 0 on; a2 was out of good from 6 to 12; b1 was held from 18 on, and is gone since 21."""
    events: list[Event] = []

    def tell(hour: float, kind: str, node: str, actor: str = "plabctl", **data: object) -> None:
        named = {{"origin": "from", "target": "to"}.get(key, key): value for key, value in data.items()}
        events.append(Event(f"{len(events)}", NOW + hour * H, kind, node, actor, named))

    for node, site in SITES.items():
        tell(0, "node-added", node, "ada", pool="bad", variables={"site": site})
    for node in SITES:
        tell(0, "probe", node, pool="bad", outcome="pass", seconds=30.0)
        tell(0, "transition", node, origin="bad", target="good", cause="passed")
    tell(5, "probe", "a2", pool="good", outcome="pass", seconds=30.0)
    tell(6, "probe", "a2", pool="good", outcome="fail", seconds=60.0, cause="connect")
    tell(6, "suspect", "a2", origin="good", target="bad", cause="connect")
    tell(6, "probe", "a2", pool="bad", outcome="fail", seconds=60.0, cause="connect")
    tell(6, "transition", "a2", origin="good", target="bad", cause="connect")
    tell(11, "probe", "a2", pool="bad", outcome="fail", seconds=60.0, cause="setup")
    tell(12, "probe", "a2", pool="bad", outcome="pass", seconds=30.0)
    tell(12, "transition", "a2", origin="bad", target="good", cause="passed")
    tell(18, "hold", "b1", "ada")
    tell(21, "node-removed", "b1", "ada", pool="good")
    return events


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Nothing changes it."""
    desk = Desk(tmp_path_factory.mktemp("past"))
    state = desk.folder / "state"
    state.mkdir(mode=0o700)
    with History(Path(state)) as history:
        history.record(make_events())
    return desk


SPAN = ("--since", f"@{NOW:.0f}", "--until", f"@{NOW + 24 * H:.0f}")


def read(desk: Desk, *arguments: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(desk.ok("stats", *arguments, "-o", "json"))
    jsonschema.validate(document, SCHEMA)
    return document


def test_the_schema_refuses_what_is_no_document_of_stats(desk: Desk) -> None:
    document = read(desk, *SPAN)

    for odd in ({**document, "colour": "red"}, {**document, "groups": []}, {**document, "nodes": [{"name": "a"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(odd, SCHEMA)


def test_an_empty_installation_has_a_document_too(tmp_path: Path) -> None:
    empty = Desk(tmp_path)
    read(empty)
    read(empty, "--by", "rack")
    read(empty, "--at", "1h")


def test_nodes_with_the_worst_first_and_what_they_did(desk: Desk) -> None:
    document = read(desk, *SPAN)
    nodes = document["nodes"]

    assert isinstance(nodes, list)
    assert [node["name"] for node in nodes] == ["a2", "b1", "a1"]
    assert nodes[0] == {
        "name": "a2", "site": "oslo", "known_seconds": 24 * H,
        "usable_ratio": 0.75, "good_ratio": 0.75, "held_ratio": 0.0, "absent_ratio": 0.0,
        "outages_count": 1, "outages_seconds": 6 * H, "longest_outage_seconds": 6 * H,
        "flaps_count": 1, "refuted_count": 0,
        "detections_count": 1, "detect_least_seconds": 0.0, "detect_most_seconds": H,
        "returns_count": 1, "return_least_seconds": 0.0, "return_most_seconds": H,
        "tests_count": 6, "passed_count": 3, "failed_count": 3, "unknown_count": 0, "slot_seconds": 270.0,
        "causes": {"connect": 2, "setup": 1},
        "login_sees_ratio": 0.66667,
    }  # fmt: skip
    assert (nodes[1]["known_seconds"], nodes[1]["held_ratio"], nodes[1]["removed"]) == (21 * H, 0.14286, True)
    assert document["history_begins_at"] == document["since_at"]


def test_sites_are_compared_and_the_total_is_that_of_all(desk: Desk) -> None:
    document = read(desk, *SPAN, "--by", "site")
    groups, total = document["groups"], document["total"]

    assert isinstance(groups, list)
    assert isinstance(total, dict)
    assert [(group["name"], group["nodes_count"], group["usable_ratio"]) for group in groups] == [
        ("bonn", 1, 0.85714),
        ("oslo", 2, 0.875),
    ]
    assert (total["nodes_count"], total["tests_count"], total["usable_ratio"]) == (3, 8, 0.86957)


def test_groups_have_the_same_names_as_in_the_status(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ok("node", "add", "a1", "--set", "rack=r7")
    desk.ok("node", "add", "b1")

    for command in ("status", "stats"):
        lines = [line.split("  ") for line in desk.ok(command, "--by", "rack", "-o", "table").splitlines()]
        assert {"RACK", "r7", "(no rack)"} <= {line[0] for line in lines}, command


def test_at_an_instant(desk: Desk) -> None:
    at = f"@{NOW + 8 * H:.0f}"

    assert desk.ok("stats", "--at", at, "-o", "tsv") == (
        "a2\tbad\tfalse\tfalse\tfalse\tfalse\tin bad\toslo\n"
        "a1\tgood\ttrue\ttrue\tfalse\tfalse\t\toslo\n"
        "b1\tgood\ttrue\ttrue\tfalse\tfalse\t\tbonn\n"
    )
    assert desk.ok("stats", "--at", at, "-p", "good", "-o", "name") == "a1\nb1\n"
    document = read(desk, "--at", f"@{NOW + 19 * H:.0f}")
    assert (document["nodes_count"], document["good_count"], document["usable_count"]) == (3, 3, 2)
    assert read(desk, "--at", f"@{NOW + 22 * H:.0f}")["nodes_count"] == 2


def test_a_node_that_is_gone_can_be_named(desk: Desk) -> None:
    assert desk.ok("stats", "b1", *SPAN, "-o", "name") == "b1\n"


def test_the_table_fits_and_says_where_the_history_begins(desk: Desk) -> None:
    since = ("--since", f"@{NOW - 24 * H:.0f}", "--until", f"@{NOW + 24 * H:.0f}")
    out = desk.run("stats", *since, "-o", "table", environ={"TZ": "UTC"}).out

    assert (
        out
        == """\
NODE  USABLE           OUTAGES  LONGEST  SEEN IN  BACK IN  FLAPS  GOOD   HELD   TESTS  CAUSES
a2    ██████░░  75.0%  1, 6h    6h       <1h      <1h      1      75.0%         6      connect 2, setup 1
b1    ███████░  85.7%                                             100%   14.3%  1
a1    ████████   100%                                             100%          1

2026-09-20 14:13:20 UTC to 2026-09-22 14:13:20 UTC · 3 nodes
usable 87.0% · 1 outage · seen in <1h · back in <1h · 8 tests · connect 2, setup 1 · a login sees 66.7% of failures
history begins 2026-09-21 14:13:20 UTC
"""
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--at", "1h", "--since", "2h"), "--at is for one instant"),
        (("--since", "2h", "--until", "3h"), "--since must be before --until"),
        (("--since", "0s"), "the span is empty: --since must be before --until and before now"),
        (("--since", "2999-01-01"), "--since must be before --until"),
        (("--at", "2999-01-01"), "in the future"),
        (("--since", "soon"), "is not a duration, date or time"),
        (("-p", "nowhere"), "no pool is named 'nowhere'"),
        (("a1", "c3"), "no node is named 'c3'"),
        (("--by", "rack", *SPAN), "no node has the label 'rack'"),
        (("--by", "", *SPAN), "no node has the label ''"),
    ],
)
def test_what_makes_no_sense_is_refused(desk: Desk, arguments: tuple[str, ...], message: str) -> None:
    said = desk.run("stats", *arguments)

    assert said.code != 0
    assert message in said.err


def test_a_picture_has_a_row_for_each_chosen_node_and_says_the_span(desk: Desk) -> None:
    drawn = ET.fromstring(desk.run("stats", *SPAN, "-o", "svg", environ={"TZ": "UTC"}).out)
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]

    assert texts[0] == "2026-09-21 14:13:20 UTC to 2026-09-22 14:13:20 UTC"
    assert [text for text in texts if text in {"a1", "a2", "b1", "100 %", "75.0 %", "85.7 %"}] == [
        "b1", "85.7 %", "a1", "100 %", "a2", "75.0 %",
    ]  # fmt: skip
    month = desk.run("stats", *SPAN[2:], "-o", "svg", environ={"TZ": "UTC"}).out
    assert "2026-09-21 14:13:20 UTC to 2026-09-22 14:13:20 UTC, nothing is known before" in month
    one = desk.ok("stats", "a2", *SPAN, "-o", "svg")
    assert 'class="q-bad"' in one
    assert "a1" not in one
    assert 'class="q-bad"' not in desk.ok("stats", "a1", *SPAN, "-o", "svg")


@pytest.mark.parametrize("other", [("--at", "1h"), ("--by", "site")])
def test_a_picture_is_of_nodes_over_a_span(desk: Desk, other: tuple[str, ...]) -> None:
    said = desk.run("stats", *other, "-o", "svg")

    assert (said.code, said.out) == (2, "")
    assert "goes with neither --at nor --by" in said.err
