"""A row that plabctl did not write is left out and counted, whoever reads; all the others are shown."""

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.core import forecast
from plabctl.core.event_kinds import MOVES
from plabctl.core.model import Event
from plabctl.demo.demo_view import build_demo_view, list_tests
from plabctl.demo.results import list_results
from plabctl.demo.sentences import Narrator
from plabctl.history import event_rows, fetch_rows
from plabctl.history.database import History
from plabctl.history.event_rows import decode_row, encode_row
from plabctl.history.tables import CAUSE, EXPERIMENT, IS_STEP, VIEWS
from plabctl.render import data_formats, event_table, explanation, node_page, text_table
from plabctl.sim.recorded_past import read_past
from plabctl.views.node_record import NodeRecord
from tests.builders import NOW
from tests.cli.console import Desk
from tests.render.examples import make_context, make_pair

LOOSE = f"""
drop view tests; drop view moves; drop view stages;
create table loose (seq integer primary key, id, at, kind, node, actor, data);
insert into loose select * from event;
drop table event;
alter table loose rename to event;
create unique index event_by_id on event (id);
create index event_by_node on event (node, seq);
create index event_by_time on event (at);
create index step_by_kind on event (kind, seq) where {IS_STEP};
create index step_by_node on event (node, seq) where {IS_STEP};
create index event_by_cause on event ({CAUSE}, seq) where {CAUSE} is not null;
create index event_by_experiment on event ({EXPERIMENT}, seq) where {EXPERIMENT} is not null;
{VIEWS}
"""
"""Makes the table one that takes anything, as another program's copy of it would be."""

PROBE = {
    "pool": "good",
    "outcome": "pass",
    "seconds": 1.5,
    "stages": [{"stage": "setup", "seconds": 1.5, "exit_code": 0, "output": "made\n", "truncated": False}],
}
GOOD = ("probe", "pc1", "plabctl", json.dumps(PROBE))


def with_data(data: object) -> tuple[object, ...]:
    return ("x", NOW, "probe", "pc1", "plabctl", data)


def with_value(key: str, value: object) -> tuple[object, ...]:
    return with_data(json.dumps({**PROBE, key: value}))


