"""What a look at the history costs does not grow with how much ever happened: it reads the rows that it shows."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plabctl.history import query as search
from plabctl.history.fetch_rows import fetch
from plabctl.history.query import Question, find
from plabctl.history.tables import create_tables

NOW = 1_800_000_000.0
HOUR_S = 3600.0
NODES = [f"n{number:03}" for number in range(100)]
SIZE = 20_000


class Traced(sqlite3.Connection):
    """Notes each query with its plan."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plans: dict[str, list[str]] = {}

    def execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:  # type: ignore[override]
        if query.startswith("select") and "clock" not in query:
            found = super().execute(f"explain query plan {query}", values).fetchall()
            self.plans[query] = [row[3] for row in found]
        return super().execute(query, values)

    @property
    def steps(self) -> str:
        return "\n".join(step for plan in self.plans.values() for step in plan)


def make(rows: Sequence[tuple[Any, ...]]) -> Traced:
    """A history in memory: instants, kinds, nodes and perhaps data, in the order of recording."""
    connection = sqlite3.connect(":memory:", factory=Traced, isolation_level=None)
    create_tables(connection)
    connection.execute("begin")
    connection.executemany(
        "insert into event (id, at, kind, node, actor, data) values (?, ?, ?, ?, 'plabctl', ?)",
        [(f"e{number}", *row, *(["{}"] if len(row) == 3 else [])) for number, row in enumerate(rows)],
    )
    latest = list(accumulate((row[0] for row in rows), max))
    disorder_s = max((before - row[0] for before, row in zip(latest, rows, strict=True)), default=0.0)
    connection.execute("update clock set disorder_s = ?", (disorder_s,))
    connection.execute("commit")
    return connection


def data(number: int) -> str:
    """What the event of that number has besides: each 200th a cause, each 400th an experiment."""
    found = {"cause": "dns" if number % 200 == 1 else None, "experiment": "exp" if number % 400 == 2 else None}
    return json.dumps({key: value for key, value in found.items() if value})


@pytest.fixture(scope="module")
def long() -> Iterator[Traced]:
    """Twenty thousand events, four in a minute; each five hundredth is a move, and a few have a cause or more."""
    rows = [
        (NOW - (SIZE - number) * 15, "probe" if number % 500 else "transition", NODES[number * 37 % 100], data(number))
        for number in range(SIZE)
    ]
    connection = make(rows)
    yield connection
    connection.close()


# Work is counted in steps of SQLite's machine, which are the same on every machine. A walk over everything takes a
# hundred thousand, and each row that is found some ten.
WALK = SIZE * 5
LOOKS = {
    "an hour": (Question(since_at=NOW - HOUR_S), 240, 4_500),
    "an hour of a node": (Question(nodes=["n007"], since_at=NOW - HOUR_S), 2, 6_000),
    "an hour of all nodes": (Question(nodes=NODES, since_at=NOW - HOUR_S), 240, 10_000),
    "a long time of a node": (Question(nodes=["n007"], since_at=NOW - 60 * HOUR_S), 144, 90_000),
    "the newest": (Question(limit=1000), 1000, 10_000),
    "the newest of a node": (Question(nodes=["n007"], limit=50), 50, 500),
    "the newest of all nodes": (Question(nodes=NODES, limit=100), 100, 8_000),
    "the last test of a node": (Question(nodes=["n007"], kinds=["probe"], limit=1), 1, 100),
    "the moves of a long time": (Question(kinds=["transition"], since_at=NOW - 60 * HOUR_S), 28, 80_000),
    "the moves before a time": (Question(kinds=["transition"], until_at=NOW - 60 * HOUR_S), 12, 40_000),
    "the newest moves": (Question(kinds=["transition", "hold"], limit=20), 20, 600),
    "all moves": (Question(kinds=["transition"]), 40, 1_000),
    "the last move of a node": (Question(nodes=["n000"], kinds=["transition", "suspect"], limit=1), 1, 150),
    "the last move of a node that never moved": (Question(nodes=["n007"], kinds=["transition"], limit=1), 0, 100),
    "the newest of a cause": (Question(causes=["dns"], limit=20), 20, 1_500),
    "an experiment": (Question(experiments=["exp"]), 50, 3_000),
    "an experiment on a node": (Question(nodes=["n074"], experiments=["exp"]), 50, 6_000),
    "what is new": (Question(nodes=NODES, after=SIZE - 5), 5, 1_000),
}


