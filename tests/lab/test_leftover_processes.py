"""A test that fails or is careless leaves nothing to the tests after it: tried with tests of a test."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from tests.lab import leftover_processes
from tests.lab.wait_until import wait_until

ROOT = Path(__file__).parents[2]
_CONFTEST = """
from tests.conftest import *
from tests.conftest import _nothing_is_left_behind
"""
_TESTS = """
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
KEPT = []


def test_that_fails():
    process = subprocess.Popen(["sh", "-c", "sleep 300 & echo $! >>{0}; echo $$ >>{0}; wait".format(HERE / "pids")],
                               stdout=subprocess.PIPE)
    process.stdout.readline() if (HERE / "never").exists() else None
    while len((HERE / "pids").read_text().split() if (HERE / "pids").exists() else "") < 2:
        pass
    file = (HERE / "test_inner.py").open()
    assert file is None


def test_after_it():
    import gc
    gc.collect()


def test_that_is_careless():
    KEPT.append(subprocess.Popen(["sh", "-c", "echo; exec sleep 301"], stdout=subprocess.PIPE))
    KEPT[0].stdout.readline()
    while b"sleep" not in Path(f"/proc/{KEPT[0].pid}/cmdline").read_bytes().split(b"\\0")[0]:
        pass


def test_that_does_not_wait():
    KEPT.append(subprocess.Popen(["true"]))


def test_at_the_end():
    import gc
    gc.collect()
"""
_SHARED = """
import subprocess

import pytest


@pytest.fixture(scope="session")
def shared():
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


def test_that_asks_in_its_body(request):
    assert request.getfixturevalue("shared").poll() is None


def test_that_asks_again(shared):
    assert shared.poll() is None
"""


def is_running(pid: str) -> bool:
    """Whether there is such a process, other than one that has ended and is not waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_test_leaves_is_ended_and_blamed_on_that_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import *\nfrom tests.conftest import _nothing_is_left_behind\n"
    )
    (tmp_path / "test_inner.py").write_text(_TESTS)
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error"]
    argv += ["--rootdir", str(tmp_path), "-c", str(ROOT / "pyproject.toml"), str(tmp_path)]

    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    said = done.stdout + done.stderr
    assert "2 errors" in said, said
    assert "1 failed, 4 passed" in said, said
    assert "the test left processes" in said, said
    assert "sleep 301" in said, said
    assert "unclosed file" not in said, said
    for pid in (tmp_path / "pids").read_text().split():
        assert wait_until(lambda: not is_running(pid)), "a process that the test started runs on"  # noqa: B023 - at once


def test_what_is_shared_by_all_tests_is_left_running(tmp_path: Path) -> None:
    # Below the root, as here: there pytest asks a conftest.py about no fixture of the session.
    (tmp_path / "below").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "below" / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "below" / "test_inner.py").write_text(_SHARED)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "below"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}

    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)

    assert "2 passed" in done.stdout, done.stdout


def test_a_test_that_leaves_nothing_costs_no_look_at_all_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise AssertionError("all objects were looked at")

    monkeypatch.setattr(gc, "get_objects", fail)

    leftover_processes.end(())
    assert leftover_processes.reap_adopted(()) == set()
    with pytest.raises(AssertionError, match="looked at"):
        leftover_processes.reap_adopted({os.getpid()})
