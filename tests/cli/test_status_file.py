"""The status file: written with every change, read by those who may not read the state."""

import json
import os
import stat
import time
from pathlib import Path

import pytest

from plabctl.app import sources
from plabctl.app.context import open_app
from plabctl.app.monitors import read_source
from plabctl.core.state import Changes
from plabctl.errors import StoreError
from tests.cli.console import CONFIG, Desk

HOUR_S = 3600.0


@pytest.fixture
def reported(used_desk: Desk) -> Desk:
    """A desk with a status file, which the last tick wrote."""
    (used_desk.folder / "public").mkdir(mode=0o750)
    used_desk.config.write_text(f'{CONFIG}\n[report]\nstatus_file = "public/status.json"\n')
    used_desk.ok("tick")
    return used_desk


def written(desk: Desk) -> dict[str, object]:
    return json.loads((desk.folder / "public/status.json").read_text())  # type: ignore[no-any-return]  # it is JSON


def alter(desk: Desk, **values: object) -> str:
    """Write another status file, with these values in place of its own; return its path."""
    path = desk.folder / "altered.json"
    path.write_text(json.dumps({**written(desk), **values}))
    return str(path)


def iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def test_it_is_what_the_status_prints_after_a_tick_and_after_a_change(reported: Desk) -> None:
    def same() -> bool:
        shown = json.loads(reported.ok("status", "-o", "json"))
        return {**shown, "generated_at": ""} == {**written(reported), "generated_at": ""}

    assert same()
    reported.ok("node", "add", "pc10", "-q")
    assert same(), "in the same order"
    reported.ok("hold", "pc1", "--reason", "x", "-q")
    assert same()
    first = written(reported)["generated_at"]
    time.sleep(1.1)
    reported.ok("tick")
    assert written(reported)["generated_at"] != first, "also by a tick with nothing to do"
    assert [path.name for path in (reported.folder / "public").iterdir()] == ["status.json"]


@pytest.mark.root
def test_its_group_is_that_of_its_directory_whatever_the_umask(reported: Desk) -> None:
    os.chown(reported.folder / "public", -1, 65533)
    before = os.umask(0o077)
    try:
        reported.ok("tick")
    finally:
        os.umask(before)

    found = (reported.folder / "public/status.json").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o640, 65533)


def test_who_has_only_the_file_sees_the_same(reported: Desk, tmp_path: Path) -> None:
    reported.ok("hold", "pc1", "--reason", "disk", "--for", "2h", "-q")
    own = reported.run("check").out
    table = reported.ok("status", "-o", "tsv")
    path = str(tmp_path / "copy.json")
    (reported.folder / "public/status.json").rename(path)
    reported.config.unlink()

    told = reported.run("check", "--from", path)

    assert told.code == 2
    assert told.out.partition("; last tick")[0] == own.partition("; last tick")[0]
    assert reported.ok("status", "--from", path, "-o", "tsv") == table
    assert reported.ok("status", "--from", path, "-p", "bad", "-o", "name") == "pc2\n"
    assert "held by" in reported.ok("status", "pc1", "--from", path, "-o", "json")
    assert reported.ok("status", "--from", path, "-o", "table").startswith("! no node is usable: 1 good, 1 bad")


def test_limits_hold_for_a_file_too(reported: Desk) -> None:
    path = str(reported.folder / "public/status.json")

    assert reported.run("check", "--from", path).code == 0
    found = reported.run("check", "--from", path, "-w", "0")
    assert (found.code, found.out.partition("; 2 nodes")[0]) == (1, "PLABCTL WARNING - 1 of 2 nodes are bad (pc2)")


def test_an_old_file_is_told(reported: Desk) -> None:
    path = alter(reported, generated_at=iso(time.time() - HOUR_S))

    found = reported.run("check", "--from", path)

    assert found.code == 2
    assert found.out.startswith("PLABCTL CRITICAL - the status is 1h")
    assert reported.run("check", "--from", path, "--max-age", "2h").code == 0
    assert reported.ok("status", "--from", path, "-o", "table").startswith("! the status is 1h")


