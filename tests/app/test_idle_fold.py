"""A tick that has nothing else to do folds a long journal, and nothing keeps it from being idle otherwise."""

import time
from pathlib import Path

import pytest

from plabctl.app.background import Background
from plabctl.app.invocation import end_idle, tick
from plabctl.clock import SystemClock
from plabctl.core.state import Changes
from plabctl.store.store import Store
from tests.builders import make_member, make_node

NODE_COUNT = 1200
LONG, SHORT = 240, 30


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "plabctl.toml"
    path.write_text(
        'state_dir = "state"\n[pool.good]\nkind = "good"\non_fail = "bad"\nrecipe = "it"\n[pool.bad]\nkind = "bad"\n'
        'on_pass = "good"\nrecipe = "it"\n[recipe.it]\ntransport = "local"\ncheck = { run = "true" }\n'
    )
    return str(path)


def change_nodes(store: Store, first: int, last: int) -> None:
    now = time.time()
    names = [f"n{number}" for number in range(first, last)]
    with store.session() as state:
        fresh = tuple(make_node(name, site="oslo" * 40) for name in names if not state.node(name))
        members = tuple(make_member(name, since_at=now, due_at=now + 1800.0, probed_at=now) for name in names)
        state.apply(Changes(nodes=fresh, members=members))


@pytest.mark.parametrize(("changed_count", "is_folded"), [(LONG, True), (SHORT, False)])
def test_an_idle_tick_folds_a_long_journal_once(
    config: str, tmp_path: Path, changed_count: int, is_folded: bool
) -> None:
    store = Store(tmp_path / "state", SystemClock())
    change_nodes(store, 0, NODE_COUNT)
    change_nodes(store, 0, 1)  # there is a previous generation from now on
    change_nodes(store, 0, changed_count)
    before = list(store.snapshot().members())
    rev = (tmp_path / "state" / "state.json").read_bytes()[:200]

    assert end_idle(config) is not is_folded
    assert tick(config, Background(may_outlive=False)) == 0

    assert ((tmp_path / "state" / "state.json").read_bytes()[:200] != rev) is is_folded
    assert list(Store(tmp_path / "state", SystemClock()).snapshot().members()) == before
    assert end_idle(config), "there is nothing left to fold, or never was"
