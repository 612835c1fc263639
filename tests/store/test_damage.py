"""A state file that is not what plabctl wrote is refused, by every way of reading it, and left as it is."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plabctl.core.due_rows import PLACEMENT
from plabctl.core.model import Goal, Member
from plabctl.core.state import Changes
from plabctl.errors import Refused, StateDamaged, StateTooNew, StoreError
from plabctl.store import head, storage, tables
from plabctl.store.head import SCHEMA_VERSION
from plabctl.store.store import Store
from plabctl.views.node import NODE_FACTS
from tests.builders import NOW, make_mark, make_member, make_node
from tests.manual_clock import ManualClock

BODY = b'"nodes":{},"claims":{},"outbox":{},"notes":{},"meta":{}}'


def open_store(state_dir: Path) -> Store:
    return Store(state_dir, ManualClock(NOW))


def commit(state_dir: Path, tick: str) -> None:
    with open_store(state_dir).session() as session:
        session.apply(Changes(nodes=(make_node(),), members=(make_member(),), tick=make_mark(tick)))


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state of which each commit was folded, so that the state file and its previous generation say the same."""
    for name in ("_LEAST_BYTES", "_LARGEST_SHARE"):
        monkeypatch.setattr(storage, name, 0)
    state_dir = tmp_path / "state"
    for tick in ("t1", "t2", "t3"):
        commit(state_dir, tick)
    return state_dir


def with_head(body: bytes, **changed: object) -> bytes:
    """A file whose head fits `body`, but for what is `changed`."""
    head: dict[str, Any] = {
        "schema_version": 1, "rev": 1, "saved_at": 1.0, "wake_at": None, "tick": "", "nodes": 0,
        "bytes": len(body), **changed,
    }  # fmt: skip
    covered = b'{"plabctl":' + json.dumps(head, separators=(",", ":")).encode()[:-1] + b","
    return covered + f'"checksum":"crc32:{zlib.crc32(covered + body):08x}"}},\n'.encode() + body


def refusals(state_dir: Path, *, deep: bool = True) -> list[StoreError]:
    """The errors of reading the state in every way; `deep`: ways that read the body."""
    store = open_store(state_dir)

    def write() -> None:
        with store.session() as session:
            session.apply(Changes(tick=make_mark("never")))

    ways: list[Callable[[], object]] = [store.snapshot, write]
    if deep:
        ways.append(store.head)
    errors = []
    for way in ways:
        with pytest.raises(StoreError) as caught:
            way()
        errors.append(caught.value)
    return errors


def put_alone(state_dir: Path, content: bytes) -> Path:
    """A state directory in which there is nothing but a state file of that content."""
    alone = state_dir.with_name("alone")
    alone.mkdir(mode=0o700)
    (alone / "state.json").write_bytes(content)
    return alone


