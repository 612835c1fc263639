"""The state directory as whole ticks and orders leave it: no link is followed, modes are ours, sizes are bounded."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from plabctl.app import change_nodes as use
from plabctl.app.background import Background
from plabctl.app.invocation import tick as whole_tick
from plabctl.core.histogram import find_class
from plabctl.errors import PlabctlError, StoreError
from plabctl.store.tick_log import enter_tick
from tests.app.installation import Installation
from tests.builders import make_order
from tests.state_files import read_tables

PATHS = [
    "state.json", "state.json.previous", "state.journal.*", "state.lock", "deliver.lock", "slots", "slots/0001",
    "ticks", "ticks/0001", "history.db", "history.db-wal", "history.db-shm", "history.db-journal", "last_tick",
]  # fmt: skip

MADE = ["state.lock", "deliver.lock", "slots/0001", "ticks/0001", "history.db", "last_tick"]
"""Where a link that leads nowhere could be followed to make something there."""


def everything(here: Installation) -> None:
    """Whatever writes the directory, be it refused."""
    for work in (
        lambda: use.retest(here.app, ["n1"], make_order(now=here.clock.now())),
        here.store.beat,
        lambda: entered_tick(here),
        here.store.restore,
    ):
        with suppress(PlabctlError, OSError):
            work()


def entered_tick(here: Installation) -> None:
    with enter_tick(here.app.state_dir, "boot", here.clock.now()):
        here.tick()


@pytest.mark.parametrize(("name", "is_there"), [*((name, True) for name in PATHS), *((name, False) for name in MADE)])
def test_no_planted_link_is_followed(tmp_path: Path, name: str, is_there: bool) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    entered_tick(here)
    path, victim = next((tmp_path / "state").glob(name), tmp_path / "state" / name), tmp_path / "victim"
    if path.exists():
        path.rename(victim)
    else:
        victim.write_text("precious")
    if not is_there:
        shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    path.symlink_to(victim)
    before = shown(victim)

    everything(here)

    assert shown(victim) == before


def shown(path: Path) -> object:
    if path.is_dir():
        return {each.name: shown(each) for each in path.iterdir()}
    return (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) if path.exists() else None


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_nobody_else_may_look_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    here = Installation(tmp_path)
    before = os.umask(umask)
    try:
        here.add("n1")
        here.store.beat()
        entered_tick(here)
        everything(here)
    finally:
        os.umask(before)

    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").rglob("*")}
    assert {
        "state.json",
        "state.lock",
        "deliver.lock",
        "history.db",
        "last_tick",
        "slots",
        "ticks",
        "0001",
    } <= found.keys()
    assert any(name.startswith("state.journal.") for name in found)
    assert {mode for name, mode in found.items() if name not in {"slots", "ticks"}} == {0o600}
    assert found["ticks"] == 0o700
    assert (found["slots"], stat.S_IMODE((tmp_path / "state").stat().st_mode)) == (0o700, 0o700)


def test_what_killed_processes_left_is_gone_after_a_day(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1")
    left = [f"state.tmp-{name}" for name in ("1-ab", "1-ab-previous", "history-1-ab", "history-1-ab-wal", "error-1-ab")]
    for name in left:
        path = tmp_path / "state" / name
        path.touch()
        os.utime(path, (1.0, 1.0))

    here.tick()

    assert {path.name for path in (tmp_path / "state").iterdir()} & set(left) == set()


def without_numbers(value: object) -> object:
    """Return a document in which all numbers are 0: how many digits one has depends on how busy the machine is."""
    if isinstance(value, dict):
        return {key: without_numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_numbers(part) for part in value]
    return 0 if type(value) in {int, float} else value


def test_the_state_does_not_grow_with_what_happened(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.add("n1", "n2")
    here.break_node("n1")
    sizes = []
    for _ in range(24):
        use.retest(here.app, ["n1", "n2"], make_order(now=here.clock.now()))
        here.tick()
        state = read_tables(tmp_path / "state")
        # The tallies have a place for each order of duration that was seen, and on a busy machine one more is seen.
        tallies = state["notes"]["deadlines"]["recipes"]["process"].pop("stages").values()
        assert all(len(histogram) <= find_class(60.0) for histogram in tallies)
        sizes.append(len(json.dumps(without_numbers(state))))

    assert max(sizes[12:]) <= max(sizes[:12])
    events = here.history()
    assert (tmp_path / "state/history.db").stat().st_size < 2000 * len(events) + 50_000, "some 1 KB for what happens"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a node that is due, on a file system that was mounted read-only since."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", place], check=True)
    try:
        here = Installation(place, setup=f"touch {tmp_path}/probed")
        here.add("n1")
        (place / "plabctl.toml").write_text('state_dir = "state"\n')
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        yield here
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.lab
def test_on_a_read_only_disk_everything_can_be_looked_at_and_nothing_is_probed(
    tmp_path: Path, read_only: Installation
) -> None:
    assert read_only.pools() == {"n1": "bad"}
    assert read_only.history() == []
    with pytest.raises(StoreError, match="read-only file system") as caught:
        whole_tick(str(read_only.folder / "plabctl.toml"), Background(may_outlive=False))
    assert caught.value.hint
    with pytest.raises(StoreError, match="read-only file system"):
        read_only.tick()

    assert not (tmp_path / "probed").exists()
