"""What this machine is short of is no node's failure: real shortages, made for one process or one namespace."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.lab.requirements import program
from tests.lab.sshd import Sshd
from tests.probes.openssh import make_key

_PROBES = """
import os, resource, sys
from plabctl.clock import SystemClock
from plabctl.core.settings import SshSettings
from plabctl.probes.prober import Prober
from plabctl.executors.threads import ThreadExecutor
from tests.probes.jobs import make_assignment, make_recipe

host, port, user, key, known, count, threads = sys.argv[1:]
clock = SystemClock()
prober = Prober(SshSettings(user, int(port), key, known, connect_timeout_s=10.0), clock)
prober.prepare()
runner = ThreadExecutor(prober, clock)
runner.start(make_assignment(make_recipe(check="true"), ssh_host=host))  # loads what is loaded late
print(*[f"{report.outcome} {report.cause} {report.reason}" for report in runner.wait(60)], flush=True)
if int(threads):
    resource.setrlimit(resource.RLIMIT_NPROC, (int(threads), int(threads)))
    os.setuid(64321)  # the limit is that of a user, and root has none
for _ in range(int(count)):
    runner.start(make_assignment(make_recipe(check="sleep 1"), ssh_host=host))
while runner.running:
    for report in runner.wait(60):
        print(report.outcome, report.cause, report.reason, flush=True)
"""


def probed(
    host: str,
    port: int,
    user: str,
    key: Path,
    known: Path,
    *,
    count: int,
    threads: int = 0,
    inside: tuple[str, ...] = (),
) -> Counter[tuple[str, ...]]:
    """The outcomes and causes of so many probes, in a process that may have so many threads, if that is said."""
    argv = [
        *inside,
        sys.executable,
        "-c",
        _PROBES,
        host,
        str(port),
        user,
        str(key),
        str(known),
        str(count),
        str(threads),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == count + 1, done.stderr
    return Counter(tuple(line.split()[:2]) for line in lines)


@pytest.mark.lab
@pytest.mark.sshd
def test_too_few_threads_fail_no_node(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as sshd:
        known = tmp_path / "known_hosts"
        known.write_text(sshd.known_hosts())
        found = probed(sshd.address, sshd.port, sshd.user, sshd.key, known, count=60, threads=40)

    assert found.keys() <= {("pass", "None"), ("unknown", "local")}, found
    assert found["unknown", "local"] >= 1, "it was short of threads"


@pytest.mark.lab
@pytest.mark.parametrize("host", ["node.example.org", "192.0.2.1"], ids=["no resolver", "no route"])
def test_a_machine_without_a_network_fails_no_node(tmp_path: Path, host: str) -> None:
    make_key(tmp_path / "key")
    known = tmp_path / "known_hosts"
    known.touch()
    alone = (program("unshare"), "--net", "--")

    found = probed(host, 22, "nobody", tmp_path / "key", known, count=2, inside=alone)

    assert found == {("unknown", "local"): 3}
