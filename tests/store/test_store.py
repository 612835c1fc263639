"""The state directory as its users see it: sessions, snapshots, heads, beats."""

import gc
import json
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plabctl.clock import SystemClock
from plabctl.core.liveness import Liveness
from plabctl.core.model import Event
from plabctl.core.state import Changes
from plabctl.errors import ClockFault, StoreBusy, StoreError
from plabctl.store import storage
from plabctl.store.store import Store
from plabctl.store.tables import freeze_once
from tests.builders import NOW, make_claim, make_mark, make_member, make_node
from tests.manual_clock import ManualClock
from tests.store.failing_calls import descriptors

ONE = Changes(nodes=(make_node(),), members=(make_member(due_at=NOW + 60),))


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(state_dir: Path) -> Store:
    return Store(state_dir, ManualClock(NOW), lock_timeout_s=0.05)


class SettableClock(ManualClock):
    """A clock that may be set back as well."""

    ahead = 0.0

    def now(self) -> float:
        """Return the instant it stands at."""
        return super().now() + self.ahead


def commit(store: Store, *steps: Changes) -> None:
    for changes in steps:
        with store.session() as session:
            session.apply(changes)


def test_reading_what_was_never_written_makes_nothing(store: Store, state_dir: Path) -> None:
    assert (store.head(), store.previous(), store.last_beat(), store.snapshot().head) == (None, None, None, None)
    assert store.snapshot().rev == 0
    assert not state_dir.exists()


def test_the_head_tells_what_an_idle_tick_needs(store: Store, state_dir: Path) -> None:
    commit(store, ONE)

    head = store.head()

    assert head is not None
    assert (head.rev, head.saved_at, head.wake_at, head.node_count) == (1, NOW, NOW + 60, 1)


@pytest.mark.parametrize(("fields", "wake_at"), [({}, NOW + 20), ({"absent_since_at": NOW}, None)])
def test_a_liveness_check_wakes_a_tick(store: Store, fields: dict[str, Any], wake_at: float | None) -> None:
    member = make_member("n1", due_at=NOW + 60, liveness=Liveness(NOW + 20, 60.0), **fields)
    commit(store, Changes(nodes=(make_node("n1"),), members=(member,)))

    head = store.head()

    assert head is not None
    assert head.wake_at == wake_at


def test_without_nodes_nothing_ever_wakes_a_tick(store: Store) -> None:
    commit(store, Changes(tick=make_mark()))

    head = store.head()
    assert head is not None
    assert head.wake_at is None


@pytest.mark.parametrize(
    "pending",
    [Changes(claims=(make_claim(),)), Changes(events=(Event("e", NOW, "probe", "n1", "plabctl"),))],
    ids=["claim", "event"],
)
def test_claims_and_untold_events_wake_the_next_tick(store: Store, pending: Changes) -> None:
    commit(store, ONE, pending)

    head = store.head()
    assert head is not None
    assert head.wake_at == 0


def test_the_state_file_is_one_json_document(store: Store, state_dir: Path) -> None:
    commit(store, ONE)

    document = json.loads((state_dir / "state.json").read_text())
    assert document["plabctl"]["rev"] == 1
    assert list(document["nodes"]) == ["n1"]


def test_the_generation_before_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LEAST_BYTES", "_LARGEST_SHARE"):
        monkeypatch.setattr(storage, name, 0)
    commit(store, ONE, Changes(tick=make_mark("t2")), Changes(tick=make_mark("t3")))

    previous = store.previous()
    assert previous is not None
    assert previous.rev == 2, "its journal goes on from there"


def test_a_session_without_changes_writes_nothing(store: Store, state_dir: Path) -> None:
    commit(store, ONE)
    before = (state_dir / "state.json").stat()

    commit(store, Changes())

    assert (state_dir / "state.json").stat() == before


def test_an_exception_takes_the_whole_session_back(store: Store) -> None:
    commit(store, ONE)

    with suppress(ZeroDivisionError), store.session() as session:
        session.apply(Changes(removed=("n1",)))
        raise ZeroDivisionError

    assert list(store.snapshot().names()) == ["n1"]


def test_a_session_whose_changes_failed_commits_nothing_even_when_the_error_is_swallowed(store: Store) -> None:
    commit(store, ONE)

    def swallow() -> None:
        with store.session() as session:
            session.apply(Changes(tick=make_mark("t9")))
            with suppress(AssertionError):
                session.apply(Changes(removed=("nobody",)))
            with suppress(AssertionError):
                session.apply(Changes(tick=make_mark("t10")))

    with pytest.raises(AssertionError, match="not committed"):
        swallow()

    assert store.snapshot().tick is None


@pytest.mark.parametrize(
    "changes",
    [
        Changes(claims=(make_claim("stranger"),)),
        Changes(claims=(make_claim("n1"),), removed=("n1",)),
    ],
    ids=["claim for nobody", "claim of a removed node"],
)
def test_a_broken_state_is_never_written(store: Store, changes: Changes) -> None:
    commit(store, ONE, Changes(nodes=(make_node("n2"),), members=(make_member("n2"),)))

    with pytest.raises(AssertionError):
        commit(store, changes)

    head = store.head()
    assert head is not None
    assert head.rev == 2


def test_a_session_is_of_no_use_after_its_end(store: Store) -> None:
    with store.session() as session:
        session.apply(ONE)

    with pytest.raises(AssertionError):
        session.apply(ONE)
    with pytest.raises(AssertionError):
        session.member("n1")
    assert session.rev == 1


