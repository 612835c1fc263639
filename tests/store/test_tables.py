"""The tables are read by whichever reader is at hand, and say when a tick has to wake."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

from plabctl.core.experiments.model import Experiment, Vnode, VnodeState
from plabctl.core.state import Changes
from plabctl.errors import StateDamaged
from plabctl.store.store import Store
from plabctl.store.tables import pause_collection
from tests.builders import NOW, make_member, make_node
from tests.manual_clock import ManualClock
from tests.store.test_damage import BODY, with_head

NODES = Changes(
    nodes=tuple(make_node(name) for name in ("n1", "n2", "n3")),
    members=tuple(make_member(f"n{number}", due_at=NOW + 50 - abs(number - 2)) for number in (1, 2, 3)),
)
VNODE = Changes(
    experiments=(Experiment("exp", "process", "ada", NOW, nodes=("n1",)),),
    vnodes=(Vnode("exp", "n1", VnodeState.PENDING, NOW, NOW + 40),),
)
NOTES = Changes(notes={"later": {"due_at": NOW + 30}, "never": {"due_at": "soon"}, "other": {}})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state", ManualClock(NOW))


def test_a_tick_wakes_for_whatever_is_due_first(store: Store) -> None:
    found = []
    for changes in (NODES, VNODE, NOTES):
        with store.session() as session:
            session.apply(changes)
        head = store.head()
        assert head is not None
        found.append(head.wake_at)

    assert found == [NOW + 49, NOW + 40, NOW + 30]


@pytest.mark.parametrize("is_quick", [False, True], ids=["json", "orjson"])
def test_both_readers_refuse_what_is_no_number(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_quick: bool
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    content = with_head(BODY.replace(b'"notes":{}', b'"notes":{"a":{"x":NaN}}'))
    (tmp_path / "state" / "state.json").write_bytes(content)
    if not is_quick:
        monkeypatch.delitem(sys.modules, "orjson", raising=False)

    with pytest.raises(StateDamaged, match="it is no JSON document"):
        store.snapshot()


def test_a_small_state_is_read_without_the_package_json(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "orjson", raising=False)
    monkeypatch.setattr(json, "loads", None)
    with store.session() as session:
        session.apply(NODES)
        session.apply(Changes(notes={"a": {"text": 'ä\u2028\U0001f600"', "x": -1.5e-7, "y": 2**62, "z": [True, None]}}))

    assert store.snapshot().notes["a"]["x"] == -1.5e-7
    assert json.JSONDecoder().decode((tmp_path / "state" / "state.json").read_text())["notes"] == store.snapshot().notes


def test_the_quick_reader_reads_all_once_it_is_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.session() as session:
        session.apply(NODES)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the slow one was asked")

    monkeypatch.setattr(json, "loads", refuse)
    assert sorted(store.snapshot().names()) == ["n1", "n2", "n3"]


def test_the_quick_reader_is_loaded_for_a_large_state_only(store: Store, tmp_path: Path) -> None:
    program = (
        "import sys; from plabctl.store.store import Store; from plabctl.clock import SystemClock\n"
        f"Store({str(tmp_path / 'state')!r}, SystemClock()).snapshot(); print('orjson' in sys.modules)"
    )
    found = []
    for size in (10, 2_000_000):
        with store.session() as session:
            session.apply(Changes(notes={"a": {"text": "x" * size}}))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        found.append(done.stdout)

    assert found == ["False\n", "True\n"]


def test_the_collector_of_garbage_rests_while_documents_are_loaded_and_only_then() -> None:
    with pause_collection():
        assert not gc.isenabled()
        with pause_collection():
            pass
        assert not gc.isenabled(), "it rested before, too"
    assert gc.isenabled()
