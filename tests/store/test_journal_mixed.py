"""Files of several histories in one directory, and files that are something else: refused, or read as they are."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from plabctl.core.state import Changes
from plabctl.errors import PlabctlError, StateDamaged, StoreBusy, StoreError
from plabctl.store import restore, storage
from plabctl.store.store import Store
from plabctl.store.tables import read_documents
from tests.builders import NOW, make_member, make_node
from tests.manual_clock import ManualClock


def open_store(state_dir: Path, now: float = NOW) -> Store:
    return Store(state_dir, ManualClock(now))


def add(store: Store, name: str) -> None:
    with store.session() as session:
        session.apply(Changes(nodes=(make_node(name),), members=(make_member(name),)))


def names_of(store: Store) -> list[str]:
    return sorted(store.snapshot().names())


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state with a previous generation and two commits in its journal."""
    state_dir = tmp_path / "state"
    for name in ("n1", "n2"):
        add(open_store(state_dir), name)
    fold_never(monkeypatch)
    for name in ("n3", "n4"):
        add(open_store(state_dir), name)
    return state_dir


def fold_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_LEAST_BYTES", 1 << 40)


def fold_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_LEAST_BYTES", 0)
    monkeypatch.setattr(storage, "_LARGEST_SHARE", 0)


def copy_state(source: Path, target: Path) -> None:
    for path in source.glob("state.j*"):
        shutil.copy(path, target / path.name)


@pytest.mark.parametrize("without", ["", "state.journal.2"])
def test_a_state_file_of_another_history_with_the_same_rev_is_no_fold_of_this_one(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(state_dir, other)
    here = open_store(state_dir)
    add(here, "here")
    fold_always(monkeypatch)
    add(open_store(other, NOW + 1), "there")
    if without:  # the journal of our own, which leads up to that rev, stays
        (other / without).unlink()
    copy_state(other, state_dir)

    assert names_of(here) == names_of(open_store(state_dir)) == ["n1", "n2", "n3", "n4", "there"]


def test_an_older_generation_put_in_place_under_a_process_that_goes_on_is_read(state_dir: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(state_dir, backup)
    here = open_store(state_dir)
    add(here, "n5")
    copy_state(backup, state_dir)

    add(here, "n6")

    assert names_of(here) == names_of(open_store(state_dir)) == ["n1", "n2", "n3", "n4", "n6"]


def test_a_backup_of_the_state_file_alone_is_refused(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(state_dir / "state.json", tmp_path / "backup")
    fold_always(monkeypatch)
    for name in ("n5", "n6", "n7"):
        add(open_store(state_dir), name)
    shutil.copy(tmp_path / "backup", state_dir / "state.json")

    with pytest.raises(StateDamaged) as caught:
        open_store(state_dir).snapshot()
    assert "doctor --restore" in caught.value.hint

    open_store(state_dir).restore()
    assert names_of(open_store(state_dir)) == ["n1", "n2", "n3", "n4", "n5", "n6", "n7"], "nothing was lost"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "nothing in it", "huge"])
def test_a_journal_that_is_no_file_of_ours_is_told_in_a_line(state_dir: Path, tmp_path: Path, kind: str) -> None:
    (journal,) = (path for path in state_dir.glob("state.journal.*") if path.name != "state.journal.1")
    content = journal.read_bytes()
    journal.unlink()
    if kind == "folder":
        journal.mkdir()
    elif kind == "pipe":
        os.mkfifo(journal)
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        journal.symlink_to(tmp_path / "elsewhere")
    else:
        journal.touch(0o600)
        os.truncate(journal, 0 if kind == "nothing in it" else 1 << 40)

    store = open_store(state_dir)
    for ask in (store.snapshot, store.head, lambda: add(open_store(state_dir), "n9")):
        with pytest.raises(PlabctlError) as caught:
            ask()
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 74


def test_readers_beside_a_writer_that_stands_before_its_sync_see_a_state(state_dir: Path) -> None:
    """They may see its change already; if it dies there the next one goes on, from what is there."""
    writer = open_store(state_dir)
    add(writer, "n4b")
    child = os.fork()
    if child == 0:
        os.fdatasync = lambda _: os.kill(os.getpid(), signal.SIGSTOP)  # type: ignore[assignment]
        add(writer, "n5")
        os._exit(0)
    try:
        os.waitpid(child, os.WUNTRACED)
        assert names_of(open_store(state_dir)) == ["n1", "n2", "n3", "n4", "n4b", "n5"]
        with pytest.raises(StoreBusy, match=f"process {child}"):
            add(Store(state_dir, ManualClock(NOW), lock_timeout_s=0.1), "n6")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    add(open_store(state_dir), "n6")
    assert names_of(open_store(state_dir)) == ["n1", "n2", "n3", "n4", "n4b", "n5", "n6"]


def test_a_restore_that_cannot_see_which_revisions_there_were_gives_none_a_second_time(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state_dir / "state.json").write_bytes(b"{}")
    before = {path: path.read_bytes() for path in state_dir.iterdir()}

    def fail(path: str) -> None:
        raise StoreError(f"cannot read '{path}': input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(restore, "list_heads", fail)
        with pytest.raises(StoreError, match="input/output error"):
            open_store(state_dir).restore()
    assert {path: path.read_bytes() for path in state_dir.iterdir()} == before

    assert open_store(state_dir).restore().rev == 5


def test_a_state_file_with_an_entry_that_cannot_be_read_is_the_damaged_one(state_dir: Path) -> None:
    found = read_documents(str(state_dir / "state.json"))
    assert found is not None
    line, tables = found
    tables["nodes"]["n1"]["member"]["surprise"] = 2
    _, first, body = storage.serialize(tables, line.head.rev, line.head.saved_at)
    (state_dir / "state.json").write_bytes(first + body)

    restored = open_store(state_dir).restore()

    assert restored.kept is not None
    assert Path(restored.kept).read_bytes() == first + body
    assert names_of(open_store(state_dir)) == ["n1", "n2", "n3", "n4"]
