"""A state directory on a file system that is not known to be local is refused, unless somebody allowed it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from plabctl.core.state import Changes
from plabctl.errors import StoreError
from plabctl.store import mounts
from plabctl.store.mounts import FileSystem, find_file_system
from plabctl.store.store import Store
from tests.builders import make_mark
from tests.manual_clock import ManualClock

ROOT = "22 1 0:20 / / rw - ext4 /dev/vda rw\n"
OVER_A_NETWORK = [
    "nfs", "nfs4", "cifs", "smb3", "afs", "ceph", "lustre", "gfs2", "ocfs2", "gpfs", "beegfs", "beegfs_nodev", "wekafs",
    "panfs", "virtiofs", "vboxsf", "orangefs", "pvfs2", "vxfs", "9p", "fuse", "fuse.ceph", "fuse.ceph-fuse",
    "fuse.glusterfs", "fuse.juicefs", "fuse.mergerfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse",
    "made-up-tomorrow",
]  # fmt: skip
LOCAL = ["ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "tmpfs", "overlay", "fuseblk", "fuse.fuse-overlayfs"]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of mounts in place of the kernel's."""
    path = tmp_path / "mountinfo"
    monkeypatch.setattr(mounts, "MOUNTINFO", str(path))
    return path


def kind_of(path: str) -> str:
    return find_file_system(Path(path)).kind


def test_the_file_system_is_that_of_the_innermost_mount(table: Path) -> None:
    table.write_text(
        f"{ROOT}"
        "23 22 0:21 / /srv rw shared:1 - nfs4 server:/srv rw\n"
        "24 23 0:22 / /srv/my\\040state rw - tmpfs none rw\n"
    )

    assert kind_of("/srv/plabctl") == "nfs4"
    assert kind_of("/srv/my state/x") == "tmpfs"
    assert kind_of("/srvx") == "ext4"
    table.write_text(f"{ROOT}23 22 0:21 / / rw - overlay over rw\n")
    assert kind_of("/srv") == "overlay", "what was mounted last is seen"


@pytest.mark.parametrize("name", ["données", "a\u00a0b", "a\u2028b", "tab\\011", "back\\134slash"], ids=ascii)
def test_a_mount_of_any_name_is_recognised(table: Path, name: str) -> None:
    table.write_text(f"{ROOT}23 22 0:21 / /srv/{name} rw - nfs4 server:/srv rw\n")
    there = name.replace("\\011", "\t").replace("\\134", "\\")

    assert kind_of(f"/srv/{there}/plabctl") == "nfs4"


def test_the_innermost_mount_counts_in_any_order_and_lines_of_another_form_do_not(table: Path) -> None:
    table.write_text(
        "24 23 0:22 / /srv/inner rw - nfs4 none rw\n"
        "23 22 0:21 / /srv rw - tmpfs none rw\n"
        "\n1 2 3 /srv/inner/x - short\n1 2 3 / /srv/inner/x rw open\n"
    )

    assert kind_of("/srv/inner/x/y") == "nfs4"


def test_a_mount_that_a_later_one_hides_does_not_count(table: Path) -> None:
    hidden = f"{ROOT}23 22 0:21 / /srv/state rw - tmpfs none rw\n24 22 0:22 / /srv rw - nfs4 server:/srv rw\n"
    table.write_text(hidden)
    assert kind_of("/srv/state") == "nfs4"

    table.write_text(f"{hidden}25 24 0:23 / /srv/state rw - xfs none rw\n26 25 0:24 / /srv/state rw - ext4 none rw\n")
    assert kind_of("/srv/state/x") == "ext4"

    table.write_text(hidden.removeprefix(ROOT))
    assert kind_of("/srv/state") == "nfs4", "in a changed root the mount below is not listed"


@pytest.mark.parametrize("kind", OVER_A_NETWORK)
def test_what_is_not_known_to_be_local_is_refused(table: Path, kind: str) -> None:
    table.write_text(f"{ROOT}23 22 8:1 / /srv rw - {kind} somewhere rw\n")

    assert find_file_system("/srv/state") == FileSystem(kind, is_local=False, is_refused=True)


@pytest.mark.parametrize("kind", LOCAL)
def test_local_file_systems_are_not(table: Path, kind: str) -> None:
    table.write_text(f"{ROOT}23 22 0:21 / /srv rw - {kind} somewhere rw\n")

    assert find_file_system("/srv/state") == FileSystem(kind, is_local=True, is_refused=False)


def test_a_sandbox_whose_root_is_on_9p_is_warned(table: Path) -> None:
    table.write_text("22 1 0:20 / / rw - 9p none rw\n")

    assert find_file_system("/srv/state") == FileSystem("9p", is_local=False, is_refused=False)


