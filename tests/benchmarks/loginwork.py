"""One login after another, in turns: our prober, the same with Nagle's algorithm left on, a child process of ssh.

I/O. Run as `python -m tests.benchmarks.loginwork FOLDER USER TIMES`; prints the seconds of each as JSON.
"""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

from plabctl.clock import SystemClock
from plabctl.core.assignment import Assignment
from plabctl.core.model import Node, Outcome
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import SshSettings
from plabctl.probes.prober import Prober

REAL = socket.socket.setsockopt


def _with_delay(self: socket.socket, level: int, option: int, *rest: int) -> None:
    """Set every option of a socket but the one that is in question."""
    if (level, option) != (socket.IPPROTO_TCP, socket.TCP_NODELAY):
        REAL(self, level, option, *rest)


def main(folder: Path, user: str, times: int) -> None:
    """Measure and print."""
    host, port = (folder / "addresses").read_text().split()[:2]
    settings = SshSettings(user, int(port), str(folder / "user_key"), str(folder / "known_hosts"))
    prober = Prober(settings, SystemClock())
    prober.prepare()
    recipe = Recipe("bench", check=Stage(run="true"))
    assignment = Assignment(
        node=Node("n", {"ssh_host": host}), token="t", recipe=recipe, vnode="v", pool="good", deadline_s=60.0
    )
    ssh = ["ssh", "-F", str(folder / "ssh_config_curve"), host, "true"]

    def probe() -> None:
        report = prober.probe(assignment)
        if report.outcome is not Outcome.PASS:
            sys.exit(f"the probe did not pass: {report.cause}: {report.reason}")

    def delayed() -> None:
        with patch.object(socket.socket, "setsockopt", _with_delay):
            probe()

    def child() -> None:
        subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    took: dict[str, list[float]] = {"plabctl": [], "delayed": [], "ssh": []}
    for number in range(-1, times):
        for name, work in (("plabctl", probe), ("delayed", delayed), ("ssh", child)):
            started = time.perf_counter()
            work()
            if number >= 0:
                took[name].append(time.perf_counter() - started)
    print(json.dumps(took))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
