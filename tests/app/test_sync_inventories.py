from pathlib import Path

import pytest

from plabctl.app.idle import is_idle
from plabctl.errors import InventoryFault
from tests.app.installation import Installation
from tests.builders import make_inventory


def with_list(folder: Path, *lines: str) -> Installation:
    listing = folder / "nodes.txt"
    listing.write_text("".join(f"{line}\n" for line in lines))
    source = make_inventory("file", path=str(listing), every_s=300.0)
    return Installation(folder, inventories=(source,))


def forget_reading(here: Installation) -> None:
    from plabctl.core.state import Changes

    with here.store.session() as state:
        state.apply(Changes(notes=dict.fromkeys(state.notes)))


def test_listed_nodes_join_and_are_tested_by_the_same_tick(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2 site=oslo")

    here.tick()

    assert here.pools() == {"n1": "good", "n2": "good"}
    node = here.store.snapshot().node("n2")
    assert node is not None
    assert node.site == "oslo"


def test_a_node_that_is_listed_no_more_leaves_and_a_persons_node_stays(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2", "n3")
    here.add("own")
    here.tick()
    (tmp_path / "nodes.txt").write_text("n1\nn2\n")
    forget_reading(here)

    here.tick()

    assert set(here.pools()) == {"n1", "n2", "own"}


def test_a_source_that_fails_changes_nothing_and_the_tick_goes_on(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1")
    here.tick()
    (tmp_path / "nodes.txt").unlink()
    forget_reading(here)
    here.add("own")

    with pytest.raises(InventoryFault, match=r"nodes\.txt: cannot be read"):
        here.tick()

    assert here.pools() == {"n1": "good", "own": "good"}


def test_a_source_that_suddenly_lists_nothing_is_not_believed(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2")
    here.tick()
    (tmp_path / "nodes.txt").write_text("")
    forget_reading(here)

    with pytest.raises(InventoryFault, match="not believed"):
        here.tick()

    assert set(here.pools()) == {"n1", "n2"}


def test_an_inventory_is_read_at_its_interval_and_a_tick_in_between_is_idle(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1")
    assert not is_idle(here.app)

    here.tick()

    assert is_idle(here.app)
