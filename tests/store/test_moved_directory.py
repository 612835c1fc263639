"""A process whose state directory is moved away, or replaced, stops: it neither makes another nor writes into one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store.store import Store
from tests.builders import NOW, make_member, make_node
from tests.cli.console import CONFIG, Desk
from tests.manual_clock import ManualClock

ONE = Changes(nodes=(make_node(),), members=(make_member(due_at=NOW),))
MOVED = "was moved or replaced since this command first used it"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store(tmp_path / "state", ManualClock(NOW)).session() as session:
        session.apply(ONE)
    return Store(tmp_path / "state", ManualClock(NOW))


def commit(store: Store) -> None:
    with store.session() as session:
        session.apply(Changes(members=(make_member(due_at=NOW + 1),)))


@pytest.mark.parametrize("use", [commit, Store.beat, Store.snapshot, Store.head], ids=lambda use: use.__name__)
@pytest.mark.parametrize("write", [commit, Store.beat], ids=lambda write: write.__name__)
@pytest.mark.parametrize("is_replaced", [False, True], ids=["moved", "replaced"])
def test_whoever_has_used_a_directory_writes_into_no_other(
    store: Store,
    tmp_path: Path,
    use: Callable[[Store], object],
    write: Callable[[Store], object],
    is_replaced: bool,
) -> None:
    state = tmp_path / "state"
    use(store)
    state.rename(tmp_path / "moved")
    if is_replaced:
        state.mkdir(0o700)

    with pytest.raises(StoreError, match=MOVED):
        write(store)

    assert list(tmp_path.glob("state/**")) == ([state] if is_replaced else [])


def test_one_that_was_missing_at_the_first_look_is_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "state", ManualClock(NOW))
    assert store.snapshot().rev == 0

    with store.session() as session:
        session.apply(ONE)

    assert store.snapshot().rev == 1


def test_a_tick_whose_directory_goes_while_it_tests_says_so_and_makes_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for name in ("page", "texts"):
        (tmp_path / name).mkdir()
    others = (
        f'[report]\nstatus_file = "{tmp_path}/texts/status.json"\ndir = "{tmp_path}/page"\n'
        f'[[sink]]\nkind = "textfile"\npath = "{tmp_path}/texts/plabctl.prom"\n'
        '[[sink]]\nkind = "command"\non = ["node-added"]\ncommand = ["true"]\n'
    )
    desk.config.write_text(CONFIG.replace("echo 'hello [/x] from' {node}", "mv state moved") + others)
    desk.ok("node", "add", "pc1")

    said = desk.run("tick")

    assert said.code == 74
    assert MOVED in said.err.splitlines()[0]
    assert not (tmp_path / "state").exists()
    assert (tmp_path / "moved" / "state.json").exists()
    assert [node["name"] for node in json.loads((tmp_path / "texts" / "status.json").read_text())["nodes"]] == ["pc1"]