GOOD = with_head(BODY)
CORPUS = {
    "empty": b"",
    "newline": b"\n",
    "object": b"{}",
    "list": b"[]",
    "null": b"null",
    "stock tinydb": b'{"_default": {"1": {"name": "n1"}}}',
    "head only": GOOD[: GOOD.index(b"\n") + 1],
    "no body end": GOOD[:-1],
    "more behind": GOOD + b"\n",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "utf-16": GOOD.decode().encode("utf-16"),
    "windows line ends": GOOD.replace(b"\n", b"\r\n"),
    "zeros": b"\0" * 4096,
    "zeros behind": GOOD + b"\0" * 4096,
    "other checksum": GOOD.replace(b"crc32:", b"crc32:0", 1),
    "schema 0": GOOD.replace(b'"schema_version":1', b'"schema_version":0'),
    "wake_at altered": GOOD.replace(b'"wake_at":null', b'"wake_at":9e99'),
    "tick altered": GOOD.replace(b'"tick":""', b'"tick":"x"'),
    "rev altered": GOOD.replace(b'"rev":1', b'"rev":2'),
}
WELL_SUMMED = {
    "no json": with_head(b"nonsense"),
    "not a number": with_head(BODY.replace(b'"meta":{}', b'"meta":{"tick":{"id":"t","started_at":NaN}}')),
    "no tables": with_head(b'"nodes":{}}'),
    "a table too many": with_head(BODY[:-1] + b',"x":{}}'),
    "table is a list": with_head(BODY.replace(b'"claims":{}', b'"claims":[]')),
    "deep": with_head(BODY.replace(b'"notes":{}', b'"notes":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    "other count": with_head(BODY, nodes=7),
}


@pytest.mark.parametrize("content", (CORPUS | WELL_SUMMED).values(), ids=(CORPUS | WELL_SUMMED).keys())
def test_a_damaged_file_is_refused_with_advice_and_left_alone(state_dir: Path, content: bytes) -> None:
    path = state_dir / "state.json"
    path.write_bytes(content)
    names = sorted(state_dir.iterdir())

    for error in refusals(state_dir, deep=content in CORPUS.values()):
        assert isinstance(error, StateDamaged)
        assert str(path) in str(error)
        assert "\n" not in str(error)
        assert "plabctl doctor --restore" in error.hint
        assert error.exit_code == 74
    assert path.read_bytes() == content
    assert sorted(state_dir.iterdir()) == names


def test_the_corpus_is_damaged_by_what_it_says_and_not_by_how_it_is_made(state_dir: Path) -> None:
    alone = put_alone(state_dir, GOOD)

    assert open_store(alone).head() is not None
    assert list(open_store(alone).snapshot().names()) == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_and_any_cut_is_found(state_dir: Path, data: st.DataObject) -> None:
    path = state_dir / "state.json"
    sound = (state_dir / "state.json.previous").read_bytes()
    place = data.draw(st.integers(0, len(sound) - 1))
    if data.draw(st.booleans()):
        content = sound[:place]
    else:
        bit = 1 << data.draw(st.integers(0, 7))
        content = sound[:place] + bytes([sound[place] ^ bit]) + sound[place + 1 :]
    path.write_bytes(content)

    for way in (open_store(state_dir).head, open_store(state_dir).snapshot):
        with pytest.raises((StateDamaged, StateTooNew)):
            way()


def test_a_state_of_a_later_version_is_refused_whatever_its_shape(state_dir: Path) -> None:
    content = b'{"plabctl":{"schema_version":%d,"shape":"unheard of"}}' % (SCHEMA_VERSION + 1)
    (state_dir / "state.json").write_bytes(content)

    for error in refusals(state_dir):
        assert isinstance(error, StateTooNew)
        assert "use the plabctl that wrote it" in error.hint
    with pytest.raises(StateTooNew):
        open_store(state_dir).restore()
    assert (state_dir / "state.json").read_bytes() == content


def test_a_state_of_an_earlier_version_is_brought_forward_step_by_step(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renamed(found: tables.Tables) -> tables.Tables:
        return {**found, "notes": {"was": {"version": 2}}}

    newer = SCHEMA_VERSION + 2
    monkeypatch.setattr(tables, "SCHEMA_VERSION", newer)
    monkeypatch.setattr(storage, "SCHEMA_VERSION", newer)
    monkeypatch.setattr(head, "SCHEMA_VERSION", newer)
    monkeypatch.setattr(tables, "MIGRATIONS", {SCHEMA_VERSION: renamed, SCHEMA_VERSION + 1: lambda found: found})

    assert open_store(state_dir).snapshot().notes == {"was": {"version": 2}}
    commit(state_dir, "t4")
    found = open_store(state_dir).head()
    assert found is not None
    assert found.schema_version == newer


def test_a_state_of_version_1_is_read_and_brought_forward_by_the_next_commit(state_dir: Path) -> None:
    nodes = b'"nodes":{"n1":{"member":{"pool":"good","since_at":1.0,"due_at":2.0}}}'
    claim = b'"claims":{"n1":{"token":"t","slot":1,"tick":"k","boot":"b","pool":"good","recipe":"process",'
    claim += b'"vnode":"plabctl-t","started_at":1.0,"deadline_at":9.0}}'
    body = BODY.replace(b'"nodes":{}', nodes).replace(b'"claims":{}', claim)
    (state_dir / "state.json").write_bytes(with_head(body, nodes=1, rev=7))

    state = open_store(state_dir).snapshot()
    assert (state.member("n1"), state.rev) == (Member("n1", "good", 1.0, 2.0), 7)
    assert state.find_rev("n1") == 0, "it has not changed since revs are kept"
    assert (state.claims["n1"].goal, dict(state.experiments), list(state.vnodes())) == (Goal.TEST, {}, [])

    commit(state_dir, "t4")
    found = open_store(state_dir).head()
    assert found is not None
    assert (found.schema_version, found.rev) == (SCHEMA_VERSION, 8)
    previous = open_store(state_dir).previous()
    assert previous is not None
    assert (previous.schema_version, previous.rev) == (1, 7), "what the earlier version wrote is kept"
    assert open_store(state_dir).snapshot().claims == state.claims


def test_a_lost_state_with_a_previous_generation_is_damaged_and_not_empty(state_dir: Path) -> None:
    (state_dir / "state.json").unlink()

    for error in refusals(state_dir):
        assert isinstance(error, StateDamaged)
        assert "is gone" in str(error)
    assert not (state_dir / "state.json").exists()


def test_a_file_of_absurd_size_is_refused_before_it_is_read(state_dir: Path) -> None:
    with (state_dir / "state.json").open("r+b") as file:
        file.truncate(2**40)  # a hole: it takes no space

    for error in refusals(state_dir):
        assert isinstance(error, StateDamaged)
        assert "at most" in str(error)


def test_an_entry_of_unknown_shape_is_named_when_it_is_asked_for(state_dir: Path) -> None:
    nodes = b'"nodes":{"n1":{"member":{"pool":"good","since_at":1,"due_at":1,"surprise":2}}}'
    alone = put_alone(state_dir, with_head(BODY.replace(b'"nodes":{}', nodes), nodes=1))
    state = open_store(alone).snapshot()

    for ask in (lambda: state.member("n1"), lambda: list(state.members())):
        with pytest.raises(StateDamaged, match="'n1' in 'nodes'"):
            ask()


def test_an_entry_that_lacks_what_a_list_shows_is_told_by_every_list(state_dir: Path) -> None:
    nodes = b'"nodes":{"n1":{"member":{}}}'
    alone = put_alone(state_dir, with_head(BODY.replace(b'"nodes":{}', nodes), nodes=1))
    state = open_store(alone).snapshot()

    lists: list[Callable[[], object]] = [
        lambda: list(state.select(NODE_FACTS)),
        state.counts,
        lambda: state.due(NOW),
        lambda: list(state.members()),
        lambda: list(state.select(PLACEMENT)),
    ]
    for ask in lists:
        with pytest.raises(StateDamaged, match="in 'nodes'"):
            ask()


def test_restore_brings_the_previous_generation_back(state_dir: Path) -> None:
    path = state_dir / "state.json"
    path.write_bytes(b"{}")

    restored = open_store(state_dir).restore()

    state = open_store(state_dir).snapshot()
    assert state.tick == make_mark("t3"), "nothing is lost: the journal of the previous generation goes on from it"
    assert state.rev == restored.rev == 4, "the count of commits does not go back"
    assert restored.kept is not None
    assert Path(restored.kept).read_bytes() == b"{}"
    commit(state_dir, "t4")
    assert open_store(state_dir).snapshot().tick == make_mark("t4")


def test_restore_brings_a_lost_state_back(state_dir: Path) -> None:
    (state_dir / "state.json").unlink()

    assert open_store(state_dir).restore().kept is None
    assert open_store(state_dir).snapshot().tick == make_mark("t3")


def test_restore_brings_the_previous_generation_back_alone_where_no_journal_is_whole(state_dir: Path) -> None:
    for path in (state_dir / "state.json", *state_dir.glob("state.journal.*")):
        path.write_bytes(b"{}")

    restored = open_store(state_dir).restore()

    assert (restored.found.rev, open_store(state_dir).snapshot().tick) == (2, make_mark("t2"))


def test_the_damaged_file_is_kept_once_however_often_it_is_restored(state_dir: Path) -> None:
    for _ in range(3):
        (state_dir / "state.json").write_bytes(b"the same damage")
        open_store(state_dir).restore()

    assert len(list(state_dir.glob("state.json.damaged-*"))) == 1


def test_a_sound_state_is_not_restored(state_dir: Path) -> None:
    before = (state_dir / "state.json").read_bytes()

    with pytest.raises(Refused, match="is sound"):
        open_store(state_dir).restore()
    assert (state_dir / "state.json").read_bytes() == before


def test_there_is_nothing_to_restore_where_nothing_was_written(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no state"):
        open_store(tmp_path / "state").restore()


@pytest.mark.parametrize(
    ("previous", "what"),
    [(b"", "nothing was restored"), (b"{}", "nothing was restored"), (None, "has no previous generation")],
    ids=["empty", "object", "missing"],
)
def test_without_a_sound_previous_generation_restore_changes_nothing(
    state_dir: Path, previous: bytes | None, what: str
) -> None:
    path = state_dir / "state.json.previous"
    path.unlink()
    if previous is not None:
        path.write_bytes(previous)
    (state_dir / "state.json").write_bytes(b"{}")
    names = sorted(state_dir.iterdir())

    with pytest.raises(StateDamaged, match=what) as caught:
        open_store(state_dir).restore()

    assert "--restore" not in caught.value.hint
    assert (state_dir / "state.json").read_bytes() == b"{}"
    assert sorted(state_dir.iterdir()) == names


@pytest.mark.parametrize("rev", [1, 99], ids=["older than its journal", "the latest"])
def test_a_state_with_an_unreadable_entry_can_be_restored(state_dir: Path, rev: int) -> None:
    nodes = b'"nodes":{"n1":{"member":{"pool":7}}}'
    (state_dir / "state.json").write_bytes(with_head(BODY.replace(b'"nodes":{}', nodes), nodes=1, rev=rev))

    open_store(state_dir).restore()

    assert open_store(state_dir).snapshot().member("n1") == make_member()


@pytest.mark.parametrize("error", [MemoryError(), ValueError("Not enough memory to allocate buffer for parsing")])
def test_a_state_that_there_is_no_memory_for_is_not_called_damaged(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: bytes) -> object:
        raise error

    monkeypatch.setattr(tables, "_loads", fail)

    for refusal in refusals(state_dir, deep=False):
        assert not isinstance(refusal, StateDamaged)
        assert "cannot allocate memory" in str(refusal)
        assert "restore" not in refusal.hint
