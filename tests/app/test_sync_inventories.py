import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plabctl.app.context import App
from plabctl.app.invocation import is_idle
from plabctl.app.plan_inventories import make_key_finder, plan_sources
from plabctl.app.sync_inventories import sync_inventories
from plabctl.core.model import Member
from plabctl.core.settings import InventorySettings
from plabctl.core.source_note import make_source_note
from plabctl.core.state import Changes
from plabctl.errors import InventoryFault
from plabctl.inventories.fetch import fetch
from plabctl.values import replace
from tests.app.installation import Installation
from tests.builders import make_inventory, make_occupancy
from tests.lab.fork_server import ForkedProcess
from tests.lab.wait_until import wait_until


def with_list(folder: Path, *lines: str) -> Installation:
    listing = folder / "nodes.txt"
    listing.write_text("".join(f"{line}\n" for line in lines))
    source = make_inventory("file", path=str(listing), every_s=300.0)
    return Installation(folder, inventories=(source,))


def forget_reading(here: Installation) -> None:
    for stamp in here.app.state_dir.glob("inventory-*"):
        stamp.unlink()


def read_again(here: Installation, *lines: str) -> None:
    """Let another reading come, of these lines."""
    (here.app.state_dir.parent / "nodes.txt").write_text("".join(f"{line}\n" for line in lines))
    forget_reading(here)
    here.tick()


def configure(here: Installation, *inventories: InventorySettings) -> None:
    here.settings = replace(here.settings, inventories=inventories)
    here.app = App(here.settings, here.clock, here.store)
    forget_reading(here)


def find_member(here: Installation, name: str) -> Member:
    member = here.store.snapshot().member(name)
    assert member is not None
    return member


