"""Real ticks under the adaptive back-off: the scale is kept in the state, and what was seen of a node too."""

from dataclasses import replace
from pathlib import Path

from plabctl.core import adaptive_scale
from plabctl.core.backoffs.adaptive import ADAPTIVE
from tests.app.installation import Installation
from tests.builders import make_settings


def make_installation(folder: Path) -> Installation:
    pools = {
        name: replace(pool, backoff=ADAPTIVE.default(is_good=pool.kind.is_good))
        for name, pool in make_settings().pools.items()
    }
    return Installation(folder, pools=pools)


def test_a_tick_looks_at_the_scale_and_the_next_one_draws_by_it(tmp_path: Path) -> None:
    here = make_installation(tmp_path)
    here.add("n1", "n2", "n3")
    here.tick()
    here.make_due()
    here.tick()
    scale = adaptive_scale.read_scale(here.store.snapshot())

    assert 0 < scale < adaptive_scale.FIRST_SCALE, "three quick nodes leave most of the window free"
    assert here.member("n1").interval_s >= 120


def test_a_confirmed_change_is_remembered_in_the_state_file(tmp_path: Path) -> None:
    here = make_installation(tmp_path)
    here.add("n1")
    here.tick()
    here.break_node("n1")
    here.make_due()
    here.tick()
    spells = here.member("n1").uptime

    assert here.pools() == {"n1": "bad"}
    assert spells is not None
    assert spells.good_count == 1
    assert 0.99 < spells.bad_count <= 1


def test_no_scale_is_kept_where_no_pool_adapts(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    here.tick()

    assert adaptive_scale.SCALE_NOTE.topic not in here.store.snapshot().notes
    assert here.member("n1").uptime is None
