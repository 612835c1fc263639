"""A tick that ends leaves nothing behind; one that dies is known to the next."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plabctl.clock import read_boot_id
from plabctl.core.surroundings import TickTrace
from plabctl.store.lock_report import read_lock_report
from plabctl.store.tick_log import TOOK_NAME, enter_tick, read_last_seconds
from tests.store.failing_calls import descriptors

ROOT = Path(__file__).parents[2]
_PROGRAM = """
import sys
from plabctl.clock import read_boot_id
from plabctl.store.tick_log import enter_tick
with enter_tick(sys.argv[1], sys.argv[3] or read_boot_id(), float(sys.argv[2])):
    print(1, flush=True); input()
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def die(state_dir: Path, began_at: float, boot: str = "") -> None:
    """Let a tick begin, see that it runs, and kill it."""
    argv = [sys.executable, "-c", _PROGRAM, str(state_dir), str(began_at), boot]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tick:
        try:
            assert tick.stdout
            tick.stdout.readline()
            if not boot:
                assert [trace.is_running for trace in ticks(state_dir)] == [True]
        finally:
            os.kill(tick.pid, signal.SIGKILL)


def ticks(state_dir: Path) -> list[TickTrace]:
    return list(read_lock_report(state_dir, 0.0).ticks)


def test_dead_ticks_are_counted_until_one_ends(state_dir: Path) -> None:
    die(state_dir, 100.0)
    assert ticks(state_dir) == [TickTrace(is_running=False, began_at=100.0)]
    die(state_dir, 160.0)
    die(state_dir, 220.0)
    assert ticks(state_dir) == [TickTrace(is_running=False, began_at=220.0, died_count=2, first_died_at=100.0)]

    with enter_tick(state_dir, read_boot_id(), 280.0):
        assert ticks(state_dir) == [TickTrace(is_running=True, began_at=280.0, died_count=3, first_died_at=100.0)]
    assert ticks(state_dir) == []


def test_a_tick_that_ends_forgets_also_those_that_died_beside_it(state_dir: Path) -> None:
    with enter_tick(state_dir, read_boot_id(), 90.0):
        argv = [sys.executable, "-c", _PROGRAM, str(state_dir), "100", ""]
        with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tick:
            assert tick.stdout
            tick.stdout.readline()
            tick.kill()
        assert sorted(trace.is_running for trace in ticks(state_dir)) == [False, True]
    assert ticks(state_dir) == []


def test_an_error_is_an_end(state_dir: Path) -> None:
    with pytest.raises(KeyError), enter_tick(state_dir, read_boot_id(), 100.0):
        raise KeyError
    assert ticks(state_dir) == []


def test_what_ended_with_the_machine_is_no_dead_tick(state_dir: Path) -> None:
    die(state_dir, 100.0, boot="another-boot")
    assert ticks(state_dir) == []

    with enter_tick(state_dir, read_boot_id(), 200.0):
        assert ticks(state_dir) == [TickTrace(is_running=True, began_at=200.0)]


def test_where_a_tick_cannot_be_entered_it_runs_nevertheless(state_dir: Path, tmp_path: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    (state_dir / "ticks").symlink_to(tmp_path / "elsewhere")
    before, did_run = descriptors(), False

    with enter_tick(state_dir, read_boot_id(), 100.0):
        did_run = True

    assert did_run
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert descriptors() == before


def test_a_tick_whose_file_is_no_file_of_ours_hides_no_other(state_dir: Path) -> None:
    die(state_dir, 100.0)
    (state_dir / "ticks" / "0002").symlink_to("/etc/passwd")

    assert ticks(state_dir) == [TickTrace(is_running=False, began_at=100.0)]


def test_how_long_the_last_one_took_is_known(state_dir: Path) -> None:
    assert read_last_seconds(state_dir) is None
    with enter_tick(state_dir, read_boot_id(), 100.0):
        with enter_tick(state_dir, read_boot_id(), 100.0):
            time.sleep(0.05)
        first = read_last_seconds(state_dir)
        assert first is not None
        assert 0.05 <= first < 20
        time.sleep(0.05)
    last = read_last_seconds(state_dir)
    assert last is not None
    assert last >= first + 0.05
    die(state_dir, 160.0)
    assert read_last_seconds(state_dir) == last
    for text in ("", "x\n", "\0\0", "nan", "inf", "-1"):
        (state_dir / TOOK_NAME).write_text(text)
        assert read_last_seconds(state_dir) is None
