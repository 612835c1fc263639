"""The Slurm of the laboratory is real, and nothing of it outlives the tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.slurm import NODES, Slurm
from tests.lab.wait_until import wait_until

pytestmark = pytest.mark.slurm


def test_jobs_run_and_nodes_can_be_drained(tmp_path: Path, slurm: Slurm) -> None:
    slurm.update(NODES[0], "drain", "broken fan")
    slurm.submit(f"touch {tmp_path}/began; until test -e {tmp_path}/over; do sleep 0.1; done", "-w", NODES[1])
    slurm.wait_for((tmp_path / "began").exists)

    assert slurm.states() == {**dict.fromkeys(NODES, "idle"), NODES[0]: "drained", NODES[1]: "mixed"}
    assert slurm.reasons() == {NODES[0]: "broken fan"}
    (tmp_path / "over").touch()
    slurm.wait_for(lambda: not slurm.job_states())


def test_a_reason_may_have_several_lines(slurm: Slurm) -> None:
    slurm.update(NODES[0], "drain", "broken fan\nso says ada|bob\nask her")

    assert slurm.look()[NODES[0]] == ("drained", "broken fan\nso says ada|bob\nask her")
    assert slurm.states()[NODES[2]] == "idle"


def test_the_controller_can_be_away(slurm: Slurm) -> None:
    slurm.update(NODES[0], "drain", "broken fan")
    slurm.stop_controller()
    assert slurm.run("scontrol", "ping").returncode != 0
    slurm.start_controller()

    assert slurm.reasons() == {NODES[0]: "broken fan"}


def test_it_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, time\n"
        "from tests.lab.slurm import Slurm\n"
        f"cluster = Slurm(pathlib.Path({str(tmp_path / 'cluster')!r})).__enter__()\n"
        "cluster.submit('sleep 60')\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        assert _list_daemons(tmp_path)
        os.kill(process.pid, signal.SIGKILL)

        assert wait_until(lambda: not _list_daemons(tmp_path))
    finally:
        process.kill()
        process.communicate()


def _list_daemons(folder: Path) -> list[int]:
    """The processes with that folder among their arguments or in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in text and int(path.name) != os.getpid() and b"slurm.conf" in text:
            found.append(int(path.name))
    return found
