"""Where the memory of a tick's errors lies, and who may read it."""

import fcntl
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plabctl.app import invocation
from plabctl.app.last_error import LastError
from tests.builders import NOW


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("tick-error-*"))


def test_it_lies_in_the_state_directory_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    state, default = tmp_path / "state", tmp_path / "default"
    state.mkdir()
    last_error = LastError([str(state), str(default)], "/etc/plabctl/config.toml")
    before = os.umask(0)
    try:
        assert last_error.record_failure("plabctl: no key", NOW) == "plabctl: no key"
    finally:
        os.umask(before)

    assert [path.stat().st_mode & 0o777 for path in files(state)] == [0o600]
    assert not default.exists()
    assert last_error.record_failure("plabctl: no key", NOW + 60) is None
    assert last_error.record_success(NOW + 120)
    assert not last_error.has_error
    assert files(state) == []


def test_it_lies_in_the_default_one_as_long_as_the_configured_one_is_not_there(tmp_path: Path) -> None:
    state, default = tmp_path / "state", tmp_path / "default"
    last_error = LastError([str(state), str(default)], "x")

    last_error.record_failure("plabctl: disk full", NOW)
    assert not state.exists(), "it may be a file system that is not mounted"
    assert len(files(default)) == 1
    assert default.stat().st_mode & 0o777 == 0o700
    state.mkdir()
    assert last_error.record_failure("plabctl: disk full", NOW + 60) is None
    assert (len(files(state)), len(files(default))) == (1, 0)


def test_of_ticks_that_fail_at_once_one_says_so_also_the_first_time(tmp_path: Path) -> None:
    count = 8
    start = threading.Barrier(count)

    def fail(_: int) -> str | None:
        last_error = LastError([str(tmp_path / "state"), str(tmp_path / "default")], "x")
        start.wait(20)
        return last_error.record_failure("plabctl: no key", NOW)

    with ThreadPoolExecutor(count) as pool:
        said = list(pool.map(fail, range(count)))

    assert [text for text in said if text] == ["plabctl: no key"]


def test_what_can_be_remembered_nowhere_is_always_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    last_error = LastError([str(tmp_path / "file"), str(tmp_path / "file" / "default")], "x")

    for minute in range(3):
        assert last_error.record_failure("plabctl: disk full", NOW + 60 * minute) == "plabctl: disk full"


@pytest.mark.parametrize(("text", "place"), [('state_dir = "state"\n', "state"), ("state_dir = [\n", "default")])
def test_the_configuration_says_where_unless_it_is_what_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str
) -> None:
    for name in ("state", "default"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PLABCTL_STATE_DIR", str(tmp_path / "default"))
    config = tmp_path / "plabctl.toml"
    config.write_text(text)

    invocation.find_last_error(str(config)).record_failure("plabctl: something", NOW)

    found = {name: len(files(tmp_path / name)) for name in ("state", "default")}
    assert found == {"state": 0, "default": 0, place: 1}


def test_what_is_planted_in_its_place_is_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    last_error = LastError([str(tmp_path)], "x")
    last_error.record_failure("plabctl: disk full", NOW)
    (path,) = files(tmp_path)
    victim = tmp_path / "victim"
    path.rename(victim)
    before = victim.read_bytes()
    path.symlink_to(victim)

    assert last_error.record_failure("plabctl: disk full", NOW + 60) == "plabctl: disk full", (
        "what a link leads to is not believed"
    )
    assert victim.read_bytes() == before
    path.unlink()
    os.mkfifo(path)
    assert last_error.record_failure("plabctl: disk full", NOW + 120) == "plabctl: disk full"
    assert sorted(tmp_path.iterdir()) == sorted([path, victim])


def test_nothing_is_written_where_others_may_write(tmp_path: Path) -> None:
    state, default = tmp_path / "state", tmp_path / "default"
    state.mkdir()
    state.chmod(0o777)

    LastError([str(state), str(default)], "x").record_failure(
        "plabctl: other users may write in the state directory", NOW
    )

    assert (len(files(state)), len(files(default))) == (0, 1)


def test_one_that_is_stopped_silences_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plabctl.app.last_error._LOCK_WAIT_S", 0.03)
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    last_error = LastError([str(tmp_path)], "x")

    assert last_error.record_failure("plabctl: no key", NOW) == "plabctl: no key"
    assert last_error.record_failure("plabctl: no key", NOW + 60) is None
    assert last_error.record_success(NOW + 120)
    os.close(holder)


_MANY = """
import sys, time
from plabctl.app.last_error import LastError
nag = LastError(sys.argv[1:], "x")
print("ready", flush=True)
sys.stdin.readline()
print(nag.record_failure("plabctl: no key", time.time()) or "", flush=True)
sys.stdin.readline()
print((nag.record_success(time.time()) or "").partition(":")[2].strip(), flush=True)
"""


@pytest.mark.parametrize("is_there", [True, False])
def test_ticks_that_end_at_one_moment_say_it_once(tmp_path: Path, *, is_there: bool) -> None:
    state = tmp_path / "state"
    if is_there:
        state.mkdir()
    (tmp_path / "default").mkdir(mode=0o700)
    argv = [sys.executable, "-c", _MANY, str(state), str(tmp_path / "default")]
    ticks = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(12)
    ]

    def answers() -> list[str]:
        return [tick.stdout.readline().strip() for tick in ticks if tick.stdout]

    def go_on() -> None:
        for tick in ticks:
            assert tick.stdin
            tick.stdin.write("\n")

    assert answers() == ["ready"] * 12
    go_on()
    failed = answers()
    go_on()
    over = answers()
    for tick in ticks:
        tick.communicate(timeout=30)

    assert sorted(filter(None, failed)) == ["plabctl: no key"]
    assert len([text for text in over if text]) == 1
    assert files(state) == files(tmp_path / "default") == []
