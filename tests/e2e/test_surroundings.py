"""What cron gives a job and what it takes from it: hardly an environment, closed streams, children that stay behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.site import PLABCTL
from tests.lab.crond import Cron
from tests.lab.requirements import program
from tests.lab.wait_until import wait_until

CONFIG = """
[pool.good]
kind = "good"
on_fail = "bad"
[pool.bad]
kind = "bad"
on_pass = "good"
[recipe.process]
transport = "local"
check = {{ run = "echo grün; test -n \\"$HOME\\"", timeout = "20s" }}
{more}
"""
LINGERER = """
[[hook]]
on = ["transition"]
command = ["sh", "-c", "(sleep 300; echo late) & echo $! >>lingerers; echo $PPID >/dev/null"]
"""
CRONS = {"LOGNAME": "root", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}


def configure(folder: Path, more: str = "") -> dict[str, str]:
    (folder / "plabctl.toml").write_text(CONFIG.format(more=more))
    return {**CRONS, "HOME": str(folder), "PWD": str(folder), "PLABCTL_STATE_DIR": str(folder / "state")}


def run(folder: Path, environ: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PLABCTL, *args], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


def end_lingerers(folder: Path) -> list[int]:
    """End what the hooks left, and return what of it still ran.

    They wrote down their numbers as their own process namespace has them, and cron's jobs run in one of its own.
    """
    noted = set((folder / "lingerers").read_text().split())
    ended = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            numbers = status.read_text().partition("NSpid:")[2].partition("\n")[0].split()
            is_ours = (status.parent / "cwd").readlink() == folder
        except OSError:
            continue  # it has ended, or is none of ours
        if is_ours and numbers and numbers[-1] in noted:
            os.kill(int(status.parent.name), signal.SIGTERM)
            ended.append(int(status.parent.name))
    return ended


def test_the_environment_of_cron_is_enough(tmp_path: Path) -> None:
    environ = configure(tmp_path)

    assert run(tmp_path, environ, "node", "add", "n1").returncode == 0
    tick = run(tmp_path, environ, "tick")
    status = run(tmp_path, environ, "status")

    assert (tick.returncode, tick.stdout, tick.stderr) == (0, "", "")
    assert "good" in status.stdout
    assert "grün" in run(tmp_path, environ, "history", "-o", "jsonl").stdout


def test_without_a_home_the_account_says_where_it_is(tmp_path: Path) -> None:
    environ = configure(tmp_path)
    del environ["HOME"]

    done = run(tmp_path, environ, "node", "add", "n1")

    assert done.returncode == 0, done.stderr


def test_what_a_hook_leaves_behind_keeps_no_lock_no_slot_and_no_tick(tmp_path: Path) -> None:
    environ = configure(tmp_path, LINGERER)
    run(tmp_path, environ, "node", "add", "n1", "n2")
    began = time.monotonic()

    # To the end of the output, which the lingerers would keep open if it were theirs.
    first = run(tmp_path, environ, "tick")
    took = time.monotonic() - began
    again = run(tmp_path, environ, "tick")
    added = run(tmp_path, environ, "node", "add", "n3")
    status = run(tmp_path, environ, "status", "-o", "json")

    assert end_lingerers(tmp_path), "nothing lingered, so nothing was tried"
    assert [each.returncode for each in (first, again, added, status)] == [0] * 4, first.stderr
    assert took < 60, "the tick waited for what a hook had started"
    assert '"in_use":0' in status.stdout.replace(" ", "")


@pytest.mark.lab
def test_cron_is_not_kept_waiting_by_what_a_hook_leaves_behind(tmp_path: Path) -> None:
    environ = configure(tmp_path, LINGERER)
    run(tmp_path, environ, "node", "add", "n1")
    with Cron(tmp_path / "cron") as cron:
        job = f"cd {tmp_path} && PLABCTL_STATE_DIR={tmp_path}/state {PLABCTL} tick; echo x >>{tmp_path}/ended"
        (tmp_path / "ended").touch()
        cron.run([program("crontab"), "-"], text=f"* * * * * {job}\n")
        cron.start()

        assert wait_until((tmp_path / "lingerers").exists, within_s=30)
        assert wait_until(lambda: len((tmp_path / "ended").read_text()) >= 6, within_s=30), "jobs end"
        assert end_lingerers(tmp_path)
        assert cron.mails() == []