def test_a_second_writer_gives_up_and_names_the_first(store: Store, state_dir: Path) -> None:
    with store.session(), pytest.raises(StoreBusy, match=f"process {os.getpid()}"), store.session():
        pass

    assert (state_dir / "state.lock").read_text() == f"{os.getpid()}\n"


def test_readers_need_no_lock(store: Store) -> None:
    commit(store, ONE)

    with store.session() as session:
        session.apply(Changes(removed=("n1",)))
        assert list(store.snapshot().names()) == ["n1"]
        assert store.head() is not None


def test_a_snapshot_does_not_import_tinydb(store: Store, state_dir: Path) -> None:
    commit(store, ONE)
    program = (
        "import sys; from plabctl.store.store import Store; from plabctl.clock import SystemClock\n"
        f"s = Store({str(state_dir)!r}, SystemClock()); s.head(); list(s.snapshot().members()); s.beat()\n"
        "print({'tinydb', 'orjson', 'logging', 'subprocess', 'random', 'sqlite3'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_an_idle_tick_learns_what_it_needs_without_the_nouns(store: Store, state_dir: Path) -> None:
    commit(store, ONE)
    program = (
        "import sys; from plabctl.store.store import Store; from plabctl.clock import SystemClock\n"
        f"s = Store({str(state_dir)!r}, SystemClock()); s.head(); s.newest_tick(); s.last_beat(); s.beat()\n"
        "print([name for name in sys.modules if name.startswith('plabctl.core') or name in {'json', 'dataclasses'}])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_a_beat_is_remembered_and_changes_no_state(state_dir: Path) -> None:
    clock = ManualClock(NOW + 0.125)
    store = Store(state_dir, clock)

    store.beat()
    first, before = store.last_beat(), descriptors()
    clock.advance(60)
    store.beat()

    assert (first, store.last_beat()) == (NOW + 0.125, NOW + 60.125)
    assert store.head() is None
    assert descriptors() == before


def test_a_link_in_the_place_of_the_last_beat_is_not_followed(state_dir: Path, tmp_path: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (tmp_path / "fresh").touch()
    (state_dir / "last_tick").symlink_to(tmp_path / "fresh")
    os.utime(state_dir / "last_tick", (NOW, NOW), follow_symlinks=False)

    assert Store(state_dir, ManualClock()).last_beat() == NOW


def test_a_clock_that_was_never_set_changes_nothing(store: Store, state_dir: Path) -> None:
    commit(store, ONE)

    with pytest.raises(ClockFault, match="not set"):
        commit(Store(state_dir, ManualClock(86_400.0)), Changes(tick=make_mark()))

    assert store.snapshot().tick is None


def test_when_the_clock_was_set_back_nobody_waits_longer_than_was_meant(store: Store, state_dir: Path) -> None:
    commit(store, ONE)

    commit(Store(state_dir, ManualClock(NOW - 86_400)), Changes())

    head = store.head()
    assert head is not None
    assert head.wake_at is not None
    assert (head.saved_at, head.wake_at <= NOW - 86_400 + 60) == (NOW - 86_400, True)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(store: Store, state_dir: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        commit(store, ONE, Changes(tick=make_mark()))
        store.beat()
    finally:
        os.umask(before)

    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state_dir.iterdir()} == {0o600}


def test_a_directory_where_others_may_write_is_refused(store: Store, state_dir: Path) -> None:
    commit(store, ONE)
    state_dir.chmod(0o770)

    with pytest.raises(StoreError, match="other users may write") as caught:
        commit(store, Changes(tick=make_mark()))

    assert "chmod go-w" in caught.value.hint


def test_a_commit_is_stamped_with_the_time_it_is_made(state_dir: Path) -> None:
    store = Store(state_dir, SystemClock())
    commit(store, ONE)

    head = store.head()
    assert head is not None
    assert abs(head.saved_at - SystemClock().now()) < 60


def test_a_commit_is_stamped_when_it_is_made_and_never_before_its_session_began(state_dir: Path) -> None:
    clock = SettableClock(NOW)
    store = Store(state_dir, clock)
    stamps = []
    for changes, step in ((ONE, 7.0), (Changes(tick=make_mark("t2")), -3.0)):
        with store.session() as session:
            session.apply(changes)
            clock.ahead += step
        stamps.append(store.saved_at())

    assert stamps == [NOW + 7, NOW + 7]


def test_the_last_change_and_the_newest_tick_are_known_at_a_glance(store: Store) -> None:
    assert (store.newest_tick(), store.saved_at()) == (None, 0)

    commit(store, ONE)
    assert (store.newest_tick(), store.saved_at()) == (None, NOW)

    commit(store, Changes(tick=make_mark("tick-7")))
    assert store.newest_tick() == "tick-7"


@pytest.mark.parametrize("is_changed", [False, True])
def test_what_is_read_is_kept_from_the_collector_of_garbage_and_no_more_when_it_is_read_again(
    store: Store, state_dir: Path, is_changed: bool
) -> None:
    commit(store, ONE)
    freeze_once.cache_clear()
    gc.unfreeze()
    store = Store(state_dir, ManualClock(NOW))
    if is_changed:
        commit(store, ONE)
        assert gc.get_freeze_count() > 0
    first = store.snapshot()
    kept = gc.get_freeze_count()
    second = store.snapshot()
    assert 0 < gc.get_freeze_count() <= kept
    assert list(first.names()) == list(second.names())
