"""The sshds of the tests end with the tests, also when those are killed."""

import subprocess
import sys
import time
from pathlib import Path

from tests.probes.openssh import needs_sshd

ROOT = Path(__file__).parents[2]
_START = "import sys, time, pathlib; from tests.probes.openssh import Sshd; "
_WAIT = "print(Sshd(pathlib.Path(sys.argv[1]) / 'sshd').process.pid, flush=True); time.sleep(60)"


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@needs_sshd
def test_no_server_outlives_tests_that_are_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _START + _WAIT, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        assert is_running(pid)
        tests.kill()

    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
