import fcntl
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.app import state_check
from plabctl.app.context import App
from plabctl.app.findings import Level
from plabctl.core.model import Member, Node
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.good import GOOD
from plabctl.core.settings import PoolSettings, Settings
from plabctl.core.state import Changes
from plabctl.store.mounts import FileSystem
from plabctl.store.store import Store
from tests.manual_clock import ManualClock

NOW = 1_800_000_000.0


def make_app(folder: Path, *, nodes: int = 2, window: int = 4) -> App:
    pools = {"good": PoolSettings("good", GOOD, "bad"), "bad": PoolSettings("bad", BAD, "good")}
    settings = Settings(str(folder / "plabctl.toml"), str(folder / "state"), pools, {}, window=window)
    clock = ManualClock(NOW)
    app = App(settings, clock, Store(folder / "state", clock))
    if nodes:
        names = [f"n{number}" for number in range(nodes)]
        with app.store.session() as session:
            session.apply(
                Changes(
                    nodes=tuple(Node(name) for name in names),
                    members=tuple(Member(name, "bad", NOW, NOW) for name in names),
                )
            )
        with app.store.session() as session:
            session.apply(Changes(notes={"x": {"y": 1}}))
    return app


def said(app: App, *levels: Level) -> list[str]:
    return [str(finding) for finding in state_check.check(app) if finding.level in (levels or tuple(Level))]


def faults(app: App) -> str:
    return "\n".join(said(app, Level.WARN, Level.FAIL))


def test_a_sound_state_is_all_ok(tmp_path: Path) -> None:
    app = make_app(tmp_path)

    assert faults(app) == ""
    assert "ok    state: 2 nodes, revision 2, saved 0s ago, checksum correct" in said(app)
    assert "ok    lock: acquired and released" in said(app)
    assert "ok    slots: 0 of 4 in use" in said(app)


def test_a_commit_that_was_cut_off_is_told_before_and_after_it_was_dropped(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    with app.store.session() as session:
        session.apply(Changes(notes={"x": {"y": 2}}))
    (journal,) = tmp_path.glob("state/state.journal.2")
    journal.write_bytes(journal.read_bytes()[:-7])

    assert faults(app) == ""
    before = [line for line in said(app) if "journal" in line]
    assert re.fullmatch(
        r"ok    journal: it ends with \d+ bytes of a commit that was cut off, or is being written now; .*", before[0]
    )
    with app.store.session() as session:
        session.apply(Changes(notes={"x": {"y": 3}}))
    after = [line for line in said(app) if "journal" in line]
    assert len(before) == len(after) == 1
    assert re.fullmatch(r"ok    journal: \d+ bytes of a commit that was cut off were dropped 0s ago", after[0])


def test_looking_changes_nothing(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file()}

    said(app)

    after = {path: path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file()}
    assert after == before


def test_before_the_first_node_there_is_nothing_to_complain_of(tmp_path: Path) -> None:
    assert said(make_app(tmp_path, nodes=0)) == [
        f"ok    state directory: '{tmp_path}/state' does not exist yet; it is created with the first node"
    ]


def test_a_damaged_state_is_told_with_the_way_back(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    path = tmp_path / "state" / "state.json"
    path.write_bytes(path.read_bytes()[:-20])

    assert "FAIL  state: " in faults(app)
    assert "plabctl doctor --restore" in faults(app)
    assert "ok    previous state: 2 nodes, revision 1" in said(app)


def test_a_directory_that_others_could_change_is_a_failure(tmp_path: Path) -> None:
    app = make_app(tmp_path)

    (tmp_path / "state").chmod(0o777)
    assert "FAIL  state directory: other users may write" in faults(app)

    (tmp_path / "state").chmod(0o755)
    assert "warn  state directory: other users may look" in faults(app)


def test_a_lock_that_somebody_keeps_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_check, "LOCK_WAIT_S", 0.05)
    app = make_app(tmp_path)
    with (tmp_path / "state" / "state.lock").open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        assert "FAIL  lock: the state is locked" in faults(app)


def test_slots_in_use_are_counted(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    slots = tmp_path / "state" / "slots"
    slots.mkdir(mode=0o700)
    (slots / "0002").touch(mode=0o600)
    with (slots / "0002").open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        assert "ok    slots: 1 of 4 in use" in said(app)


def test_a_window_that_descriptors_do_not_allow_is_told(tmp_path: Path) -> None:
    assert "warn  window: 10000000 probes need 40000064 open files" in faults(make_app(tmp_path, window=10_000_000))


def test_a_clock_that_was_set_back_is_told(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    earlier = App(app.settings, ManualClock(NOW - 3600), app.store)

    assert "FAIL  clock: it was set back: the state was saved 1h from now" in faults(earlier)
    assert "FAIL  clock: it was never set" in faults(App(app.settings, ManualClock(100.0), app.store))


def test_a_pool_that_is_gone_while_nodes_are_in_it_is_told(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    del app.settings.pools["bad"]  # type: ignore[attr-defined]  # a mapping for the program, a dictionary here

    assert "pool.bad: missing, but 2 nodes are in it" in faults(app)


def test_a_network_file_system_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path)
    monkeypatch.setattr(state_check, "find_file_system", lambda _: FileSystem("nfs4", is_local=False, is_refused=True))

    assert "FAIL  disk" in faults(app)
    allowed = App(replace(app.settings, network_disk=True), app.clock, app.store)
    assert "warn  disk" in faults(allowed)
    assert "is on nfs4, where locks may not work" in faults(allowed)
    sandbox = FileSystem("9p", is_local=False, is_refused=False)
    monkeypatch.setattr(state_check, "find_file_system", lambda _: sandbox)
    assert "warn  disk" in faults(app)


def test_a_full_disk_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path)
    values = list(os.statvfs(tmp_path))
    values[4] = 0
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(values))

    assert "is full; free some space: nothing can be recorded" in faults(app)
