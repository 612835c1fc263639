"""Whatever fails or dies in a commit, the state is the old or the new one; what was acknowledged is there."""

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store.store import Store
from tests.builders import make_mark, make_member, make_node
from tests.manual_clock import ManualClock
from tests.store.failing_calls import at_call, commit, fail

ROOT = Path(__file__).parents[2]
TEMP = "state.tmp-*"
ERRORS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state after a few commits, so that there is a previous generation."""
    state_dir = tmp_path / "state"
    with Store(state_dir, ManualClock()).session() as session:
        session.apply(Changes(nodes=(make_node(),), members=(make_member(),)))
    commit(state_dir, "older")
    commit(state_dir, "old")
    return state_dir


def tick_of(state_dir: Path) -> str:
    tick = Store(state_dir, ManualClock()).snapshot().tick
    return tick.id if tick else "none"


def calls_of_a_commit(state_dir: Path) -> list[str]:
    copy = state_dir.with_name("counted")
    shutil.copytree(state_dir, copy)
    with at_call(0, fail(0)) as seen:
        commit(copy)
    return seen


def error_of(state_dir: Path) -> StoreError | None:
    try:
        commit(state_dir)
    except StoreError as error:
        return error
    return None


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.__getitem__)
def test_an_error_of_the_system_at_any_call_leaves_the_old_state_or_is_reported_as_uncertain(
    state_dir: Path, number: int
) -> None:
    names = ("open", "write", "fsync", "link", "replace", "fchmod", "mkdir")
    ends: list[str] = []
    for call in range(1, len(calls_of_a_commit(state_dir)) + 1):
        copy = state_dir.with_name(f"copy-{call}")
        shutil.copytree(state_dir, copy)
        with at_call(call, fail(number), names) as seen:
            error = error_of(copy)
        ends.append(type(error).__name__)
        assert tick_of(copy) == ("old" if type(error) is StoreError else "new"), seen
        assert error is None or ("\n" not in str(error) and error.hint), seen
        assert list(copy.glob(TEMP)) == [], seen
        commit(copy, "next")
        assert tick_of(copy) == "next", "the next one comes through"

    assert ends.count("CommitUncertain") == 1, "only the directory's fsync"
    assert ends.count("StoreError") >= 6


def test_killed_at_any_call_the_state_is_old_or_new_and_nothing_acknowledged_is_lost(
    state_dir: Path, tmp_path: Path
) -> None:
    place = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, ROOT / "tests/store/failing_calls.py", state_dir, place],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    ends = []
    for number in range(1, int(done.stdout) + 2):
        copy = place / str(number)
        ends.append(tick_of(copy))
        assert not (copy / "acknowledged").exists() or ends[-1] == "new"
        previous = Store(copy, ManualClock()).previous()
        assert previous is not None, "the generation before is whole as well"
        assert previous.rev in {2, 3}
        commit(copy, "next")
        assert tick_of(copy) == "next"
    assert int(done.stdout) >= 12
    assert ends == sorted(ends, reverse=True), "old, then new, and never back"
    assert set(ends) == {"old", "new"}


def test_everything_is_durable_before_the_commit_returns_and_in_the_right_order(state_dir: Path) -> None:
    calls = [call for call in calls_of_a_commit(state_dir) if call in {"write", "fsync", "link", "replace"}]

    assert calls == ["write", "write", "fsync", "link", "replace", "replace", "fsync"]


def test_without_hard_links_the_previous_generation_is_a_copy(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    commit(state_dir, "new")

    previous = Store(state_dir, ManualClock()).previous()
    assert previous is not None
    assert (previous.rev, tick_of(state_dir)) == (3, "new")
    assert list(state_dir.glob(TEMP)) == []


def test_a_previous_that_is_the_present_file_leaves_no_temporary_name(state_dir: Path) -> None:
    """As after a crash between keeping the previous generation and replacing the state."""
    (state_dir / "state.json.previous").unlink()
    os.link(state_dir / "state.json", state_dir / "state.json.previous")

    commit(state_dir, "new")

    assert list(state_dir.glob(TEMP)) == []
    assert tick_of(state_dir) == "new"


def test_temporary_files_of_killed_processes_are_swept_after_a_day(state_dir: Path) -> None:
    old, young, other = (state_dir / name for name in ("state.tmp-1-aa", "state.tmp-2-bb", "notes.txt"))
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (time.time() - 90_000,) * 2)

    commit(state_dir)

    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


def test_a_limit_on_file_sizes_is_told_and_changes_nothing(state_dir: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from tests.store.failing_calls import commit\n"
        "import plabctl.store.session\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "commit(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, state_dir], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert "StoreError: cannot write" in done.stderr
    assert "file too large" in done.stderr
    assert (tick_of(state_dir), list(state_dir.glob(TEMP))) == ("old", [])


@pytest.mark.lab
def test_a_full_file_system_leaves_the_old_state_and_the_next_commit_recovers(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=0700", "tmpfs", place], check=True)
    try:
        state_dir = place / "state"
        with Store(state_dir, ManualClock()).session() as session:
            session.apply(Changes(nodes=(make_node(),), members=(make_member(),), tick=make_mark("old")))
        filler = place / "filler"
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], stderr=subprocess.DEVNULL, check=False)

        with pytest.raises(StoreError, match="no space left on device") as caught:
            commit(state_dir)
        assert "free some space" in caught.value.hint
        assert (tick_of(state_dir), list(state_dir.glob(TEMP))) == ("old", [])

        filler.unlink()
        commit(state_dir)
        assert tick_of(state_dir) == "new"
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.lab
def test_on_a_read_only_file_system_reading_works_and_writers_say_so(tmp_path: Path) -> None:
    place = tmp_path / "fixed"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", place], check=True)
    try:
        state_dir = place / "state"
        with Store(state_dir, ManualClock()).session() as session:
            session.apply(Changes(tick=make_mark("old")))
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)

        assert tick_of(state_dir) == "old"
        with pytest.raises(StoreError, match="read-only file system") as caught:
            commit(state_dir)
        assert "read-write" in caught.value.hint
        with pytest.raises(StoreError, match="read-only file system"):
            Store(state_dir, ManualClock()).beat()
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
