"""Stages that outlived their probe are ended, whatever userland the node has, and no others."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from plabctl.probes.orphaned_stage import END, sign_stage
from tests.lab.busybox import make_busybox

pytestmark = pytest.mark.xdist_group("leftovers")  # a test ends the stages of its vnodes, whoever else runs some


@pytest.mark.parametrize("userland", ["system", "busybox"])
def test_the_stages_of_a_vnode_are_ended_and_no_others(tmp_path: Path, userland: str) -> None:
    tools = Path("/usr/bin") if userland == "system" else make_busybox(tmp_path / "tools")

    def begin(text: str) -> subprocess.Popen[bytes]:
        # Two commands, so that the shell stays and does not become the first.
        argv = [str(tools / "sh"), "-c", f"{text}; true"]
        return subprocess.Popen(argv, env={"PATH": str(tools)}, start_new_session=True)

    remote = ": 036plabctl; export PLABCTL_NODE=n PLABCTL_VNODE={} PLABCTL_POOL=good; sleep 60"
    ours = [begin(sign_stage("sleep 60", "v-1")), begin(remote.format("v-1"))]
    others = [
        begin(sign_stage("sleep 60", "v-10")),
        begin(remote.format("v-12")),
        begin("sleep 60; echo PLABCTL_VNODE=v-1 "),
    ]
    try:
        time.sleep(0.3)  # for the shells to be executed
        environ = {"PATH": str(tools), "PLABCTL_VNODE": "v-1"}
        subprocess.run([str(tools / "sh"), "-c", END], env=environ, check=True, timeout=60)

        assert [process.wait(5) for process in ours] != [0, 0]
        assert [other.poll() for other in others] == [None, None, None]
    finally:
        for process in (*ours, *others):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
