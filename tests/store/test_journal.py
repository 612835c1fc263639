"""A commit is one record of the journal; whatever is cut off, altered, mixed up or met half way, the state is whole."""

import errno
import os
import random
import re
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plabctl.clock import UNKNOWN_BOOT
from plabctl.core.model import Event
from plabctl.core.state import Changes
from plabctl.errors import CommitUncertain, StateDamaged, StateTooNew, StoreError
from plabctl.store import commit as commit_module
from plabctl.store import current as current_module
from plabctl.store import journal as journal_module
from plabctl.store import storage
from plabctl.store.current import read_current
from plabctl.store.head import LONGEST_LINE, SCHEMA_VERSION
from plabctl.store.journal import build_record
from plabctl.store.store import Store
from plabctl.store.tables import find_saved_boot
from plabctl.values import replace
from tests.builders import NOW, make_claim, make_mark, make_member, make_node
from tests.manual_clock import ManualClock
from tests.store.failing_calls import at_call, fail


def open_store(state_dir: Path) -> Store:
    return Store(state_dir, ManualClock(NOW))


def commit(store: Store, changes: Changes) -> None:
    with store.session() as session:
        session.apply(changes)


def add(name: str, due_in_s: float = 60) -> Changes:
    return Changes(nodes=(make_node(name),), members=(make_member(name, due_at=NOW + due_in_s),))


def note(number: int) -> Changes:
    return Changes(notes={"count": {"is": number}})


def count_of(state_dir: Path) -> int:
    return int(str(open_store(state_dir).snapshot().notes["count"]["is"]))


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state file with the node n1, and three commits in its journal; the first two commits are always folded."""
    state_dir = tmp_path / "state"
    commit(open_store(state_dir), add("n1"))
    commit(open_store(state_dir), note(0))
    for number in (1, 2, 3):
        commit(open_store(state_dir), note(number))
    return state_dir


@pytest.fixture
def folded(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same after a fourth commit, which was folded."""
    always_fold(monkeypatch)
    commit(open_store(state_dir), note(4))
    return state_dir


def always_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_LEAST_BYTES", 0)
    monkeypatch.setattr(storage, "_LARGEST_SHARE", 0)


def list_names(state_dir: Path) -> set[str]:
    return {path.name for path in state_dir.iterdir() if path.name.startswith("state.j")}


def find_journal(state_dir: Path) -> Path:
    head = read_current(str(state_dir))
    assert head is not None
    return state_dir / head.journal_name


def test_a_commit_leaves_the_state_file_alone_and_adds_one_record(state_dir: Path) -> None:
    before, journal = (state_dir / "state.json").read_bytes(), find_journal(state_dir)
    size = journal.stat().st_size

    commit(open_store(state_dir), note(7))

    assert (state_dir / "state.json").read_bytes() == before
    assert size < journal.stat().st_size < size + 400
    assert count_of(state_dir) == 7


def test_what_a_commit_writes_does_not_depend_on_how_many_nodes_there_are(tmp_path: Path) -> None:
    sizes = []
    for count in (1, 1000):
        store = open_store(tmp_path / str(count))
        names = [f"n{number}" for number in range(count)]
        nodes, members = tuple(map(make_node, names)), tuple(map(make_member, names))
        commit(store, Changes(nodes=nodes, members=members))
        journal = find_journal(tmp_path / str(count))
        before = journal.stat().st_size
        commit(store, Changes(members=(make_member("n0", due_at=NOW + 60),)))
        sizes.append(journal.stat().st_size - before)

    assert abs(sizes[0] - sizes[1]) < 10


