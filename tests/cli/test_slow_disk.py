"""A disk that takes its time: who looks does not wait for it, who changes waits his turn, and ticks stay right."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.console import Desk
from tests.lab.wait_until import wait_until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace"),
]
SLOW_S = 0.25


def start_slowly(desk: Desk, *arguments: str) -> "subprocess.Popen[str]":
    """Start `plabctl ARGUMENTS`; each of its waits for the disk takes SLOW_S."""
    delay = f"inject=fsync,fdatasync:delay_enter={SLOW_S * 1e6:.0f}"
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", delay]
    command = [*strace, sys.executable, "-m", "plabctl", *arguments]
    return subprocess.Popen(
        command, cwd=desk.folder, env=desk.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def lock_is_held(desk: Desk) -> bool:
    return bool(list((desk.folder / "state").glob("state.tmp-*")))


def test_who_looks_does_not_wait_and_what_is_done_meanwhile_is_done_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.run("node", "add", "n1", "n2").code == 0
    ticks = [start_slowly(desk, "tick"), start_slowly(desk, "tick")]
    looks = 0
    try:
        assert wait_until(lambda: lock_is_held(desk))
        while looks < 20 and any(tick.poll() is None for tick in ticks):
            was_held = lock_is_held(desk)
            assert desk.run("status", "-o", "name").out == "n1\nn2\n"
            looks += was_held and lock_is_held(desk)
        said = [tick.communicate(timeout=120)[0] for tick in ticks]
    finally:
        for tick in ticks:
            tick.kill()

    assert looks, "it was looked at while a tick held the lock"
    assert (said, [tick.returncode for tick in ticks]) == (["", ""], [0, 0])
    assert [line.split("\t")[1] for line in desk.run("status", "-o", "tsv").out.splitlines()] == ["good", "good"]
    kinds = [line.split("\t")[1:3] for line in desk.run("history", "-o", "tsv").out.splitlines()]
    assert sorted(kinds) == sorted(
        [["node-added", "n1"], ["node-added", "n2"], ["transition", "n1"], ["transition", "n2"]]
        + [["probe", "n1"], ["probe", "n2"]] * 2
    )
