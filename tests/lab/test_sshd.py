import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.fork_server import ROOT
from tests.lab.requirements import program
from tests.lab.sshd import Sshd, descendants, is_alive
from tests.lab.wait_until import wait_until

pytestmark = pytest.mark.sshd


def ssh(server: Sshd, command: str) -> subprocess.CompletedProcess[str]:
    known = server.folder / "known_hosts"
    known.write_text(server.known_hosts())
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", f"UserKnownHostsFile={known}"]
    flags = [part for option in options for part in ("-o", option)]
    where = ["-i", str(server.key), "-p", str(server.port), "-l", server.user, server.address]
    argv = [program("ssh"), "-n", "-F", "none", *flags, *where, command]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)


def test_it_lets_us_in_and_counts_what_runs_at_once(tmp_path: Path) -> None:
    with Sshd(tmp_path) as server:
        assert ssh(server, "echo hello; exit 3").returncode == 3
        assert server.ledger.most_at_once() == 1

        # Each stays until all have begun, however long a busy machine takes for that.
        stay = f"until [ $(grep -c ^+ {server.ledger.path}) = 5 ]; do sleep 0.02; done"
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: ssh(server, stay).returncode, range(4)))

        assert results == [0] * 4
        assert server.ledger.most_at_once() == 4
        assert server.ledger.connections() == 5
        assert server.ledger.open_commands() == 0


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, Sshd(tmp_path) as server:
        running = pool.submit(ssh, server, "sleep 60")
        assert wait_until(lambda: server.ledger.commands() > 0)
        pids = [server.pid, *descendants(server.pid)]
        assert len(pids) > 2

        server.stop()

        assert running.result().returncode != 0
        assert wait_until(lambda: not any(is_alive(pid) for pid in pids))


_START = """
import sys
from pathlib import Path
from tests.lab.sshd import Sshd
with Sshd(Path(sys.argv[1])) as sshd:
    print(sshd.pid, flush=True)
    sys.stdin.read()
"""


def test_it_ends_when_the_tests_are_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _START, str(tmp_path / "sshd")]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tests:
        assert tests.stdout
        pid = int(tests.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        tests.kill()

    has_ended = wait_until(lambda: not Path(f"/proc/{pid}").exists())
    if not has_ended:
        os.kill(pid, signal.SIGKILL)
    assert has_ended