def test_what_is_due_next_is_read_at_the_end_of_the_journal(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state")
    names = [f"n{number}" for number in range(1000)]
    members = tuple(make_member(name, due_at=NOW + 60) for name in names)
    commit(store, Changes(nodes=tuple(map(make_node, names)), members=members))
    for number in range(3):
        commit(store, Changes(members=(make_member("n0", due_at=NOW + 7 + number),)))
    idle = open_store(tmp_path / "state")
    idle.head()

    before = count_read_bytes()
    head = idle.head()
    assert count_read_bytes() - before < 4096
    assert head == idle.snapshot().head
    assert head is not None
    assert (head.rev, head.wake_at) == (4, NOW + 9)


def count_read_bytes() -> int:
    """How many bytes this thread has read so far."""
    return int(Path("/proc/thread-self/io").read_text().split("rchar: ")[1].split()[0])


@settings(max_examples=20, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_what_is_read_back_is_what_was_in_memory_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int
) -> None:
    state_dir = tmp_path_factory.mktemp("state") / "state"
    names = st.sampled_from([f"n{number}" for number in range(6)])
    store, rng = open_store(state_dir), random.Random(seed)
    for _ in range(data.draw(st.integers(1, 8))):
        with store.session() as session:
            for name in data.draw(st.lists(names, max_size=5)):
                if name not in session.names():
                    session.apply(add(name, rng.randrange(100)))
                elif rng.random() < 0.5:
                    session.apply(Changes(removed=(name,)))
                else:
                    session.apply(Changes(members=(make_member(name, due_at=NOW + rng.randrange(100)),)))
        read = read_current(str(state_dir))
        if read is None:
            continue
        kept = store._kept[0]
        assert {name: [*table.items()] for name, table in read.tables.items()} == {
            name: [*table.items()] for name, table in kept.tables.items()
        }
        head = store.head()
        assert head is None or head.wake_at == min((m.due_at for m in store.snapshot().members()), default=None)


def test_two_processes_that_take_turns_read_what_the_other_appended(state_dir: Path) -> None:
    one, other = open_store(state_dir), open_store(state_dir)
    for number in range(20):
        commit((one, other)[number % 2], add(f"a{number}"))

    assert len([*one.snapshot().names()]) == len([*other.snapshot().names()]) == count_nodes(state_dir) == 21


def count_nodes(state_dir: Path) -> int:
    return len([*open_store(state_dir).snapshot().names()])


def test_a_process_that_goes_on_reads_only_what_was_appended(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(state_dir)
    commit(store, add("a"))
    commit(open_store(state_dir), add("b"))

    def refuse(_: str) -> None:
        raise AssertionError("the state file was read once more")

    monkeypatch.setattr(current_module, "read_documents", refuse)
    commit(store, add("c"))
    assert sorted(store.snapshot().names()) == ["a", "b", "c", "n1"]


def test_a_process_that_only_reads_keeps_the_state_from_its_second_look_on(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(state_dir)
    store.snapshot()
    second = store.snapshot()
    commit(open_store(state_dir), note(4))

    with monkeypatch.context() as patch:
        patch.setattr(current_module, "read_documents", None)
        assert store.snapshot().notes["count"] == {"is": 4}
    assert second.notes["count"] == {"is": 3}
    state_dir.joinpath("state.json").write_bytes(state_dir.joinpath("state.json").read_bytes()[:-1])
    with pytest.raises(StateDamaged):
        store.snapshot(anew=True)


def test_a_process_that_goes_on_follows_a_fold_of_another(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(state_dir)
    commit(store, add("a"))
    with monkeypatch.context() as patch:
        always_fold(patch)
        commit(open_store(state_dir), add("b"))
    commit(open_store(state_dir), add("c"))

    monkeypatch.setattr(current_module, "read_documents", None)  # all of it was in the journal
    commit(store, add("d"))
    assert sorted(store.snapshot().names()) == ["a", "b", "c", "d", "n1"]
    monkeypatch.undo()
    assert count_nodes(state_dir) == 5


def test_a_process_that_goes_on_is_told_that_the_state_file_is_gone(state_dir: Path) -> None:
    store = open_store(state_dir)
    commit(store, add("a"))
    (state_dir / "state.json").unlink()

    for read in (store.snapshot, lambda: commit(store, add("b"))):
        with pytest.raises(StateDamaged, match="is gone"):
            read()


def fold_beside(monkeypatch: pytest.MonkeyPatch, state_dir: Path, name: str, commits: int) -> None:
    """Let another process commit and fold so often, and then commit once more, right after the first call of `name`."""
    real: Callable[..., object] = getattr(current_module, name)

    def call(*args: object) -> object:
        monkeypatch.setattr(current_module, name, real)
        found = real(*args)
        with pytest.MonkeyPatch.context() as patch:
            always_fold(patch)
            for number in range(commits):
                commit(open_store(state_dir), note(number))
        commit_without_fold(state_dir)
        return found

    monkeypatch.setattr(current_module, name, call)


@pytest.mark.parametrize("commits", [1, 2], ids=["its journal is there", "its journal is gone"])
def test_a_reader_that_was_overtaken_by_a_fold_looks_again(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    fold_beside(monkeypatch, state_dir, "read_documents", commits)

    assert count_of(state_dir) == 11


def test_a_process_that_goes_on_and_was_overtaken_while_it_followed_a_fold_reads_anew(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(state_dir)
    commit(store, note(5))
    with monkeypatch.context() as patch:
        always_fold(patch)
        commit(open_store(state_dir), note(6))
    fold_beside(monkeypatch, state_dir, "_is_fold", 2)

    assert store.snapshot().notes["count"] == {"is": 11}


def test_what_others_folded_is_made_durable_before_a_process_that_goes_on_appends(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(state_dir)
    commit_without_fold(store)
    with monkeypatch.context() as patch:
        always_fold(patch)
        commit(open_store(state_dir), note(6))

    with at_call(0, fail(0), ("fsync", "fdatasync", "write")) as seen:
        commit_without_fold(store)

    assert seen == ["fsync", "fdatasync", "write", "fdatasync"]


def test_a_session_that_goes_on_knows_what_others_made_due_and_took_away(state_dir: Path) -> None:
    store = open_store(state_dir)

    def list_due() -> list[str]:
        with store.session() as session:
            found = session.shortlist(NOW + 1, 9, latest_at=NOW + 9000, pools={"good"})
        return sorted(row.node for row in found.rows)

    with store.session() as session:
        session.apply(add("a", due_in_s=-1))
    assert list_due() == ["a"]
    with store.session() as session:
        session.apply(Changes(removed=("n1",)))
        session.apply(add("n2", due_in_s=-1))
        assert session.shortlist(NOW + 1, 9, latest_at=NOW + 9000, pools={"good"}).total == 2
        session.apply(Changes(removed=("n2",)))
        assert session.shortlist(NOW + 1, 9, latest_at=NOW + 9000, pools={"good"}).total == 1
    commit(open_store(state_dir), add("b", due_in_s=-1))
    assert list_due() == ["a", "b"]
    commit(open_store(state_dir), Changes(removed=("a",)))
    assert list_due() == ["b"]


def test_a_snapshot_stays_as_it_was_read(state_dir: Path) -> None:
    store = open_store(state_dir)
    commit(store, add("a"))
    snapshot = store.snapshot()

    commit(store, Changes(members=(make_member("a", due_at=NOW + 99),), removed=("n1",)))

    member = snapshot.member("a")
    assert member is not None
    assert (member.due_at, sorted(snapshot.names())) == (NOW + 60, ["a", "n1"])


def test_a_session_that_failed_leaves_nothing_behind_in_memory(state_dir: Path) -> None:
    store = open_store(state_dir)
    commit(store, add("a"))
    with suppress(ZeroDivisionError), store.session() as session:
        session.apply(add("never"))
        raise ZeroDivisionError

    commit(store, add("b"))

    assert sorted(store.snapshot().names()) == ["a", "b", "n1"]


def test_a_fold_keeps_the_generation_before_with_its_journal_and_no_other(
    folded: Path,
) -> None:
    assert list_names(folded) == {"state.json", "state.json.previous", "state.journal.2", "state.journal.6"}
    commit(open_store(folded), note(5))
    assert list_names(folded) == {"state.json", "state.json.previous", "state.journal.6", "state.journal.7"}
    assert count_of(folded) == 5


def test_a_commit_that_was_cut_off_at_any_byte_never_was(state_dir: Path) -> None:
    journal = find_journal(state_dir)
    whole = journal.read_bytes()
    start = whole[:-1].rfind(b"\n", 0, whole[:-1].rfind(b"\n")) + 1
    for end in range(start, len(whole)):
        journal.write_bytes(whole[:end])
        assert count_of(state_dir) == 2, end
        assert open_store(state_dir).snapshot().torn_bytes == end - start
        head = open_store(state_dir).head()
        assert head is not None
        assert head.rev == 4

    commit(open_store(state_dir), note(9))
    assert count_of(state_dir) == 9
    assert open_store(state_dir).snapshot().dropped == (NOW, len(whole) - 1 - start)


@pytest.mark.parametrize("loss", ["zeros", "zeros behind a page", "a page of zeros first"])
def test_what_a_power_cut_left_of_the_last_commit_is_dropped_after_the_boot(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setattr(storage, "_LEAST_BYTES", 10**6)
    journal = find_journal(state_dir)
    start = journal.stat().st_size
    commit(open_store(state_dir), Changes(notes={"large": {"text": "x" * 9000}, "count": {"is": 8}}))
    record = journal.read_bytes()[start:]
    lost = {
        "zeros": bytes(len(record)),
        "zeros behind a page": record[:4096] + bytes(len(record) - 4096),
        "a page of zeros first": bytes(4096) + record[4096:],
    }[loss]
    journal.write_bytes(journal.read_bytes()[:start] + lost)

    with monkeypatch.context() as patch:
        patch.setattr(current_module, "read_boot_id", lambda: "another")
        assert count_of(state_dir) == 3
        head = open_store(state_dir).head()
    assert head is not None
    assert head.rev == 5


def test_what_was_altered_while_the_machine_was_up_is_damage(state_dir: Path) -> None:
    journal = find_journal(state_dir)
    whole = journal.read_bytes()
    missed = []
    last = whole.rfind(b"\n", 0, whole.rfind(b"\n", 0, -1)) + 1
    for place in (*range(0, last, 5), *range(last, len(whole))):
        journal.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            open_store(state_dir).snapshot()
        except (StateDamaged, StateTooNew):
            continue
        missed.append(place)

    last_line = whole.rfind(b"\n", 0, -1)
    # Without one of its two line ends, the last record looks cut off.
    assert set(missed) <= {last_line, len(whole) - 1}


@pytest.mark.parametrize(
    ("boot", "more", "what"),
    [
        ("this", b"", "was altered"),
        ("another", b"", "revision 7 comes after revision 5"),
        ("another", b"more", "was altered"),
    ],
)
def test_a_gap_of_revisions_is_damage_also_after_a_boot(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, boot: str, more: bytes, what: str
) -> None:
    current = read_current(str(state_dir))
    assert current is not None
    assert current.place is not None
    record = build_record(replace(current.head, rev=7), b'{"drop":{},"put":{}}', current.place.checksum)
    with find_journal(state_dir).open("ab") as file:
        file.write(record.data + more)
    if boot == "another":
        monkeypatch.setattr(current_module, "read_boot_id", lambda: boot)

    with pytest.raises(StateDamaged, match=what):
        open_store(state_dir).snapshot()


@pytest.mark.parametrize("what", ["one record", "the journal of another", "no journal", "only the first line"])
def test_a_journal_that_does_not_fit_is_refused_with_advice(state_dir: Path, tmp_path: Path, what: str) -> None:
    journal = find_journal(state_dir)
    lines = journal.read_bytes().splitlines(keepends=True)
    other = tmp_path / "other"
    commit(open_store(other), add("n1", 61))
    for number in (1, 2):
        commit(open_store(other), note(number))
    if what == "one record":
        journal.write_bytes(b"".join(lines[:3] + lines[5:]))
    elif what == "the journal of another":
        journal.write_bytes(find_journal(other).read_bytes())
    elif what == "no journal":
        journal.unlink()
    else:
        journal.write_bytes(lines[0][:-9])

    for read in (open_store(state_dir).snapshot, lambda: commit(open_store(state_dir), note(5))):
        with pytest.raises(StateDamaged, match="journal") as caught:
            read()
        assert "doctor --restore" in caught.value.hint


@pytest.mark.parametrize("has_own_journal", [True, False])
def test_an_older_state_file_that_was_put_back_alone_is_refused_and_restore_loses_nothing(
    folded: Path, has_own_journal: bool
) -> None:
    commit_without_fold(folded)
    previous = (folded / "state.json.previous").read_bytes()
    (folded / "state.json").write_bytes(previous)
    if not has_own_journal:
        (folded / "state.journal.2").unlink()

    for read in (open_store(folded).snapshot, lambda: commit(open_store(folded), note(5))):
        with pytest.raises(
            StateDamaged, match=r"is older than 'state\.journal\.6'" if has_own_journal else "it is gone"
        ):
            read()
    restored = open_store(folded).restore()
    assert restored.rev == 8
    assert count_nodes(folded) == 1
    if has_own_journal:
        assert (restored.found.rev, count_of(folded)) == (7, 11)


def test_what_a_fold_left_that_was_killed_before_it_replaced_the_state_file_is_no_damage(
    folded: Path, state_dir: Path
) -> None:
    left = (folded / "state.journal.6").read_bytes()
    (folded / "state.journal.7").write_bytes(left.replace(b'"rev":6', b'"rev":7'))

    assert count_of(state_dir) == 4
    commit_without_fold(folded)
    assert count_of(state_dir) == 11


def test_what_other_processes_wrote_is_made_durable_once_before_the_first_record_of_our_own(folded: Path) -> None:
    store = open_store(folded)
    with at_call(0, fail(0), ("fsync", "fdatasync", "write")) as seen:
        for state in (store, store, open_store(folded), store):
            commit_without_fold(state)
            seen.append("then")

    names, before, append = ["fsync"], ["fdatasync"], ["write", "fdatasync", "then"]
    assert seen == [*names, *before, *append, *append, *before, *append, *before, *append]


def test_a_disk_that_neither_confirms_a_change_nor_takes_it_back_is_told_as_that(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    store = open_store(state_dir)
    commit(store, note(3))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(CommitUncertain, match="neither what was appended nor that it was taken back") as caught:
            commit(store, note(9))
    assert "\n" not in str(caught.value)
    assert "check that disk" in caught.value.hint
    assert count_of(state_dir) == 3
    commit(open_store(state_dir), note(10))
    assert count_of(state_dir) == 10


def test_a_process_that_has_seen_a_commit_that_was_taken_back_reads_the_one_in_its_place(state_dir: Path) -> None:
    journal, reader = find_journal(state_dir), open_store(state_dir)
    before = journal.read_bytes()
    commit(open_store(state_dir), note(8))
    commit(reader, Changes())
    assert reader.snapshot().notes["count"] == {"is": 8}
    journal.write_bytes(before)
    assert reader.snapshot().notes["count"] == {"is": 3}

    for number in (5, 6):  # the first is as long as the one that was seen
        commit(open_store(state_dir), note(number))
        assert reader.snapshot().notes["count"] == {"is": number}


def test_where_the_boot_is_not_known_a_record_that_is_wrong_may_be_torn(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (current_module, storage):
        monkeypatch.setattr(module, "read_boot_id", lambda: UNKNOWN_BOOT)
    commit(open_store(state_dir), note(4))
    journal = find_journal(state_dir)
    commit(open_store(state_dir), note(5))
    journal.write_bytes(journal.read_bytes().replace(b'"is":5', b'"is":\0'))

    assert count_of(state_dir) == 4


@pytest.mark.parametrize(
    "changes",
    [
        b'{"drop":{},"put":{"nodes":"ab"}}', b'{"drop":{"nodes":"ab"},"put":{}}', b'{"drop":{},"put":{"odd":{}}}',
        b'{"drop":{"nodes":[1]},"put":{}}', b'{"put":{}}', b"[]", b'{"drop":[],"put":[]}', b"nonsense",
        b'{"drop":{"nodes":["n1"]},"put":{}}', b'{"drop":{},"put":{"nodes":{"n1":{"member":{"pool":7}}}}}',
    ],
)  # fmt: skip
def test_a_record_that_is_whole_and_says_nonsense_is_damage_and_restore_goes_back_to_before_it(
    state_dir: Path, changes: bytes
) -> None:
    current = read_current(str(state_dir))
    assert current is not None
    assert current.place is not None
    record = build_record(replace(current.head, rev=6), changes, current.place.checksum)
    with find_journal(state_dir).open("ab") as file:
        file.write(record.data)

    with pytest.raises(StateDamaged):
        open_store(state_dir).snapshot().member("n1")
    open_store(state_dir).restore()
    assert (count_of(state_dir), count_nodes(state_dir)) == (3, 1)
    assert open_store(state_dir).snapshot().member("n1") is not None


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_an_append_that_fails_changes_nothing(state_dir: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    real: Callable[..., object] = getattr(os, call)
    is_failing = True

    def fail(*args: object) -> object:
        if is_failing:
            if call == "write":
                real(args[0], args[1][: len(args[1]) // 2])  # type: ignore[index, arg-type]
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, call, fail)
    store = open_store(state_dir)
    for _ in range(2):
        with pytest.raises(StoreError, match="no space left"):
            commit(store, note(9))
        assert count_of(state_dir) == 3
    is_failing = False
    commit(store, note(10))
    assert count_of(state_dir) == 10


def test_a_fold_that_fails_is_no_failure_of_the_commit(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always_fold(monkeypatch)

    before = list_names(state_dir)
    for call, error in (("write_new", OSError(28, "No space left on device")), ("replace_file", MemoryError())):
        with monkeypatch.context() as patch:
            patch.setattr(commit_module, call, make_failing(error))
            for number in (5, 6):
                commit(open_store(state_dir), note(number))
                assert count_of(state_dir) == number
    assert list_names(state_dir) == before


def test_a_fold_that_failed_is_tried_again_when_as_much_was_added_and_by_the_next_process(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_LEAST_BYTES", 1000)
    store = open_store(state_dir)
    for number in range(2):
        commit(store, note(number))  # the first fold of all keeps a previous generation
    tries: list[str] = []

    def fail(name: str, *_: object, **__: object) -> None:
        tries.append(name)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(commit_module, "write_new", fail)
        numbers = iter(range(2, 1000))
        while len(tries) < 3:
            commit(store, note(next(numbers)))
        commit_count = next(numbers)
        assert commit_count > 12, "each record has some 250 bytes"
        commit(open_store(state_dir), note(commit_count))
        assert len(tries) == 4
    commit(open_store(state_dir), note(7))
    assert count_of(state_dir) == 7


def make_failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("is_in_memory", [False, True], ids=["new readers", "readers that go on"])
def test_readers_beside_writers_that_fold_see_every_commit_or_an_earlier_one(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, is_in_memory: bool
) -> None:
    always_fold(monkeypatch)
    commit(open_store(state_dir), note(0))
    done, failures = threading.Event(), []

    def read() -> None:
        store, last = open_store(state_dir), 0
        if is_in_memory:
            current = read_current(str(state_dir))
            assert current is not None
            store._kept[:] = [current]
        try:
            while not done.is_set():
                seen = int(str(store.snapshot().notes["count"]["is"]))
                head = store.head()
                assert head is not None
                assert seen >= last
                last = seen
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    writer = open_store(state_dir)
    for number in range(1, 40):
        commit(writer, note(number))
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_restore_loses_nothing_when_only_the_state_file_is_damaged(folded: Path) -> None:
    commit_without_fold(folded)
    (folded / "state.json").write_bytes(b"{}")

    restored = open_store(folded).restore()

    assert count_of(folded) == 11
    assert restored.rev > restored.found.rev == 7
    commit(open_store(folded), note(12))
    assert count_of(folded) == 12


def test_restore_of_a_lost_state_keeps_no_damaged_file_and_a_journal_without_commit_is_none(folded: Path) -> None:
    (folded / "state.json").write_bytes(b"{}")
    open_store(folded).restore()
    assert len([*folded.glob("*.damaged-*")]) == 1, "the state file, and not the journal that says nothing"

    commit_without_fold(folded)
    (folded / "state.json").unlink()
    assert open_store(folded).restore().kept is None


def test_after_a_boot_the_next_commit_says_which_one_it_was(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "read_boot_id", lambda: "another")
    commit_without_fold(state_dir)

    current = read_current(str(state_dir))
    assert current is not None
    assert find_saved_boot(current.tables) == "another"


def commit_without_fold(state: Path | Store) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_LEAST_BYTES", 10**9)
        commit(open_store(state) if isinstance(state, Path) else state, note(11))


@pytest.mark.parametrize("has_previous", [True, False])
def test_restore_goes_back_to_the_last_record_before_the_damage(state_dir: Path, has_previous: bool) -> None:
    journal = find_journal(state_dir)
    if not has_previous:
        (state_dir / "state.json.previous").unlink()
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b'"is":2', b'"is":7'))

    restored = open_store(state_dir).restore()

    assert count_of(state_dir) == 1
    assert (restored.found.rev, restored.rev) == (3, 6), "two commits are lost, and their numbers not used again"
    assert restored.kept is not None
    assert journal_with(whole) in [path.read_bytes() for path in state_dir.glob("*.damaged-*")]
    assert not has_previous or Path(restored.kept).read_bytes() == journal_with(whole)


@pytest.mark.parametrize("loss", ["the journal", "what it says", "the end of its last line"])
def test_a_rev_is_not_given_again_when_that_of_the_last_commit_is_lost(state_dir: Path, loss: str) -> None:
    journal = find_journal(state_dir)
    whole = journal.read_bytes()
    last = open_store(state_dir).snapshot().rev
    if loss == "the journal":
        journal.unlink()
    else:
        journal.write_bytes(b"" if loss == "what it says" else whole[:-12] + b"?" + whole[-11:])

    restored = open_store(state_dir).restore()

    assert restored.found.rev < last < restored.rev


def journal_with(whole: bytes) -> bytes:
    return whole.replace(b'"is":2', b'"is":7')


def test_the_end_of_a_journal_is_no_record_of_what_does_not_fit_before_it(state_dir: Path) -> None:
    journal = find_journal(state_dir)
    whole = journal.read_bytes()
    checksums = re.findall(rb'crc32:([0-9a-f]{8})"', whole)
    journal.write_bytes(whole.replace(checksums[-2], b"nonsense"))
    head = open_store(state_dir).head()
    assert head is not None
    assert head.rev == 3, "the last record continues what can no longer be read"

    journal.write_bytes(whole[whole.index(b"{", whole.rindex(b'"put"')) :])
    with pytest.raises(StateDamaged, match="no record of any commit"):
        open_store(state_dir).head()


def test_a_record_of_a_later_plabctl_is_told_as_that(state_dir: Path) -> None:
    current = read_current(str(state_dir))
    assert current is not None
    assert current.place is not None
    head = replace(current.head, rev=6, schema_version=SCHEMA_VERSION + 1)
    with find_journal(state_dir).open("ab") as file:
        file.write(build_record(head, b'{"drop":{},"put":{}}', current.place.checksum).data)

    for read in (open_store(state_dir).snapshot, open_store(state_dir).head):
        with pytest.raises(StateTooNew):
            read()


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        (Changes(claims=(make_claim("n1"),)), Changes(released=("n1",))),
        (Changes(events=(Event("e1", NOW, "probe", "n1", "plabctl", {}),)), Changes(delivered=frozenset({"e1"}))),
    ],
    ids=["a claim", "an event"],
)
def test_what_has_to_be_done_at_once_stands_at_the_end_of_the_journal(
    state_dir: Path, begun: Changes, ended: Changes
) -> None:
    store = open_store(state_dir)
    for changes, wake_at in ((begun, 0.0), (ended, NOW + 60)):
        commit(store, changes)
        head = store.head()
        assert head is not None
        assert head.wake_at == wake_at


def test_a_commit_that_would_make_the_state_too_large_with_its_journal_is_refused(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, size = read_current(str(state_dir)), find_journal(state_dir).stat().st_size
    assert base is not None
    monkeypatch.setattr(storage, "MAX_STATE_BYTES", base.base.head.bytes_ + size + 100)

    with pytest.raises(StoreError, match="at most"):
        commit(open_store(state_dir), Changes(notes={"large": {"text": "x" * 100}}))

    assert count_of(state_dir) == 3


def test_a_journal_with_a_torn_end_is_not_folded(state_dir: Path) -> None:
    with find_journal(state_dir).open("ab") as file:
        file.write(b'{"drop":{')
    before = (state_dir / "state.json").read_bytes()

    with pytest.MonkeyPatch.context() as patch, open_store(state_dir).session() as session:
        always_fold(patch)
        session.fold(0)

    assert (state_dir / "state.json").read_bytes() == before
    assert open_store(state_dir).snapshot().torn_bytes == 9


def test_a_restore_of_a_lost_state_that_fails_leaves_no_journal_of_its_own(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state_dir / "state.json").unlink()
    before = list_names(state_dir)
    monkeypatch.setattr(commit_module, "replace_file", make_failing(OSError(28, "No space left on device")))

    with pytest.raises(StoreError, match="no space left"):
        open_store(state_dir).restore()

    assert {name for name in list_names(state_dir) if ".damaged-" not in name} == before


def test_a_lost_journal_is_told_also_to_who_reads_its_end_only(state_dir: Path) -> None:
    find_journal(state_dir).unlink()

    with pytest.raises(StateDamaged, match="is gone: the changes since the state file was written"):
        open_store(state_dir).head()


def test_the_end_of_a_journal_is_found_before_a_long_record_that_was_cut_off(folded: Path) -> None:
    with find_journal(folded).open("ab") as file:
        file.write(b"x" * (LONGEST_LINE + 1))

    head = open_store(folded).head()

    assert head is not None
    assert head.rev == open_store(folded).snapshot().rev == 6


def test_a_journal_is_worth_folding_when_it_is_larger_than_a_share_of_the_state_file(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, journal = read_current(str(state_dir)), find_journal(state_dir)
    assert base is not None
    size, base_bytes = journal.stat().st_size, base.base.head.bytes_

    def is_worth_it(least: int, share_bytes: int, most_base_bytes: int = base_bytes) -> bool:
        monkeypatch.setattr(journal_module, "_LEAST_BYTES", least)
        monkeypatch.setattr(journal_module, "IDLE_SHARE", share_bytes / base_bytes)
        monkeypatch.setattr(journal_module, "_MOST_BASE_BYTES", most_base_bytes)
        return journal_module.is_worth_folding(str(state_dir))

    assert is_worth_it(size - 1, 0)
    assert not is_worth_it(size, 0)
    assert is_worth_it(0, size - 1)
    assert not is_worth_it(0, size + 1)
    assert not is_worth_it(size - 1, 0, base_bytes - 1)
    journal.unlink()
    assert not is_worth_it(0, 0)
    (state_dir / "state.json").unlink()
    assert not is_worth_it(0, 0)


def test_the_heads_in_a_file_are_listed_from_its_first_line_on(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_revs(name: str) -> list[int]:
        return [head.rev for head in journal_module.list_heads(str(state_dir / name))]

    journal = find_journal(state_dir)
    assert list_revs("state.json") == [2]
    assert list_revs(journal.name) == [2, 3, 4, 5]
    assert list_revs("none") == []
    monkeypatch.setattr(journal_module, "MAX_STATE_BYTES", journal.stat().st_size - 1)  # a file of any size is read
    assert list_revs(journal.name) == [2, 3, 4]


def test_a_lost_state_file_is_told_by_its_journal(state_dir: Path) -> None:
    for name in ("state.json", "state.json.previous"):
        (state_dir / name).unlink()

    for read in (open_store(state_dir).snapshot, open_store(state_dir).head):
        with pytest.raises(StateDamaged, match="is gone"):
            read()
    with pytest.raises(StateDamaged):
        commit(open_store(state_dir), note(1))


def test_a_state_of_version_3_is_brought_forward_by_its_next_commit(tmp_path: Path) -> None:
    body = b'"nodes":{},"experiments":{},"vnodes":{},"claims":{},"outbox":{},"notes":{},"meta":{}}'
    fields = b'"schema_version":3,"rev":8,"saved_at":1.0,"wake_at":null,"tick":"","nodes":0'
    covered = b'{"plabctl":{%b,"bytes":%d,' % (fields, len(body))
    content = covered + b'"checksum":"crc32:%08x"},\n' % zlib.crc32(covered + body) + body
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    (state_dir / "state.json").write_bytes(content)
    store = open_store(state_dir)
    assert (store.snapshot().rev, store.head() is not None) == (8, True)
    with store.session() as session:
        assert session.rev == 8

    commit(store, Changes(tick=make_mark("t")))

    assert list_names(state_dir) == {"state.json", "state.json.previous", "state.journal.9"}
    assert (state_dir / "state.json.previous").read_bytes() == content
    assert (store.snapshot().rev, store.newest_tick()) == (9, "t")