ODD: dict[str, tuple[object, ...]] = {
    "no id": (None, NOW, *GOOD),
    "an empty id": ("", NOW, *GOOD),
    "a number as id": (7, NOW, *GOOD),
    "no instant": ("x", None, *GOOD),
    "text as instant": ("x", "yesterday", *GOOD),
    "bytes as instant": ("x", b"\0\1", *GOOD),
    "an instant before 1970": ("x", -1.0, *GOOD),
    "an instant after all calendars": ("x", 1e300, *GOOD),
    "an infinite instant": ("x", float("inf"), *GOOD),
    "the largest whole number as instant": ("x", 2**63 - 1, *GOOD),
    "no kind": ("x", NOW, None, "pc1", "plabctl", "{}"),
    "bytes that are no UTF-8 as kind": ("x", NOW, b"\xff\xfe", "pc1", "plabctl", "{}"),
    "a number as node": ("x", NOW, "probe", 5, "plabctl", "{}"),
    "escapes as actor": ("x", NOW, "probe", "pc1", "\x1b]0;root\x07", "{}"),
    "no actor": ("x", NOW, "probe", "pc1", None, "{}"),
    "no data": with_data(None),
    "empty data": with_data(""),
    "a number as data": with_data(12),
    "text as data": with_data("nonsense"),
    "a list as data": with_data("[1, 2]"),
    "JSON that is cut short": with_data('{"outcome": "pa'),
    "JSON of great depth": with_data('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "some depth": with_value("left", json.loads("[" * 300 + "]" * 300)),
    "bytes that are no UTF-8": with_data(b'{"reason": "\xff"}'),
    "not a number": with_data('{"seconds": NaN}'),
    "infinity by an exponent": with_data('{"seconds": 1e999}'),
    "a number of 5,000 digits": with_data('{"tries": ' + "9" * 5000 + "}"),
    "a number that no float holds": with_value("seconds", 10**400),
    "a number that not every program holds": with_value("tries", 2**64),
    "a list as outcome": with_value("outcome", ["pass"]),
    "an object as cause": with_value("cause", {"a": 1}),
    "a number as reason": with_value("reason", 5),
    "text as seconds": with_value("seconds", "long"),
    "true as seconds": with_value("seconds", True),
    "text as another instant": with_value("until_at", "never"),
    "a huge other instant": with_value("until_at", 1e200),
    "an object as origin": with_value("from", {"good": 1}),
    "no list of stages": with_value("stages", {"stage": "setup"}),
    "a stage that is text": with_value("stages", ["setup"]),
    "a stage without a name": with_value("stages", [{"seconds": 1.0}]),
    "a stage without a time": with_value("stages", [{"stage": "setup"}]),
    "a list as output": with_value("stages", [{"stage": "setup", "seconds": 1.0, "output": ["a"]}]),
    "text as exit code": with_value("stages", [{"stage": "setup", "seconds": 1.0, "exit_code": "0"}]),
    "escapes in a reason": with_value("reason", "\x1b[2J"),
    "escapes in an output": with_value("stages", [{"stage": "setup", "seconds": 1.0, "output": "\x9b2J"}]),
    "escapes in a key": with_value("\x1b[2J", "x"),
    "half a pair": with_value("reason", "\ud83d"),
}


def plant(folder: Path, *planted: tuple[object, ...]) -> None:
    """Put these rows into the history of `folder`, whatever the types."""
    with closing(sqlite3.connect(folder / "history.db", isolation_level=None)) as connection:
        connection.executescript(LOOSE)
        connection.executemany("insert into event (id, at, kind, node, actor, data) values (?, ?, ?, ?, ?, ?)", planted)


def event(id_: str, **data: object) -> Event:
    return Event(id_, NOW, "probe", "pc1", "plabctl", data)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_row_is_left_out_and_counted(tmp_path: Path, name: str) -> None:
    with History(tmp_path) as history:
        history.record([event("a"), event("b")])
    plant(tmp_path, ODD[name])

    with History(tmp_path) as history:
        history.record([event("c")])
        found = history.read()
        health = history.check(10)

    assert [record.event.id for record in found] == ["a", "b", "c"]
    assert (found.place, found.skipped) == (4, (3,))
    assert health == (4, 4, (3,))


def test_an_odd_row_that_is_the_newest_is_not_looked_at_again(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record([event("a")])
    plant(tmp_path, with_data(None))

    with History(tmp_path) as history:
        found = history.read(limit=1)
        assert (list(found), found.place, found.skipped) == ([], 2, (2,))
        assert history.read(after=found.place) == []


@pytest.mark.parametrize("seq", [2**53 + 1, 2**63 - 1])
def test_a_row_at_the_end_of_all_numbers_stops_neither_the_record_nor_who_follows(tmp_path: Path, seq: int) -> None:
    with History(tmp_path) as history:
        history.record([event("a")])
    with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as connection:
        insert = "insert into event (seq, id, at, kind, node, actor, data) values (?, 'x', ?, ?, ?, ?, ?)"
        connection.execute(insert, (seq, NOW, *GOOD))

    with History(tmp_path) as history:
        assert (history.read().place, history.read().skipped) == (1, (seq,))
        history.record([event("b"), event("c")])
        assert [record.event.id for record in history.read()] == ["a", "b", "c"]
        following = history.read(after=1)
        assert ([record.event.id for record in following], following.skipped) == (["b", "c"], ())
        assert history.read(limit=1).place == 0
        assert history.find_newest() == 3
        assert history.check(10) == (3, 4, (seq,))


@pytest.mark.parametrize("make", [str, str.encode], ids=["text", "bytes"])
def test_a_huge_row_is_left_out_without_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], object]
) -> None:
    monkeypatch.setattr(fetch_rows, "_RECORD_BYTES", 100_000)
    with History(tmp_path) as history:
        history.record([event("a"), event("b", reason="x" * 50_000)])
    plant(tmp_path, with_data(make(json.dumps({"reason": "x" * 200_000}))), ("c", NOW, *GOOD))

    found = History(tmp_path).read()

    assert [record.event.id for record in found] == ["a", "b", "c"]
    assert found.skipped == (3,)


def test_what_a_test_printed_is_left_out_where_it_would_be_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_rows, "MOST_BYTES", 10_000)
    stage = {"stage": "setup", "seconds": 1.0, "exit_code": 0, "output": "é" * 5000}

    row, stages = encode_row(event("a", stages=[stage], reason="full"))

    assert json.loads(row[-1]) == {"reason": "full"}
    assert json.loads(stages) == [{**stage, "output": "", "truncated": True}]


def test_what_plabctl_writes_comes_back() -> None:
    told = event("a", reason="é 💾 a\tb", until_at=NOW, left=["v1"], labels={"site": None}, **PROBE)
    (id_, at, kind, node, actor, data), stages = encode_row(told)
    texts = [text.encode() if text else None for text in (kind, node, actor, data, stages)]

    assert decode_row((id_.encode(), at, *texts)) == told  # type: ignore[arg-type]  # seven in all