def test_an_overlay_is_what_its_upper_directory_is_on(table: Path, tmp_path: Path) -> None:
    upper = tmp_path / "upper, of\tall"
    upper.mkdir()
    shown = str(upper).replace(" ", "\\040").replace("\t", "\\011").replace(",", "\\054")
    overlay = f"24 22 0:23 / /merged rw - overlay overlay rw,lowerdir=/usr,upperdir={shown},workdir=/w\n"

    table.write_text(f"{ROOT}23 22 0:21 / {tmp_path} rw - nfs4 server:/srv rw\n{overlay}")
    assert find_file_system("/merged/state") == FileSystem("nfs4", is_local=False, is_refused=True)
    table.write_text(f"{ROOT}{overlay}")
    assert find_file_system("/merged/state") == FileSystem("ext4", is_local=True, is_refused=False)


def test_an_overlay_of_a_container_is_local(table: Path) -> None:
    hidden = "/var/lib/containers/not-seen-in-here/diff"
    table.write_text(f"22 1 0:20 / / rw - overlay overlay rw,lowerdir=/l,upperdir={hidden},workdir=/w\n")

    assert find_file_system("/srv/state") == FileSystem("overlay", is_local=True, is_refused=False)


def test_overlays_in_a_circle_end(table: Path, tmp_path: Path) -> None:
    table.write_text(f"22 1 0:20 / / rw - overlay overlay rw,upperdir={tmp_path}\n")

    assert find_file_system("/srv/state").kind == "overlay"


@pytest.mark.parametrize(("major", "is_local"), [(8, True), (0, False)], ids=["a disk", "no disk"])
def test_without_a_list_of_mounts_the_device_decides(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, major: int, is_local: bool
) -> None:
    assert not table.exists()
    monkeypatch.setattr(os, "major", lambda device: major)

    assert find_file_system(tmp_path) == FileSystem("an unknown file system", is_local, is_refused=not is_local)


def commit(state_dir: Path, *, network_disk: bool = False) -> None:
    with Store(state_dir, ManualClock(), network_disk=network_disk).session() as session:
        session.apply(Changes(tick=make_mark()))


def test_on_a_network_disk_nothing_is_changed_unless_it_is_allowed(table: Path, tmp_path: Path) -> None:
    table.write_text(ROOT)
    commit(tmp_path / "state")
    table.write_text(f"{ROOT}23 22 0:21 / {tmp_path} rw - fuse.rclone remote: rw\n")

    with pytest.raises(StoreError, match=r"is on fuse\.rclone, where locks may not work") as caught:
        commit(tmp_path / "state")
    assert "network_disk = true" in caught.value.hint
    store = Store(tmp_path / "state", ManualClock())
    assert store.snapshot().rev == 1, "it can be looked at"

    commit(tmp_path / "state", network_disk=True)
    assert store.snapshot().rev == 1 + 1


# Mounts are made in a namespace that ends with the shell: nothing is left to be unmounted.
_IN_A_NAMESPACE = """\
mount -t {kind} {options} none "$1" && mkdir -m 700 "$1/state" || exit 99
exec {python} -c '
import sys, json; from plabctl.store.mounts import find_file_system
print(json.dumps(find_file_system(sys.argv[1] + "/state")))
from tests.store.test_mounts import commit; from pathlib import Path
commit(Path(sys.argv[1]) / "state")
' "$1"
"""


def in_a_namespace(place: Path, kind: str, options: str = "") -> subprocess.CompletedProcess[str]:
    script = _IN_A_NAMESPACE.format(kind=kind, options=options, python=sys.executable)
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(place)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=Path.cwd())


@pytest.mark.lab
@pytest.mark.parametrize("kind", ["tmpfs", "ramfs", "overlay"])
def test_a_real_local_mount_is_taken(tmp_path: Path, kind: str) -> None:
    for name in ("lower", "upper", "work", "place"):
        (tmp_path / name).mkdir()
    layers = f"-o lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"

    done = in_a_namespace(tmp_path / "place", kind, layers if kind == "overlay" else "")

    assert done.returncode == 0, done.stderr
    found = FileSystem(*json.loads(done.stdout))
    beneath = find_file_system(tmp_path)
    assert found == (beneath if kind == "overlay" else FileSystem(kind, is_local=True, is_refused=False))


@pytest.mark.lab
def test_a_real_mount_of_an_unlisted_type_is_refused_by_its_name(tmp_path: Path) -> None:
    if "hugetlbfs" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no hugetlbfs, the one unlisted type that needs no server")

    done = in_a_namespace(tmp_path, "hugetlbfs")

    assert done.returncode == 1
    assert "/state' is on hugetlbfs, where locks may not work" in done.stderr