def test_a_file_from_the_future_is_told_because_it_would_never_grow_old(reported: Desk) -> None:
    path = alter(reported, generated_at=iso(time.time() + HOUR_S))

    found = reported.run("check", "--from", path)

    assert found.code == 2
    assert "ahead of the clock" in found.out
    little = alter(reported, generated_at=iso(time.time() + 60))
    assert reported.run("check", "--from", little).code == 0, "clocks of machines differ a little"


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5},
        {"name": "n" * 254},
        {"penalty": "x"},
        {"penalty": 10**400},
        {"pool": 7},
        {"labels": 5},
        {"since_at": 12345},
        {"ok_streak": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_node_that_is_not_as_documented_is_no_status(reported: Desk, change: dict[str, object]) -> None:
    document = json.loads((reported.folder / "public/status.json").read_text())
    path = alter(reported, nodes=[{**document["nodes"][0], **change}, *document["nodes"][1:]])

    assert reported.run("check", "--from", path).code == 3
    assert reported.run("status", "--from", path, "-o", "table").code == 74


def test_a_good_pool_of_which_nothing_else_is_said_is_none(reported: Desk) -> None:
    path = alter(reported, good_pools=["elsewhere"], counts={})

    assert reported.run("status", "--from", path, "-o", "table").code == 0
    assert reported.run("check", "--from", path).code == 0


def test_a_status_of_a_later_format_is_not_guessed_at(reported: Desk) -> None:
    assert reported.run("check", "--from", alter(reported, schema_version=2)).code == 3


def test_a_window_without_bounds_costs_nothing(reported: Desk) -> None:
    path = alter(reported, window={"size": 40, "in_use": 10**12})

    assert "in_use=40;" in reported.run("check", "--from", path).out


@pytest.mark.parametrize(
    "values",
    [
        {"window": {"size": 10**12, "in_use": 10**12}},
        {"window": {"size": 40, "in_use": -1}},
        {"counts": {"\x1b[31m": 1}},
        {"good_pools": ["\n"]},
        {"every_seconds": 10**400},
        {"every_seconds": "nan"},
    ],
    ids=["a window that takes all memory", "fewer than no slots", "a pool", "a good pool", "too long a number", "none"],
)
def test_a_head_that_plabctl_does_not_write_is_no_status(reported: Desk, values: dict[str, object]) -> None:
    said = reported.run("check", "--from", alter(reported, **values))

    assert said.code == 3
    assert "is not a status document" in said.out


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"schema_version": 99}', "", "[]", "{}", '{"generated_at": "now"}', "null"]
)
def test_what_is_no_status_is_unknown(reported: Desk, text: str) -> None:
    path = reported.folder / "altered.json"
    path.write_text(text)

    assert reported.run("check", "--from", str(path)).code == 3
    assert reported.run("status", "--from", str(path)).code == 74
    with pytest.raises(StoreError, match=r"not a status document|is a status of version 99, and this"):
        read_source([str(path)])


def test_one_that_is_not_there_is_unknown(reported: Desk) -> None:
    assert reported.run("check", "--from", "missing").out.startswith("PLABCTL UNKNOWN - cannot read 'missing': ")


def test_a_file_that_cannot_be_written_is_told_and_stops_nothing(reported: Desk) -> None:
    public = reported.folder / "public"
    (public / "status.json").unlink()
    public.rmdir()
    reported.ok("retest", "pc1", "-q")

    tick = reported.run("tick")

    assert tick.code == 1
    assert "the status file '" in tick.err
    assert json.loads(reported.ok("status", "pc1", "-o", "json"))["nodes"][0]["ok_streak"] > 1, "it was tested"
    found = reported.run("check")
    assert found.code == 1
    assert found.out.startswith("PLABCTL WARNING - the status file '")
    public.mkdir()
    assert reported.run("tick").code == 0
    assert reported.ok("check").startswith("PLABCTL OK - ")


def test_it_says_that_ticks_fail_from_the_first_that_does(reported: Desk) -> None:
    path = str(reported.folder / "public/status.json")
    for found in (reported.folder / "state").glob("history.db*"):
        found.unlink()
    (reported.folder / "state/history.db").mkdir()
    reported.ok("retest", "pc1", "-q")

    assert reported.run("tick").code == 74

    assert reported.run("check", "--from", path).out.startswith("PLABCTL CRITICAL - ticks fail: ")
    (reported.folder / "state/history.db").rmdir()
    reported.ok("tick")
    assert reported.run("check", "--from", path).out.startswith("PLABCTL OK - ")


@pytest.mark.parametrize("what", ["configuration", "device", "link", "directory", "state"])
def test_it_replaces_nothing_but_a_status(reported: Desk, what: str) -> None:
    public = reported.folder / "public"
    (public / "status.json").unlink()
    name = "public/other"
    path = reported.folder / name
    match what:
        case "configuration":
            path.write_text("[ssh]\n")
        case "device":  # a pipe takes root nothing, and is no more a file
            os.mkfifo(path)
        case "link":
            path.symlink_to(reported.config)
        case "directory":
            path.mkdir()
        case "state":
            name = "state/last_tick"
            path = reported.folder / name
    reported.config.write_text(f'{CONFIG}\n[report]\nstatus_file = "{name}"\n')
    before = path.lstat()

    tick = reported.run("tick")

    assert tick.code == 1
    assert f"{name}' cannot be written: " in tick.err
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)
    assert reported.run("check").out.startswith("PLABCTL WARNING - the status file '")


@pytest.mark.parametrize("content", [b"", bytes(4096)], ids=["empty", "zeros"])
def test_what_a_power_failure_left_is_replaced(reported: Desk, content: bytes) -> None:
    (reported.folder / "public/status.json").write_bytes(content)

    reported.ok("tick")

    assert written(reported)["schema_version"] == 1


def test_many_commits_in_a_moment_write_it_once(reported: Desk) -> None:
    app = open_app(str(reported.config))
    inodes = []
    for name in ("pc1", "pc2"):
        with app.store.session() as state:
            state.apply(Changes(notes={name: {"at": app.clock.now()}}))
        inodes.append((reported.folder / "public/status.json").stat().st_ino)

    assert inodes[0] == inodes[1]


def test_a_lack_of_memory_after_a_commit_ends_nothing(reported: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("plabctl.app.status_file.read_context_of", fail)
    app = open_app(str(reported.config))
    with app.store.session() as session:
        session.apply(Changes(notes={"x": {}}))

    assert "x" in app.store.snapshot().notes


def test_a_pipe_that_nobody_writes_to_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = str(desk.folder / "pipe")
    os.mkfifo(pipe)
    monkeypatch.setattr(sources, "READ_S", 0.1)

    with pytest.raises(StoreError, match=r"cannot read '.*/pipe': nothing came from it within 0\.1 s"):
        read_source([pipe])