@contextmanager
def counting(connection: sqlite3.Connection) -> Iterator[Counter[str]]:
    """Count the steps that SQLite takes meanwhile, as `steps`."""
    counter = Counter[str]()
    connection.set_progress_handler(lambda: counter.update(["steps"]), 1)
    try:
        yield counter
    finally:
        connection.set_progress_handler(None, 1)


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_takes_few_steps(long: Traced, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW", 1000)
    asked, rows, most = LOOKS[name]

    with counting(long) as counter:
        found = list(find(long, asked))

    assert len(found) == rows
    assert counter["steps"] < most


def test_a_walk_over_everything_would_take_more(long: Traced) -> None:
    query = "select seq from event where seq > 0 and at >= ? order by seq desc"

    with counting(long) as counter:
        long.execute(query, (NOW - HOUR_S,)).fetchall()

    assert counter["steps"] > WALK


@pytest.mark.parametrize("name", LOOKS)
def test_every_query_goes_by_an_index(long: Traced, name: str) -> None:
    long.plans.clear()
    asked, _, _ = LOOKS[name]

    list(fetch(long, find(long, asked)))

    assert long.plans
    assert "SCAN event" not in long.steps
    if asked.since_at is not None:
        assert "INDEX event_by_time (at>?)" in long.steps
    if asked.since_at is not None or asked.until_at is not None:
        assert "INTEGER PRIMARY KEY (rowid>?)" not in long.steps, "that is a walk over everything"


def test_a_long_time_of_a_node_goes_by_its_node(long: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW", 10)
    long.plans.clear()

    find(long, Question(nodes=["n007"], since_at=NOW - HOUR_S))

    _, bound, places = long.plans.values()
    assert bound == ["SEARCH event USING COVERING INDEX event_by_time (at>? AND at<?)"]
    assert "SEARCH event USING INDEX event_by_node (node=? AND seq>? AND seq<?)" in places


BY = {
    "step_by_kind (kind=? AND seq>? AND seq<?)": Question(kinds=["transition"], limit=3),
    "step_by_kind (kind=?": Question(kinds=["transition", "hold"]),
    "step_by_node (node=? AND seq>? AND seq<?)": Question(nodes=["n007"], kinds=["transition"], limit=3),
    "event_by_cause (<expr>=? AND seq>? AND seq<?)": Question(causes=["dns"], limit=3),
    "event_by_cause (<expr>=?": Question(causes=["dns", "connect"]),
    "event_by_experiment (<expr>=? AND seq>? AND seq<?)": Question(experiments=["exp"], limit=3),
    "event_by_experiment (<expr>=?": Question(experiments=["exp"], nodes=["n007"], kinds=["probe"]),
}


@pytest.mark.parametrize("index", BY)
def test_each_selection_has_its_index(long: Traced, index: str) -> None:
    long.plans.clear()

    find(long, BY[index])

    assert f"INDEX {index}" in long.steps


def test_what_is_many_is_found_as_it_is_asked_for(long: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW", 100)

    with counting(long) as counter:
        rows = fetch(long, find(long, Question(since_at=NOW - 40 * HOUR_S)))
        first = next(rows)

    assert first[0] == SIZE - 40 * 240 + 1
    assert counter["steps"] < 100_000, "all of these would take some 250,000"
    assert len(list(rows)) == 40 * 240 - 1


def test_a_clock_that_was_wrong_once_makes_no_walk_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW", 10)
    ahead = make([(NOW + 1e6 if number == 3 else NOW - 500 + number, "probe", "a") for number in range(500)])
    ahead.plans.clear()

    found = list(find(ahead, Question(since_at=NOW - 20)))

    assert found == [4, *range(481, 501)]
    assert "(rowid>? AND rowid<?)" not in ahead.steps, "that is a walk"
    ahead.close()


def test_a_history_that_lost_its_indexes_is_read_all_the_same() -> None:
    other = make([(NOW, "probe", "a"), (NOW - 60, "transition", "b"), (NOW - 7200, "probe", "a")])
    other.executescript("drop index event_by_time; drop index event_by_node")

    assert find(other, Question(since_at=NOW - HOUR_S)) == [1, 2]
    assert find(other, Question(nodes=["a"], limit=1)) == [3]
    other.close()


INSTANTS = st.sampled_from([NOW - 7200, NOW - 3600, NOW - 1, NOW, NOW + 86400, NOW + 30 * 86400])
DATA = ["{}", '{"cause": "dns"}', '{"cause": "check", "experiment": "exp"}', '{"experiment": "exp"}', "no JSON"]
ROWS = st.lists(
    st.tuples(
        INSTANTS,
        st.sampled_from(["probe", "transition", "late"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(DATA),
    )
)
QUESTIONS = st.builds(
    Question,
    nodes=st.none() | st.lists(st.sampled_from(["a", "b", "gone"])),
    kinds=st.none() | st.lists(st.sampled_from(["probe", "transition"])),
    causes=st.none() | st.lists(st.sampled_from(["dns", "check"])),
    experiments=st.none() | st.lists(st.sampled_from(["exp", "gone"])),
    since_at=st.none() | INSTANTS,
    until_at=st.none() | INSTANTS,
    after=st.integers(0, 5),
    limit=st.none() | st.integers(0, 6),
)


EARLY, AHEAD = (NOW - 7200, "late", "a", "{}"), (NOW + 30 * 86400, "late", "a", "{}")


@pytest.mark.parametrize("few", [0, 10_000])
@example(rows=[*[EARLY] * 3, AHEAD, *[EARLY] * 4], asked=Question(since_at=NOW + 86400, after=4))
@given(rows=ROWS, asked=QUESTIONS)
def test_whatever_the_clock_did_the_rows_asked_for_are_found(
    few: int, rows: list[tuple[float, str, str, str]], asked: Question
) -> None:
    connection = make(rows)
    before, search._FEW = search._FEW, few
    try:
        found = list(find(connection, asked))
    finally:
        search._FEW = before
        connection.close()

    wanted = [
        place
        for place, (at, kind, node, text) in enumerate(rows, 1)
        if place > asked.after
        and (asked.nodes is None or node in asked.nodes)
        and (asked.kinds is None or kind in asked.kinds)
        and (asked.causes is None or any(f'"cause": "{cause}"' in text for cause in asked.causes))
        and (asked.experiments is None or any(f'"experiment": "{name}"' in text for name in asked.experiments))
        and (asked.since_at is None or at >= asked.since_at)
        and (asked.until_at is None or at < asked.until_at)
    ]
    assert found == (wanted if asked.limit is None else wanted[len(wanted) - min(asked.limit, len(wanted)) :])
