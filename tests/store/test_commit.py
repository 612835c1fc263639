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
from plabctl.store import storage
from plabctl.store.store import Store
from tests.builders import NOW, make_mark, make_member, make_node
from tests.manual_clock import ManualClock
from tests.store.failing_calls import at_call, commit, fail

ROOT = Path(__file__).parents[2]
TEMP = "state.tmp-*"
ERRORS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES, errno.EINVAL]


WAYS = ["append", "fold", "whole"]
"""What the next commit does: it appends to the journal; it folds that as well; it writes the state file, as the first
one does and the one after an earlier version."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def state_dir(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state after a few commits and folds, so that there is a previous generation."""
    for name in ("_LEAST_BYTES", "_LARGEST_SHARE"):
        monkeypatch.setattr(storage, name, 0)
    state_dir = tmp_path / "state"
    with Store(state_dir, ManualClock()).session() as session:
        session.apply(Changes(nodes=(make_node(),), members=(make_member(),)))
    commit(state_dir, "older")
    commit(state_dir, "old")
    if way != "fold":
        monkeypatch.undo()
    if way == "whole":
        take_journal_away(state_dir)
    return state_dir


def take_journal_away(state_dir: Path) -> None:
    """Make the state one of version 3, which knew no journal."""
    tables = Store(state_dir, ManualClock()).snapshot()._tables
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "SCHEMA_VERSION", 3)
        _, line, body = storage.serialize(tables, 3, NOW)
    (state_dir / "state.json").write_bytes(line + body)
    for journal in state_dir.glob("state.journal.*"):
        journal.unlink()


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
    state_dir: Path, way: str, number: int
) -> None:
    names = ("open", "write", "fsync", "fdatasync", "link", "replace", "fchmod", "mkdir")
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

    assert ends.count("CommitUncertain") == (way == "whole"), "only the directory's last fsync"
    assert ends.count("StoreError") >= (6 if way == "whole" else 3)


def test_killed_at_any_call_the_state_is_old_or_new_and_nothing_acknowledged_is_lost(
    state_dir: Path, way: str, tmp_path: Path
) -> None:
    place = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, ROOT / "tests/store/failing_calls.py", state_dir, place, way],
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
        assert previous.rev in {2, 3, 4}
        commit(copy, "next")
        assert tick_of(copy) == "next"
    assert int(done.stdout) >= {"append": 6, "fold": 20, "whole": 12}[way]
    assert ends == sorted(ends, reverse=True), "old, then new, and never back"
    assert set(ends) == {"old", "new"}


def test_everything_is_durable_before_the_commit_returns_and_in_the_right_order(state_dir: Path, way: str) -> None:
    seen = calls_of_a_commit(state_dir)
    calls = [call for call in seen if call in {"write", "fsync", "fdatasync", "link", "replace"}]

    append = ["write", "fdatasync"]
    before = ["fsync", "fdatasync"]  # what another process wrote: it may have died before it did that
    journal, base = ["write", "fsync", "fsync"], ["write", "write", "fsync", "link", "replace", "replace", "fsync"]
    assert calls == {"append": before + append, "fold": before + append + journal + base, "whole": journal + base}[way]


@pytest.mark.parametrize("way", ["fold", "whole"], indirect=True)
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

        large = Changes(notes={"large": {"text": "x" * 9000}}, tick=make_mark("never"))
        with (
            pytest.raises(StoreError, match="no space left on device") as caught,
            Store(state_dir, ManualClock()).session() as session,
        ):
            session.apply(large)
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
