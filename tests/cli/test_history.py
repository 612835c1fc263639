"""`plabctl history` selects by time, kind, cause and experiment as it does by node; it refuses what cannot be meant."""

import json
import time

import pytest

from plabctl.core.model import Event
from plabctl.history.database import History
from tests.cli.console import Desk
from tests.lab.wait_until import wait_until

NOW = time.time()
DAY_S = 86_400.0
PAST = [
    Event(
        "a", NOW - 3 * DAY_S, "probe", "pc1", "plabctl", {"outcome": "fail", "cause": "connect", "reason": "refused"}
    ),
    Event("b", NOW - 2 * DAY_S, "transition", "pc1", "plabctl", {"from": "good", "to": "bad", "cause": "connect"}),
    Event("c", NOW - 1800, "vnode-up", "pc2", "plabctl", {"experiment": "exp", "vnode": "v"}),
    Event("d", NOW - 60, "hold", "pc2", "ann", {"reason": "disk", "until_at": NOW + DAY_S}),
]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An installation with four events."""
    desk = Desk(tmp_path_factory.mktemp("past"))
    desk.ok("node", "add", "pc1")
    (desk.folder / "state" / "history.db").unlink()
    with History(desk.folder / "state") as history:
        history.record(PAST)
    return desk


def test_what_happened_under_former_names_belongs_to_a_node(desk: Desk) -> None:
    steps = [
        ("a", "probe", "old", {"outcome": "pass"}),
        ("b", "node-renamed", "mid", {"from": "old"}),
        ("c", "probe", "mid", {"outcome": "pass"}),
        ("d", "probe", "old", {"outcome": "pass"}),
        ("e", "node-renamed", "pc1", {"from": "mid"}),
        ("f", "node-renamed", "other", {"from": "old"}),
        ("g", "probe", "mid", {"outcome": "pass"}),
        ("h", "probe", "pc1", {"outcome": "pass"}),
    ]
    desk.ok("node", "add", "pc1", "mid", "old", "other")
    (desk.folder / "state" / "history.db").unlink()
    with History(desk.folder / "state") as history:
        history.record(
            [Event(id_, NOW + place, kind, node, "lab", data) for place, (id_, kind, node, data) in enumerate(steps)]
        )

    def list_ids(*words: str) -> str:
        return "".join(json.loads(line)["id"] for line in desk.ok("history", *words, "-o", "jsonl").splitlines())

    assert list_ids("pc1") == "abceh", "d is of another node of the name, g of one that took it over"
    assert list_ids("other") == "df"
    assert list_ids("mid") == "abcg"
    assert list_ids("pc1", "mid") == "abcegh"
    assert list_ids("pc1", "-k", "probe") == "ach"


def iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ("", "abcd"),
        ("--since 1h", "cd"),
        ("--until 1h", "ab"),
        ("--since 60h --until 1h", "b"),
        ("--since {instant}", "bcd"),
        ("--until {instant}", "a"),
        ("--since {day} -n 2", "cd"),
        ("--since 5d --until 1h -n 1", "b"),
        ("--kind transition", "b"),
        ("--kind probe,hold", "ad"),
        ("--kind probe --kind hold --since 1d", "d"),
        ("--cause connect", "ab"),
        ("--cause connect --kind probe", "a"),
        ("--experiment exp", "c"),
        ("-e exp --since 1m", ""),
        ("--experiment nothing", ""),
        ("pc2 --kind vnode-up", "c"),
        ("pc2 --cause connect", ""),
        ("--kind probe -n 1", "a"),
    ],
)
def test_events_are_selected(past: Desk, options: str, ids: str) -> None:
    day = time.strftime("%Y-%m-%d", time.localtime(NOW - 6 * DAY_S))
    options = options.format(instant=iso(NOW - 2.5 * DAY_S), day=day)
    said = past.ok("history", *options.split(), "-o", "jsonl")

    assert "".join(json.loads(line)["id"] for line in said.splitlines()) == ids


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--since soon", "'soon'"),
        ("--until 2026-13-01", "'2026-13-01'"),
        ("--kind transitoin", "there is no kind of event 'transitoin'"),
        ("--cause conect", "there is no cause 'conect'"),
        ("--follow --until 1h", "--until cannot be given"),
        ("--since 1h --until 2h", "--until must be later than --since"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(past: Desk, options: str, told: str) -> None:
    said = past.run("history", *options.split())

    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert len([line for line in said.err.splitlines() if told in line]) == 1


def test_a_wrong_word_is_answered_with_the_nearest(past: Desk) -> None:
    assert "'transition'" in past.run("history", "--kind", "transitoin").err


def test_a_name_that_nobody_ever_had_is_told(past: Desk) -> None:
    assert past.run("history", "pc2").err == ""

    assert (
        "no node is named 'pc77', now or in the history\n  hint: see: plabctl node list"
        in past.run("history", "pc77").err
    )
    assert past.run("history", "pc77", "--kind", "hold").err == ""


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_all_instants_of_the_page_are_of_one_zone(past: Desk, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = past.run("history", "--kind", "hold", "-o", "table", environ={"TZ": zone}).out

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        shown = [time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at)) for at in (NOW - 60, NOW + DAY_S)]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert said.splitlines()[1].startswith(shown[0])
    assert f"until {shown[1]}" in said


def test_local_time_as_it_is_shown_can_be_given_back(past: Desk) -> None:
    (line,) = past.ok("history", "--kind", "transition", "-o", "table").splitlines()[1:2]
    shown = line[: len("2026-11-22 13:00:00 CET")]

    assert past.ok("history", "--since", shown, "--until", "1d", "-o", "jsonl").count('"id":"b"') == 1


def test_following_shows_only_what_was_asked_for(past: Desk) -> None:
    # Whichever is faster, the follower or the events: the retest is the latest of its kind or comes after it.
    with past.running("history", "--follow", "--kind", "retest", "-n", "1", "-o", "jsonl") as process:
        assert process.stdout
        with History(past.folder / "state") as history:
            history.record([Event(kind, NOW, kind, "pc1", "ann", {}) for kind in ("release", "retest")])

        assert json.loads(process.stdout.readline())["kind"] == "retest"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An installation with some thousand events, one of them not ours."""
    desk = Desk(tmp_path_factory.mktemp("long"))
    desk.ok("node", "add", "pc1")
    with History(desk.folder / "state") as history:
        history.record([Event(f"e{n}", NOW - 9000 + n, "probe", "pc1", "plabctl", {}) for n in range(3000)])
        history.record([Event("\x1b", NOW - 1, "probe", "pc1", "plabctl", {})])
    return desk


