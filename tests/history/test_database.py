"""What happened is kept once, in order, and a damaged history says so."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from plabctl.core.model import Event
from plabctl.errors import StateTooNew, StoreError
from plabctl.history import query
from plabctl.history.database import History
from plabctl.history.query import Question
from tests.builders import NOW
from tests.history import format_1


def event(id_: str = "e1", *, at: float = NOW, kind: str = "probe", node: str | None = "n1", **data: object) -> Event:
    return Event(id_, at, kind, node, "plabctl", data)


def ids(history: History, **chosen: object) -> list[str]:
    return [record.event.id for record in history.read(**chosen)]  # type: ignore[arg-type]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_nothing_was_recorded_yet(history: History, tmp_path: Path) -> None:
    assert history.read() == []
    history.record([])
    assert list(tmp_path.iterdir()) == []


def test_an_event_comes_back_as_it_was(history: History) -> None:
    stages = [{"stage": "setup", "seconds": 0.5, "exit_code": None, "output": "é\n"}]
    told = event(at=NOW + 0.125, node=None, stages=stages, left=[], n=1.5)

    history.record([told])

    (record,) = history.read()
    assert record.event == told


def test_order_is_the_order_of_recording(history: History) -> None:
    history.record([event("b", at=NOW), event("a", at=NOW - 100)])
    history.record([event("c", at=NOW - 50)])

    assert ids(history) == ["b", "a", "c"]
    assert [record.seq for record in history.read()] == [1, 2, 3]


def test_an_event_recorded_twice_is_there_once(history: History) -> None:
    history.record([event("a"), event("b")])
    history.record([event("b", n=2), event("c"), event("c")])

    assert ids(history) == ["a", "b", "c"]
    assert history.read()[1].event == event("b")


def test_a_look_can_be_narrowed(history: History) -> None:
    history.record(
        [
            event("a", node="n1", at=NOW),
            event("b", node="n2", at=NOW + 1, kind="transition"),
            event("c", node="n1", at=NOW + 2, kind="transition"),
            event("d", node=None, at=NOW + 3),
        ]
    )

    assert ids(history, nodes=["n1"]) == ["a", "c"]
    assert ids(history, nodes=[]) == []
    assert ids(history, kinds={"transition"}) == ["b", "c"]
    assert ids(history, since_at=NOW + 1) == ["b", "c", "d"]
    assert ids(history, limit=2) == ["c", "d"]
    assert ids(history, after=2) == ["c", "d"]
    assert ids(history, nodes=["n1", "n2"], kinds=["transition"], since_at=NOW + 2, after=1, limit=5) == ["c"]


def test_a_hundred_thousand_names_can_be_asked_for(history: History) -> None:
    history.record([event("a", node="n77777")])

    assert ids(history, nodes=[f"n{number}" for number in range(100_000)]) == ["a"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_we_can_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with History(tmp_path) as history:
            history.record([event()])
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert set(modes.values()) == {0o600}
    assert [path.name for path in tmp_path.iterdir()] == ["history.db"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"SQLite format 3\0", os.urandom(8192)],
    ids=["empty", "json", "cut short", "noise"],
)
def test_a_damaged_history_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(content)

    for use in (lambda: History(tmp_path).record([event()]), lambda: History(tmp_path).read()):
        with pytest.raises(StoreError) as caught:
            use()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "move it away" in caught.value.hint
    assert path.read_bytes() == content


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record([event(f"e{number}", output="x" * 500) for number in range(200)])
    path = tmp_path / "history.db"
    data = bytearray(path.read_bytes())
    data[4096 : len(data) - 4096] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)

    with pytest.raises(StoreError):
        History(tmp_path).read()


def test_a_history_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record([event()])
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute("pragma user_version = 99")
    connection.close()

    with pytest.raises(StateTooNew):
        History(tmp_path).record([event("e2")])


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim.db"
    with History(tmp_path) as history:
        history.record([event()])
    (tmp_path / "history.db").rename(victim)
    (tmp_path / "history.db").symlink_to(victim)

    with pytest.raises(StoreError, match="no regular file"):
        History(tmp_path).record([event("e2")])


def test_a_log_that_fails_when_it_is_closed_loses_no_new_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = []

    class Careless(sqlite3.Connection):
        """Leaves what is in its log there, as it does when the disk is full: it has no way to say so."""

        def close(self) -> None:
            path = self.execute("pragma database_list").fetchone()[2]
            others.append(sqlite3.connect(path))
            others[-1].execute("pragma schema_version").fetchone()
            super().close()

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, **kwargs, factory=Careless))
    with suppress(StoreError):
        History(tmp_path).record([event("a")])
    monkeypatch.undo()
    for other in others:
        other.close()

    History(tmp_path).record([event("b")])
    assert ids(History(tmp_path))[-1] == "b"


def test_an_event_that_is_no_json_is_refused_whole(history: History) -> None:
    with pytest.raises(StoreError):
        history.record([event("a"), event("b", n=float("nan"))])

    assert ids(history) == []


def test_a_reader_does_not_hold_a_writer_up(tmp_path: Path, history: History) -> None:
    history.record([event("a")])
    reader = sqlite3.connect(tmp_path / "history.db")
    cursor = reader.execute("begin").execute("select * from event")
    cursor.fetchone()

    History(tmp_path).record([event("b")])

    reader.close()
    assert ids(history) == ["a", "b"]


def test_a_history_that_is_dropped_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    History(tmp_path).record([event("a")])

    assert [path.name for path in tmp_path.iterdir()] == ["history.db"]


def test_several_processes_record_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from plabctl.core.model import Event\n"
        "from plabctl.history.database import History\n"
        "h = History(Path(sys.argv[1]))\n"
        "for n in range(20):\n"
        "    h.record([Event(f'{who}-{n}', 1.0, 'probe', 'n', 'a') for who in (sys.argv[2], 'shared')])\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(n)]) for n in range(4)]

    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert len(set(ids(History(tmp_path)))) == len(History(tmp_path).read()) == 4 * 20 + 20


def test_a_killed_writer_leaves_a_history_that_reads(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from plabctl.core.model import Event\n"
        "from plabctl.history.database import History\n"
        "h = History(Path(sys.argv[1])); h.record([Event('a', 1.0, 'probe', 'n', 'a')])\n"
        "h._connection.execute('begin immediate')\n"
        "h._connection.execute(\"insert into event values (9, 'half', 1, 'k', 'n', 'a', '{}')\")\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    assert ids(History(tmp_path)) == ["a"]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.lab
def test_a_full_file_system_is_told_and_what_was_recorded_stays(mount: Path) -> None:
    with History(mount) as history:
        history.record([event("a")])
        subprocess.run(["dd", "if=/dev/zero", f"of={mount}/filler", "bs=4k"], stderr=subprocess.DEVNULL, check=False)

        with pytest.raises(StoreError) as caught:
            history.record([event("b", output="x" * 50_000)])
        assert "\n" not in str(caught.value)
        assert caught.value.hint
        assert ids(history) == ["a"]

        (mount / "filler").unlink()
        history.record([event("b")])
        assert ids(history) == ["a", "b"]


@pytest.mark.lab
def test_a_file_system_that_was_full_before_is_told_as_that(mount: Path) -> None:
    with History(mount) as history:
        history.record([event("a")])
    subprocess.run(["dd", "if=/dev/zero", f"of={mount}/filler", "bs=4k"], stderr=subprocess.DEVNULL, check=False)

    with History(mount) as history, pytest.raises(StoreError, match="no space left on device") as caught:
        history.record([event("b")])
    assert caught.value.hint.startswith("free some space")


@pytest.mark.lab
def test_without_any_space_no_history_is_begun(mount: Path) -> None:
    subprocess.run(["dd", "if=/dev/zero", f"of={mount}/filler", "bs=4k"], stderr=subprocess.DEVNULL, check=False)

    with pytest.raises(StoreError):
        History(mount).record([event("a")])

    assert [path.name for path in mount.iterdir()] == ["filler"]


@pytest.mark.lab
def test_on_a_read_only_file_system_it_can_be_read(mount: Path) -> None:
    with History(mount) as history:
        history.record([event("a")])
    subprocess.run(["mount", "-o", "remount,ro", mount], check=True)

    with History(mount) as history:
        assert ids(history) == ["a"]
    with History(mount) as history, pytest.raises(StoreError):
        history.record([event("b")])


@pytest.mark.parametrize("name", ["history.db-wal", "history.db-shm"])
@pytest.mark.parametrize("kind", ["hard link", "symlink", "pipe"])
def test_a_planted_log_is_not_written_to(tmp_path: Path, name: str, kind: str) -> None:
    with History(tmp_path) as history:
        history.record([event()])
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    planted = tmp_path / name
    if kind == "hard link":
        planted.hardlink_to(victim)
    elif kind == "symlink":
        planted.symlink_to(victim)
    else:
        os.mkfifo(planted)

    with pytest.raises(StoreError, match=r"no regular file|another name as well"):
        History(tmp_path).record([event("e2")])

    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("is_of_format_1", [False, True])
def test_instants_that_go_back_are_found_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_of_format_1: bool
) -> None:
    monkeypatch.setattr(query, "_FEW", 2)
    hours = [0, 1, 2, 12, 3, 4, 5, 6, 7, 13]
    events = [event(f"e{hour}", at=NOW + hour * 3600, kind="hold") for hour in hours]
    if is_of_format_1:
        format_1.write(tmp_path, events[:6])
    with History(tmp_path) as history:
        for each in events[6 if is_of_format_1 else 0 :]:
            history.record([each])

        for since in range(14):
            for kinds in (None, ["hold"]):
                wanted = [f"e{hour}" for hour in hours if hour >= since]
                assert ids(history, since_at=NOW + since * 3600, kinds=kinds) == wanted
                before = [Question(kinds=kinds, until_at=NOW + since * 3600, limit=limit) for limit in (None, 3)]
                found = [[row.id for _, row in history.walk(asked) if row] for asked in before]
                wanted = [f"e{hour}" for hour in hours if hour < since]
                assert found == [wanted, wanted[-3:]]


def test_of_events_given_twice_at_once_the_first_counts_and_keeps_its_output(history: History) -> None:
    stages = [{"stage": "check", "seconds": 0.1, "exit_code": 0, "output": "hello", "truncated": False}]
    first, same = (Event("a", NOW, "probe", "n1", "plabctl", {"stages": stages, "seconds": n}) for n in (1, 2))
    history.record([first, event("b"), same])
    history.record([event("c"), same])

    assert [(record.seq, record.event.id) for record in history.read()] == [(1, "a"), (2, "b"), (3, "c")]
    assert history.read()[0].event.data == {"stages": stages, "seconds": 1}
