from pathlib import Path

import pytest

from plabctl.app.idle import is_idle
from plabctl.app.sync_inventories import make_inventory_note
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


def test_one_bad_row_costs_no_other_node_and_the_node_in_it_stays_as_it_is(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1 site=oslo", "n2")
    here.tick()
    (tmp_path / "nodes.txt").write_text("N1 ssh_port=x\nn2 site=rome\nn3\n")
    forget_reading(here)

    with pytest.raises(InventoryFault, match=r"^inventory: 1 row left out: .*nodes\.txt:1: ssh_port is 'x'"):
        here.tick()

    assert here.pools() == {"n1": "good", "n2": "good", "n3": "good"}
    assert {node.name: node.site for node in here.store.snapshot().nodes()} == {"n1": "oslo", "n2": "rome", "n3": None}
    assert "1 row left out" in (
        make_inventory_note(here.app.settings.inventories[0].name).read(here.store.snapshot().notes).fault or ""
    )


def test_a_node_that_is_listed_in_another_case_is_the_same_node(tmp_path: Path) -> None:
    here = with_list(tmp_path, "PC1.lab", "n2")
    here.tick()
    (tmp_path / "nodes.txt").write_text("pc1.LAB site=oslo\nn2\n")
    forget_reading(here)

    here.tick()

    assert {node.name: node.site for node in here.store.snapshot().nodes()} == {"PC1.lab": "oslo", "n2": None}


def test_an_inventory_is_read_at_its_interval_and_a_tick_in_between_is_idle(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1")
    assert not is_idle(here.app)

    here.tick()

    assert is_idle(here.app)
