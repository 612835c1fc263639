"""What the `process` recipe does on a node, run by sh itself."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plabctl.core.recipe import fill_placeholders
from plabctl.kinds import Builtin
from plabctl.probes.plain_recipes import PROCESS
from tests.lab.busybox import make_busybox

VNODE = "v-1"


class Place:
    """A node as the recipe sees it: a directory for temporary files."""

    def __init__(self, directory: Path, tools: Path | None = None) -> None:
        self.temporary = directory
        self.directory = directory / f"plabctl-{VNODE}"
        self.home = directory / "home"
        self.tools = tools

    def run(self, name: str) -> tuple[int, str]:
        stage = getattr(PROCESS, name)
        done = subprocess.run(
            [f"{self.tools or '/bin'}/sh", "-c", fill_placeholders(stage.run, {"vnode": VNODE, "experiment": ""})],
            env={"TMPDIR": str(self.temporary), "PATH": str(self.tools or "/usr/bin:/bin"), "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        lines = (done.stdout + done.stderr).splitlines()
        return done.returncode, lines[-1] if lines else ""

    def pid(self) -> int:
        return int((self.directory / "pid").read_text())

    def await_ready(self) -> None:
        while self.run("up")[0]:
            time.sleep(0.05)


@pytest.fixture(params=["system", "busybox"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    here = Place(tmp_path, make_busybox(tmp_path / "tools") if request.param == "busybox" else None)
    here.home.mkdir()
    yield here
    here.run("teardown")


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() != b""


def test_the_recipes_that_are_there() -> None:
    assert set(Builtin("recipe")) == {"process", "command", "netns", "podman", "docker", "nspawn"}


def test_a_vnode_lives_from_setup_to_teardown(place: Place) -> None:
    assert place.run("setup") == (0, "")
    place.await_ready()
    pid = place.pid()
    assert place.directory.stat().st_mode & 0o777 == 0o700
    assert place.run("check") == (0, "")
    assert is_there(pid)

    assert place.run("teardown") == (0, "")
    assert not place.directory.exists()
    assert not is_there(pid)


@pytest.mark.lab
@pytest.mark.parametrize(("size", "said"), [("ro", "ead-only"), ("size=4k,nr_inodes=1", "o space")])
def test_a_home_that_cannot_be_written_to_is_the_reason(place: Place, size: str, said: str) -> None:
    place.run("setup")
    place.await_ready()
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", place.home], check=True)
    try:
        code, reason = place.run("check")
    finally:
        subprocess.run(["umount", "-l", place.home], check=True)

    assert code == 1
    assert reason.startswith(f"cannot write to {place.home} and read it back: ")
    assert said in reason


def test_nothing_is_left_in_the_home(place: Place) -> None:
    place.run("setup")
    place.await_ready()
    assert place.run("check") == (0, "")
    assert list(place.home.iterdir()) == []
    (place.home / f".plabctl-{VNODE}").touch()  # of a check that was cut off
    place.run("teardown")
    assert list(place.home.iterdir()) == []


def test_tearing_down_nothing_is_fine(place: Place) -> None:
    assert place.run("teardown") == (0, "")
    assert place.run("teardown") == (0, "")


def test_a_directory_that_is_there_is_refused(place: Place) -> None:
    place.directory.mkdir()
    code, reason = place.run("setup")

    assert code == 1
    assert "exists" in reason


@pytest.mark.parametrize("stage", ["up", "check"])
def test_a_dead_process_is_noticed(place: Place, stage: str) -> None:
    place.run("setup")
    place.await_ready()
    subprocess.run(["kill", "-9", str(place.pid())], check=True)
    time.sleep(0.1)

    assert place.run(stage) == (1, "the vnode's process is gone")


def test_a_stranger_with_the_same_number_is_left_alone(place: Place) -> None:
    place.run("setup")
    place.await_ready()
    own = place.pid()
    with subprocess.Popen(["sleep", "30"]) as stranger:
        (place.directory / "pid").write_text(f"{stranger.pid}\n")
        assert place.run("up")[0] == 1
        assert place.run("teardown") == (0, "")
        assert stranger.poll() is None
        stranger.kill()
    # Without its number it is not killed; it ends itself when its mark is gone.
    deadline = time.monotonic() + 5
    while is_there(own) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_there(own)


@pytest.mark.lab
def test_a_full_file_system_is_the_reason(tmp_path: Path) -> None:
    mount = tmp_path / "full"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", mount], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"needs to mount: {done.stderr.decode().strip()}")
    here = Place(mount)
    try:
        assert here.run("setup") == (0, "")
        here.await_ready()
        code, reason = here.run("check")
        assert code == 1
        assert "file system full" in reason
        assert here.run("teardown") == (0, "")
    finally:
        here.run("teardown")
        subprocess.run(["umount", "-l", mount], check=True)