@pytest.mark.parametrize("form", ["tsv", "json"])
def test_a_reader_that_leaves_ends_it_in_silence(long: Desk, form: str) -> None:
    with long.running("history", "--since", "30d", "-o", form) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(1)
        process.stdout.close()

        assert process.stderr.read() == ""


def test_rows_that_were_left_out_are_counted_after_the_others(long: Desk) -> None:
    said = long.run("history", "--since", "30d", "-o", "json")

    assert json.loads(said.out)["skipped_count"] == 1
    assert len(json.loads(said.out)["events"]) >= 3000
    assert "1 row of the history was left out" in said.err


def test_ticks_remove_what_is_older_than_it_is_kept(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text() + '\n[history]\nkeep = "10d"\nkeep_output = "1d"\n')
    desk.ok("node", "add", "pc1")
    stages = [{"stage": "setup", "seconds": 1.0, "exit_code": 0, "output": "made\n", "truncated": False}]
    with History(desk.folder / "state") as history:
        history.record(
            [Event(f"old{n}", NOW - n * DAY_S, "probe", "pc1", "plabctl", {"stages": stages}) for n in (20, 5)]
        )

    def tick_and_list() -> tuple[list[str], list[bool]]:
        desk.ok("tick", "pc1")
        events = [json.loads(line) for line in desk.ok("history", "--kind", "probe", "-o", "jsonl").splitlines()]
        return [each["id"] for each in events if each["id"].startswith("old")], ["stages" in each for each in events]

    def is_thinned() -> bool:
        old, with_stages = tick_and_list()
        return old == ["old5"] and with_stages == [False, *[True] * (len(with_stages) - 1)] and len(with_stages) > 1

    # A tick has a twentieth of a second for it; what is left then is for the next.
    assert wait_until(is_thinned), tick_and_list()