def test_listed_nodes_join_and_are_tested_by_the_same_tick(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2 site=oslo")

    here.tick()

    assert here.pools() == {"n1": "good", "n2": "good"}
    node = here.store.snapshot().node("n2")
    assert node is not None
    assert node.site == "oslo"


def test_a_node_that_is_listed_no_more_is_absent_then_leaves_and_a_persons_node_stays(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2", "n3")
    here.add("own")
    here.tick()

    read_again(here, "n1", "n2")

    assert set(here.pools()) == {"n1", "n2", "n3", "own"}
    assert find_member(here, "n3").absent_since_at is not None
    with here.store.session() as state:
        absent = replace(find_member(here, "n3"), absent_since_at=here.clock.now() - 86_400.0)
        state.apply(Changes(members=(absent,)))
    read_again(here, "n1", "n2")
    assert set(here.pools()) == {"n1", "n2", "own"}


def test_an_inventory_that_blinks_leaves_a_node_as_it_was(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2", "n3")
    here.tick()
    before = find_member(here, "n3")

    read_again(here, "n1", "n2")
    read_again(here, "n1", "n2", "n3")

    assert find_member(here, "n3") == before


def test_a_reading_with_nothing_new_commits_nothing(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2", "n3")
    here.tick()
    rev = here.store.snapshot().rev

    read_again(here, "n1", "n2", "n3")

    assert here.store.snapshot().rev == rev


def test_a_reading_with_nothing_new_takes_few_steps_a_node(tmp_path: Path) -> None:
    count = 1000
    here = with_list(tmp_path, *(f"n{number}.example.org site=oslo rack={number}" for number in range(count)))
    app = here.app
    sync_inventories(app, app.settings.inventories)
    (source,) = app.settings.inventories
    steps = Counter[str]()
    state, found = app.store.snapshot(), fetch(source, app.settings.origin)

    sys.setprofile(lambda _frame, event, _function: steps.update([event]))
    try:
        plans = plan_sources(app, state, [(source, found)], make_key_finder(app))
    finally:
        sys.setprofile(None)

    assert not any(plans)
    assert (steps["call"] + steps["c_call"]) / count < 45  # it was 34


def test_a_file_that_moves_and_a_source_that_gets_a_name_keep_their_nodes(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1 ssh_host=10.0.0.1", "n2")
    here.tick()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "nodes.txt").write_text("n1 ssh_host=10.0.0.9\nn3\n")
    old = here.app.settings.inventories[0]
    moved = replace(make_inventory("file", path=str(tmp_path / "new" / "nodes.txt")), name="racks", aliases=(old.name,))
    configure(here, moved)

    here.tick()

    nodes = {node.name: (node.source, dict(node.variables)) for node in here.store.snapshot().nodes()}
    assert nodes["n1"] == ("racks", {"ssh_host": "10.0.0.9"})
    assert nodes["n3"] == ("racks", {})
    assert find_member(here, "n2").absent_since_at is not None


def test_a_node_goes_over_to_the_source_that_lists_it_now(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2")
    other = tmp_path / "other.txt"
    other.write_text("m1\n")
    configure(here, *here.settings.inventories, make_inventory("file", path=str(other)))
    here.tick()
    before = find_member(here, "n2")
    other.write_text("m1\nn2\n")

    read_again(here, "n1")

    assert find_member(here, "n2") == before
    sources = {node.name: node.source for node in here.store.snapshot().nodes()}
    assert sources["n2"] == f"file:{other}"


@pytest.mark.parametrize("order", [1, -1])
def test_a_node_goes_over_to_another_source_under_another_name_too(tmp_path: Path, order: int) -> None:
    here = with_list(tmp_path, "n1", "n2 ssh_host=10.0.0.2")
    other = tmp_path / "other.txt"
    other.write_text("m1\n")
    configure(here, *[*here.settings.inventories, make_inventory("file", path=str(other))][::order])
    here.tick()
    before = find_member(here, "n2")
    other.write_text("m1\nweb ssh_host=10.0.0.2\n")

    read_again(here, "n1")

    assert find_member(here, "web") == replace(before, node="web")
    assert here.store.snapshot().names() == {"n1", "m1", "web"}


def test_a_new_node_that_two_sources_list_is_of_the_first(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1 site=a")
    other = tmp_path / "other.txt"
    other.write_text("n1 site=b\n")
    configure(here, *here.settings.inventories, make_inventory("file", path=str(other)))

    here.tick()

    node = here.store.snapshot().node("n1")
    assert node is not None
    assert (node.source, dict(node.variables)) == (here.settings.inventories[0].name, {"site": "a"})
    assert not here.history("node-changed")


def test_full_names_in_place_of_short_ones_are_the_same_nodes(tmp_path: Path) -> None:
    here = with_list(tmp_path, *(f"n{number}" for number in range(20)))
    here.tick()
    before = find_member(here, "n7")

    read_again(here, *(f"n{number}.example.org" for number in range(20)))

    assert set(here.pools()) == {f"n{number}.example.org" for number in range(20)}
    assert find_member(here, "n7.example.org") == replace(before, node="n7.example.org")


def test_a_busy_node_stays_busy_under_another_name_until_its_use_is_read_again(tmp_path: Path) -> None:
    here = with_list(tmp_path, "pc1", "pc2")
    (tmp_path / "busy").write_text("pc1\n")
    desk = make_occupancy(command=("/bin/cat", str(tmp_path / "busy")), every_s=3600.0)
    here.settings = replace(here.settings, occupancies=(desk,))
    here.app = App(here.settings, here.clock, here.store)
    here.tick()

    read_again(here, "pc1.lab", "pc2.lab")

    assert find_member(here, "pc1.lab").last is None
    assert find_member(here, "pc2.lab").last
    (tmp_path / "busy").write_text("")
    for stamp in here.app.state_dir.glob("occupancy-*"):
        stamp.unlink()
    here.tick()
    assert find_member(here, "pc1.lab").last


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


def test_the_message_of_a_program_that_failed_is_no_list(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1", "n2")
    here.tick()
    for _ in range(5):
        with pytest.raises(
            InventoryFault, match=r"no row can be used, so nothing is changed: .*nodes\.txt:1: 'refused' is"
        ):
            read_again(here, "Connection refused")

    assert all(find_member(here, name).absent_since_at is None for name in ("n1", "n2"))


def test_one_bad_row_costs_no_other_node_and_the_node_in_it_stays_as_it_is(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1 site=oslo", "n2")
    here.tick()
    (tmp_path / "nodes.txt").write_text("N1 ssh_port=x\nn2 site=rome\nn3\n")
    forget_reading(here)

    with pytest.raises(InventoryFault, match=r"^inventory: 1 row left out: .*nodes\.txt:1: ssh_port is 'x'"):
        here.tick()

    assert here.pools() == {"n1": "good", "n2": "good", "n3": "good"}
    assert {node.name: node.site for node in here.store.snapshot().nodes()} == {"n1": "oslo", "n2": "rome", "n3": None}
    note = make_source_note(here.app.settings.inventories[0].name).read(here.store.snapshot().notes)
    assert "1 row left out" in note.fault


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


SLOW = "echo $$ >>{0}/readings; while test -e {0}/wait; do sleep 0.02; done; echo n1"
"""A reading that takes as long as a file is there, and is counted."""


@contextmanager
def reading_slowly(folder: Path) -> Iterator[tuple[Installation, ForkedProcess]]:
    """Give an installation whose inventory a tick is reading, and that tick."""
    (folder / "wait").touch()
    command = ("sh", "-c", SLOW.format(folder))
    source = make_inventory("command", command=command, every_s=300.0, timeout_s=20.0)
    here = Installation(folder, inventories=(source,))
    here.add("own")
    tick = here.spawn_tick()
    try:
        assert wait_until(lambda: count_readings(folder) == 1)
        yield here, tick
    finally:
        (folder / "wait").unlink(missing_ok=True)
        tick.kill()
        tick.communicate()


def count_readings(folder: Path) -> int:
    path = folder / "readings"
    return len(path.read_text().split()) if path.exists() else 0


def test_a_source_that_a_tick_is_reading_is_left_to_it(tmp_path: Path) -> None:
    with reading_slowly(tmp_path) as (here, tick):
        here.tick()
        assert here.pools() == {"own": "good"}, "this tick goes on with what there is"
        assert count_readings(tmp_path) == 1
        (tmp_path / "wait").unlink()
        assert tick.wait(30) == 0
        assert here.pools() == {"own": "good", "n1": "good"}
        here.tick()
        assert count_readings(tmp_path) == 1


def test_a_tick_that_was_killed_keeps_no_source_from_being_read(tmp_path: Path) -> None:
    with reading_slowly(tmp_path) as (here, tick):
        tick.kill()
        tick.wait()
        (tmp_path / "wait").unlink()
        here.tick()
        assert here.pools() == {"own": "good", "n1": "good"}
        assert count_readings(tmp_path) == 2


def test_a_tick_that_was_stopped_keeps_a_source_for_no_longer_than_readings_take(tmp_path: Path) -> None:
    with reading_slowly(tmp_path) as (here, tick):
        tick.send_signal(signal.SIGSTOP)
        (tmp_path / "wait").unlink()
        here.tick()
        assert count_readings(tmp_path) == 1
        [lock] = here.app.state_dir.glob("inventory-*.lock")
        long_ago = time.time() - 100.0
        os.utime(lock, (long_ago, long_ago))
        here.tick()
        assert here.pools() == {"own": "good", "n1": "good"}


def test_a_node_with_a_known_host_key_is_the_same_node_under_another_name_and_address(tmp_path: Path) -> None:
    here = with_list(tmp_path, "n1 ssh_host=10.0.0.1", "n2")
    here.tick()
    before = find_member(here, "n1")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPvlhvQ2B0jCZbmLHFJ0MZh7VB9Lp4V5WkO0g9E1wW5t"
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"10.0.0.1 {key}\n10.0.0.9 {key}\n")
    here.settings = replace(here.settings, ssh=replace(here.settings.ssh, known_hosts=str(known_hosts)))
    configure(here, *here.settings.inventories)

    read_again(here, "rack7 ssh_host=10.0.0.9", "n2")

    after = find_member(here, "rack7")
    assert (after.pool, after.since_at, after.ok_streak) == (before.pool, before.since_at, before.ok_streak + 1), (
        "it was tested at once at its new address, and the rest is as it was"
    )
