"""Writers are serialised over processes, and a lock never outlives its holder."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.errors import StoreBusy, StoreError
from plabctl.files.private import open_private_dir
from plabctl.store.lock import lock_state
from plabctl.store.store import Store
from tests.lab.wait_until import wait_until
from tests.manual_clock import ManualClock
from tests.store.failing_calls import commit, descriptors

ROOT = Path(__file__).parents[2]
COUNTER = """
import sys
from plabctl.clock import SystemClock
from plabctl.core.state import Changes
from plabctl.store.store import Store

def count(state_dir, times, lock_timeout_s=60.0):
    store = Store(state_dir, SystemClock(), lock_timeout_s=lock_timeout_s)
    for _ in range(times):
        with store.session() as session:
            so_far = session.notes.get("count", {}).get("n", 0)
            session.apply(Changes(notes={"count": {"n": so_far + 1}}))
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def start(program: str, *args: object) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", COUNTER + program, *map(str, args)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@contextmanager
def a_holder(state_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process inside a session that it never ends."""
    program = (
        "store = Store(sys.argv[1], SystemClock())\nwith store.session():\n    print('in', flush=True)\n    input()"
    )
    argv = [sys.executable, "-c", COUNTER + program, str(state_dir)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "in\n"
        try:
            yield holder
        finally:
            holder.kill()


def counted(state_dir: Path) -> tuple[object, int]:
    state = Store(state_dir, ManualClock()).snapshot()
    return state.notes["count"]["n"], state.rev


def test_no_change_of_several_writers_is_lost(state_dir: Path) -> None:
    writers = [start("count(sys.argv[1], 60)", state_dir) for _ in range(4)]

    assert [writer.communicate(timeout=100)[1] for writer in writers] == [""] * 4
    assert counted(state_dir) == (240, 240), "the sum, and a count of commits without a gap"


def test_no_change_is_lost_either_when_the_lock_file_is_deleted_all_the_time(state_dir: Path) -> None:
    writers = [start("count(sys.argv[1], 40)", state_dir) for _ in range(3)]
    deleted = 0
    while any(writer.poll() is None for writer in writers):
        try:
            (state_dir / "state.lock").unlink()
            deleted += 1
        except FileNotFoundError:
            pass

    assert [writer.communicate()[1] for writer in writers] == [""] * 3
    assert deleted > 10
    assert counted(state_dir) == (120, 120)


def test_threads_of_one_process_are_serialised_too(state_dir: Path) -> None:
    scope: dict[str, object] = {}
    exec(COUNTER, scope)
    count = scope["count"]
    threads = [threading.Thread(target=count, args=(state_dir, 15)) for _ in range(3)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert counted(state_dir) == (45, 45)


def test_a_holder_that_is_killed_leaves_no_lock(state_dir: Path) -> None:
    with a_holder(state_dir) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)

        with Store(state_dir, ManualClock(), lock_timeout_s=5.0).session():
            pass


def test_a_holder_that_is_stopped_is_named_after_a_bounded_wait(state_dir: Path) -> None:
    with a_holder(state_dir) as holder:
        holder.send_signal(signal.SIGSTOP)

        with pytest.raises(StoreBusy, match=rf"locked by process {holder.pid}: waited 0\.2 s") as caught:
            commit_within(state_dir, 0.2)

        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 75
        assert caught.value.hint


def test_writers_that_wait_get_the_lock_in_the_order_in_which_they_came(state_dir: Path, tmp_path: Path) -> None:
    program = (
        "with Store(sys.argv[1], SystemClock(), lock_timeout_s=60.0).session(), open(sys.argv[2], 'a') as served:\n"
        "    served.write(sys.argv[3] + '\\n')"
    )
    served = tmp_path / "served"
    writers = []
    try:
        with Store(state_dir, SystemClock()).session():
            for number in range(6):
                writers.append(start(program, state_dir, served, number))
                waiting = writers[-1].pid
                assert wait_until(lambda pid=waiting: pid in waiting_for_a_lock()), "it waits in the kernel's queue"  # type: ignore[misc]
        assert [writer.communicate(timeout=60)[1] for writer in writers] == [""] * 6
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()

    assert served.read_text().split() == ["0", "1", "2", "3", "4", "5"]


def waiting_for_a_lock() -> set[int]:
    """Return the processes that wait for any lock, as the kernel lists them."""
    lines = Path("/proc/locks").read_text().splitlines()
    return {int(words[5]) for words in map(str.split, lines) if words[1] == "->"}


@pytest.mark.parametrize("is_changing", [True, False], ids=["in turn", "stuck"])
def test_the_time_out_is_for_a_lock_that_does_not_change_hands(state_dir: Path, is_changing: bool) -> None:
    """Each holder writes into the lock file; the time it has is what those who wait see of that."""
    commit(state_dir)
    failures: list[StoreBusy] = []

    def wait() -> None:
        try:
            commit_within(state_dir, 1.0)
        except StoreBusy as error:
            failures.append(error)

    with Store(state_dir, ManualClock()).session():
        waiting = threading.Thread(target=wait)
        waiting.start()
        for turn in range(30):
            waiting.join(0.1)
            if is_changing:
                os.utime(state_dir / "state.lock", (turn, turn))
    waiting.join(30)

    assert len(failures) == (0 if is_changing else 1)


def test_the_wait_has_an_end_also_where_the_lock_always_goes_to_others(state_dir: Path) -> None:
    commit(state_dir)
    failures: list[StoreBusy] = []

    def wait() -> None:
        try:
            commit_within(state_dir, 0.2)
        except StoreBusy as error:
            failures.append(error)

    with Store(state_dir, ManualClock()).session():
        waiting = threading.Thread(target=wait)
        waiting.start()
        turn = 0
        while waiting.is_alive() and turn < 6000:
            turn += 1
            os.utime(state_dir / "state.lock", (turn, turn))
            waiting.join(0.01)

    assert [str(failure).partition(":")[0] for failure in failures] == ["the state is busy"]
    assert "while others locked it in turn" in str(failures[0])


def test_without_a_thread_the_lock_is_tried_until_it_is_free(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    commit(state_dir)
    with (state_dir / "state.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ending = threading.Timer(0.3, fcntl.flock, (lock, fcntl.LOCK_UN))
        ending.start()
        monkeypatch.setattr(threading.Thread, "start", refuse)
        commit_within(state_dir, 30.0)
        ending.join()


def test_the_holder_is_named_although_one_with_a_longer_number_was_there_before(state_dir: Path) -> None:
    commit(state_dir)
    (state_dir / "state.lock").write_text("1234567890123\n")

    with Store(state_dir, ManualClock()).session(), pytest.raises(StoreBusy, match=f"by process {os.getpid()}: "):
        commit_within(state_dir, 0.0)


def commit_within(state_dir: Path, seconds: float) -> None:
    with Store(state_dir, ManualClock(), lock_timeout_s=seconds).session():
        pass


def test_a_program_started_inside_a_session_does_not_keep_the_lock(state_dir: Path) -> None:
    with Store(state_dir, ManualClock()).session():
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        commit_within(state_dir, 0.0)
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("name", ["state.lock", "state.json"])
def test_a_planted_link_is_not_followed(state_dir: Path, tmp_path: Path, name: str) -> None:
    commit(state_dir)
    victim = tmp_path / "victim"
    victim.write_bytes((state_dir / name).read_bytes())
    before = victim.read_bytes()
    (state_dir / name).unlink()
    (state_dir / name).symlink_to(victim)

    with pytest.raises(StoreError, match=name) as caught:
        commit(state_dir)

    assert "symbolic link" in caught.value.hint
    assert victim.read_bytes() == before
    assert (state_dir / name).is_symlink()


def test_a_link_that_leads_nowhere_makes_nothing_there(state_dir: Path, tmp_path: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (state_dir / "state.lock").symlink_to(tmp_path / "new")

    with pytest.raises(StoreError):
        commit(state_dir)

    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["state.lock", "state.json", "last_tick"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["directory", "fifo"])
def test_what_is_no_file_is_refused_and_nobody_waits_for_it(state_dir: Path, name: str, make: object) -> None:
    state_dir.mkdir(mode=0o700)
    make(state_dir / name)  # type: ignore[operator]
    store = Store(state_dir, ManualClock())

    with pytest.raises(StoreError, match=name):
        store.beat() if name == "last_tick" else commit(state_dir)


def test_a_directory_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="not a directory") as caught:
        commit(tmp_path / "file" / "state")

    assert caught.value.hint


@pytest.mark.root
def test_another_users_state_is_refused_by_name_of_its_owner(state_dir: Path) -> None:
    commit(state_dir)
    os.chown(state_dir, 65534, 65534)

    with pytest.raises(StoreError, match="belongs to 'nobody'") as caught:
        commit(state_dir)

    assert caught.value.hint == "run plabctl as 'nobody'"


@pytest.mark.root
def test_a_directory_that_is_not_ours_to_enter_is_told_in_one_line(state_dir: Path) -> None:
    commit(state_dir)
    program = (
        "import hashlib, os; from plabctl.errors import StoreError; os.setuid(65534)\n"
        "for use in (Store(sys.argv[1], SystemClock()).head, lambda: count(sys.argv[1], 1)):\n"
        "    try:\n        use()\n"
        "    except StoreError as error:\n        print(error, '|', error.hint)"
    )
    # The place must be reachable for that user, or it would be the way there that is refused.
    for parent in state_dir.parents:
        if parent.stat().st_uid == os.geteuid() and parent.is_relative_to("/tmp/pytest-of-root"):
            parent.chmod(0o755)
    # So must be the program, wherever it lies: what it needs later is loaded before.
    modules = "plabctl.store.lock, plabctl.store.session, plabctl.store.mounts, plabctl.core.clock_skew"
    out, err = start(f"import {modules}\n" + program, state_dir).communicate(timeout=30)

    assert err == ""
    assert [("permission denied" in line, "owns" in line) for line in out.splitlines()] == [(True, True)] * 2


@pytest.mark.parametrize("name", ["state.lock", "last_tick"])
def test_a_file_with_a_name_elsewhere_is_not_written_to(state_dir: Path, tmp_path: Path, name: str) -> None:
    commit(state_dir)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (state_dir / name).unlink(missing_ok=True)
    (state_dir / name).hardlink_to(victim)
    before = victim.stat()
    store = Store(state_dir, SystemClock())

    with pytest.raises(StoreError, match="another name as well"):
        store.beat() if name == "last_tick" else commit(state_dir)

    assert victim.read_text() == "precious"
    assert (victim.stat().st_mtime, victim.stat().st_mode) == (before.st_mtime, before.st_mode)


def test_a_tick_without_work_refuses_a_directory_where_others_may_write_too(state_dir: Path) -> None:
    commit(state_dir)
    state_dir.chmod(0o777)

    with pytest.raises(StoreError, match="other users may write"):
        Store(state_dir, SystemClock()).beat()

    assert not (state_dir / "last_tick").exists()


def test_waiting_for_the_lock_in_vain_leaves_no_descriptor_open(state_dir: Path) -> None:
    first, second = open_private_dir(str(state_dir)), open_private_dir(str(state_dir))
    try:
        with lock_state(str(state_dir), first, 1.0):
            before = descriptors()
            with pytest.raises(StoreBusy), lock_state(str(state_dir), second, 0.2):
                pass
            assert descriptors() == before
    finally:
        os.close(first)
        os.close(second)


def test_a_kernel_that_has_no_locks_is_told_and_leaves_no_descriptor_open(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    commit(state_dir)
    before = descriptors()
    monkeypatch.setattr(fcntl, "flock", refuse)

    with pytest.raises(StoreError, match="no locks available"):
        commit(state_dir)

    assert descriptors() == before
