"""A state directory on a network file system is refused, unless somebody wrote that locks hold there."""

import os
from pathlib import Path

import pytest

from plabctl.clock import ManualClock
from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store import mounts
from plabctl.store.store import Store
from tests.builders import make_mark


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 0:20 / / rw - ext4 /dev/vda rw\n"
        "23 22 0:21 / /srv rw shared:1 - nfs4 server:/srv rw\n"
        "24 23 0:22 / /srv/my\\040state rw - tmpfs none rw\n"
    )

    assert mounts.file_system_of(Path("/srv/plabctl"), table) == "nfs4"
    assert mounts.file_system_of(Path("/srv/my state/x"), table) == "tmpfs"
    assert mounts.file_system_of(Path("/srvx"), table) == "ext4"
    assert mounts.file_system_of(Path("/"), tmp_path / "none") is None
    table.write_text("22 1 0:20 / / rw - ext4 /dev/vda rw\n23 22 0:21 / / rw - overlay over rw\n")
    assert mounts.file_system_of(Path("/srv"), table) == "overlay", "what was mounted last is seen"


@pytest.mark.parametrize("name", ["données", "a\u00a0b", "a\u2028b", "tab\\011", "back\\134slash"], ids=ascii)
def test_a_mount_of_any_name_is_recognised(tmp_path: Path, name: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 0:20 / / rw - ext4 /dev/vda rw\n23 22 0:21 / /srv/{name} rw - nfs4 server:/srv rw\n")
    there = name.replace("\\011", "\t").replace("\\134", "\\")

    assert mounts.file_system_of(Path(f"/srv/{there}/plabctl"), table) == "nfs4"


def test_the_innermost_mount_counts_in_any_order_and_lines_of_another_form_do_not(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "24 23 0:22 / /srv/inner rw - nfs4 none rw\n"
        "23 22 0:21 / /srv rw - tmpfs none rw\n"
        "\n1 2 3 /srv/inner/x - short\n1 2 3 / /srv/inner/x rw open\n"
    )

    assert mounts.file_system_of(Path("/srv/inner/x/y"), table) == "nfs4"


def commit(state_dir: Path, **how: bool) -> None:
    with Store(state_dir, ManualClock(), **how).session() as session:
        session.apply(Changes(tick=make_mark()))


def test_on_a_network_disk_nothing_is_changed_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(tmp_path / "state")
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 0:20 / / rw - ext4 /dev/vda rw\n23 22 0:21 / {tmp_path} rw - nfs4 server:/srv rw\n")
    monkeypatch.setattr(mounts.file_system_of, "__defaults__", (str(table),))
    monkeypatch.setattr(os, "major", lambda device: 0)

    with pytest.raises(StoreError, match="is on nfs4, where locks may not hold") as caught:
        commit(tmp_path / "state")
    assert "network_disk = true" in caught.value.hint
    store = Store(tmp_path / "state", ManualClock())
    assert store.snapshot().rev == 1, "it can be looked at"

    commit(tmp_path / "state", network_disk=True)
    assert store.snapshot().rev == 1 + 1
