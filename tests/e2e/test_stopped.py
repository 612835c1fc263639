"""A tick that does not run for longer than its deadlines, and then goes on, blames no node for that."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.site import Site
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until

pytestmark = [pytest.mark.sshd]

_SLOW = """
[recipe.slow]
check = { run = "[ ! -e FLAG ] || sleep 600", timeout = "2s" }
teardown = { run = "true", timeout = "30s" }
"""
STOPPED_S = 4.0
"""Longer than the stage may take, and than a connection may; not as long as a test may take with its teardown."""


def test_a_stopped_tick_moves_no_node_and_counts_nothing(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with Sshd(tmp_path / "sshd") as sshd, Sshd(tmp_path / "mute") as mute, Site(tmp_path / "site") as site:
        recipe = _SLOW.replace("FLAG", str(flag))
        site.configure(key=sshd.key, user=sshd.user, recipe="slow", connect_timeout="2s", more=recipe)
        (mute.folder / "authorized_keys").write_bytes((sshd.folder / "authorized_keys").read_bytes())
        site.add(
            {
                "late": dict(pair.split("=") for pair in sshd.variables()),
                "mute": dict(pair.split("=") for pair in mute.variables()),
            }
        )
        site.run("trust", "*", "--yes")
        for _ in range(2):
            assert site.run("tick") == ""
        before = site.status()["nodes"]
        assert site.pools() == {"late": "good", "mute": "good"}
        commands = sshd.ledger.commands()

        flag.touch()
        mute.pause()
        site.run("retest", "*", "--yes")
        tick = site.start("tick")
        assert wait_until(lambda: sshd.ledger.commands() > commands)
        os.kill(tick.pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        os.kill(tick.pid, signal.SIGCONT)

        assert tick.wait(timeout=30) == 0
        mute.resume()
        after = site.status()["nodes"]
        for name in ("late", "mute"):
            assert after[name]["last"]["outcome"] == "unknown"
            assert after[name]["last"]["cause"] == "local"
            assert "this machine stood still for" in after[name]["last"]["reason"]
            for key in ("pool", "since_at", "ok_streak", "fail_streak", "penalty"):
                assert after[name].get(key) == before[name].get(key)
        assert site.output() == ""
