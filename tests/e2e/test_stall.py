"""A server that stalls costs its deadline and a second, and the process ends."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.hosts import Lab
from tests.lab.ssh_keys import make_key
from tests.lab.sshd import Sshd, descendants
from tests.lab.wait_until import wait_until

END_S = 3.0
"""What writing the state and the end of the process may cost on a busy machine."""
RECIPE = """
[recipe.slow]
setup = { run = "sleep 60", timeout = "2s" }
teardown = { run = "true", timeout = "1s" }
"""


def test_a_server_that_accepts_and_never_speaks_holds_the_tick_up_no_longer_than_allowed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Site(tmp_path / "site") as site:
        site.configure(key=make_key(tmp_path / "key"), connect_timeout="2s")
        site.add({"mute": {"ssh_host": "127.0.0.1", "ssh_port": str(server.getsockname()[1])}})
        tick = site.start("tick")
        server.settimeout(30)
        connection, _ = server.accept()
        began = time.monotonic()

        assert tick.wait(timeout=30) == 0

        assert time.monotonic() - began < 2 + 1 + END_S
        assert site.output() == ""
        assert site.causes() == {"mute": "protocol"}
        connection.close()


@pytest.mark.sshd
def test_a_session_that_freezes_in_a_stage_holds_the_tick_up_no_longer_than_allowed(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as sshd, Site(tmp_path / "site") as site:
        site.configure(key=sshd.key, user=sshd.user, recipe="slow", connect_timeout="5s", more=RECIPE)
        site.add({"frozen": dict(pair.split("=") for pair in sshd.variables())})
        site.run("trust", "frozen", "--yes")
        tick = site.start("tick")
        assert wait_until(lambda: sshd.ledger.commands() == 1)
        began = time.monotonic()
        frozen = descendants(sshd.pid)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert tick.wait(timeout=30) == 0
            # Two seconds of setup, one of teardown, and one for each to be cut.
            assert time.monotonic() - began < 2 + 1 + 1 + END_S
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

        assert site.output() == ""
        node = site.status()["nodes"]["frozen"]
        assert (node["pool"], node["last"]["cause"]) == ("bad", "deadline")


@pytest.mark.lab
def test_a_link_that_is_cut_in_mid_stage_holds_the_tick_up_no_longer_than_allowed(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab", 1) as lab, Site(tmp_path / "site", network=lab.network) as site:
        (host,) = lab.hosts
        site.configure(key=lab.key, recipe="slow", connect_timeout="5s", more=RECIPE)
        site.add({host.name: {"ssh_host": host.address}})
        site.run("trust", host.name, "--yes")
        tick = site.start("tick")
        assert wait_until(lambda: any("sleep 60" in line for line in host.processes()))
        began = time.monotonic()
        host.cut_link()

        assert tick.wait(timeout=30) == 0

        assert time.monotonic() - began < 2 + 1 + 1 + END_S
        assert site.output() == ""
        assert site.causes() == {host.name: "deadline"}