LOOKS = [
    *(f"history -o {form}" for form in ("table", "wide", "tsv", "json", "jsonl", "csv", "name")),
    "history pc1 --since 30d",
    "show pc1 -o table",
    "show pc1 -o json",
    "explain pc1 -o table",
    "explain pc1 -o json",
]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An installation whose history has all the odd rows."""
    desk = Desk(tmp_path_factory.mktemp("spoilt"))
    desk.ok("node", "add", "pc1")
    desk.ok("tick")
    desk.ok("retest", "pc1", "--wait")
    odd = ((f"x{number}" if row[0] == "x" else row[0], *row[1:]) for number, row in enumerate(ODD.values()))
    plant(desk.folder / "state", *odd)
    return desk


@pytest.mark.parametrize("command", LOOKS)
def test_every_look_shows_the_rest_and_says_so(spoilt: Desk, command: str) -> None:
    said = spoilt.run(*command.split())

    assert said.code == 0
    assert "pc1" in said.out
    assert "\x1b" not in said.out
    assert "left out: not written by plabctl, or damaged (see: plabctl doctor)" in said.err
    assert len(said.err.splitlines()) == 1
    if command.endswith("json"):
        assert json.loads(said.out)["skipped_count"] > 10
    if command == "history -o json":
        assert "passed" in str(json.loads(said.out)["events"])


def test_the_simulator_and_the_doctor_do_as_well(spoilt: Desk) -> None:
    said = spoilt.run("simulate", "--since", "1d", "-o", "json")
    assert said.code == 0, said
    assert "damaged rows of the history left out" in json.loads(said.out)["world"]

    doctor = spoilt.run("doctor")
    assert f"warn  history: {len(ODD)} of the newest" in doctor.out
    assert "are not events that plabctl wrote, and left out; the first has seq" in doctor.out


def test_a_tick_goes_on_recording(spoilt: Desk) -> None:
    spoilt.ok("move", "pc1", "bad", "--reason", "to be seen")

    assert "to be seen" in spoilt.run("history").out


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "pool", "from", "to", "outcome", "cause", "seconds", "reason", "until_at", "since_at", "note", "experiment",
    "vnode", "stages", "goal", "scope", "count", "nodes", "vnodes", "left", "tries", "by", "recipe", "all_nodes", "id",
    "at", "kind", "node", "actor", "take_back", "hook", "labels",
]  # fmt: skip
STAGES = st.lists(
    st.fixed_dictionaries(
        {"stage": JSON | st.just("setup"), "seconds": JSON | st.just(1)}, optional={"exit_code": JSON, "output": JSON}
    ),
    max_size=2,
)
DATA = st.dictionaries(
    st.sampled_from(KEYS) | st.text(max_size=5),
    JSON | STAGES | st.sampled_from(["pass", "fail", "unknown", "good", "bad", "setup"]) | st.floats(0, 4e9),
    max_size=8,
)
INSTANTS = st.floats() | st.floats(0, 3e11) | st.sampled_from([NOW, NOW - 60, NOW + 1e9, 0])
KINDS = st.sampled_from([*MOVES, "probe", "late", "void", "hold", "vnode-up", "experiment-in", "other"])


@given(data=DATA, at=INSTANTS, kind=KINDS, node=st.sampled_from([b"pc1", None]))
@settings(max_examples=400)
def test_what_is_not_left_out_can_be_shown_in_every_form(
    data: object, at: float, kind: str, node: bytes | None
) -> None:
    found = decode_row((b"x-1", at, kind.encode(), node, b"plabctl", json.dumps(data).encode(), None))
    if found is None:
        return
    context = make_context(make_pair("pc1"))
    for form in ("tsv", "csv", "json", "jsonl", "name"):
        "".join(data_formats.render(event_table.build_listing([found]), form)).encode()
    for is_wide in (False, True):
        text_table.show_table(event_table.build_listing([found]), io.StringIO(), color=False, wide=is_wide)
    member = context.state.member("pc1")
    stored = context.state.node("pc1")
    assert member
    assert stored
    subject = NodeRecord(stored, member, None, (found,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast, "_FARTHEST", 9)  # what will move a node hangs on no row; to look far took half the time
        for text in (node_page.format_json(subject, context), explanation.format_json(subject, context)):
            text.encode()
        for line in (*node_page.build_lines(subject, context), *explanation.build_lines(subject, context)):
            line[1].text.encode()
    view = build_demo_view(context.settings, context.state, NOW, {}, list_tests([found]))
    list(Narrator().tell([found], view))
    list_results(view, [found], context.settings)


def test_tests_of_the_far_future_do_not_end_the_simulator(tmp_path: Path) -> None:
    tests = [(NOW, "pass"), (NOW + 60, "fail"), (2.5e11, "pass"), (NOW + 120, "pass"), (0.0, "fail")]
    with History(tmp_path) as history:
        history.record(
            [Event(f"{n}", at, "probe", "n", "plabctl", {"outcome": out}) for n, (at, out) in enumerate(tests)]
        )

    past = read_past(tmp_path, NOW - 3600, NOW + 3600)

    assert past.test_count == 4
