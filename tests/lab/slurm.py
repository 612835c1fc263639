"""A real Slurm cluster on loopback: munged, slurmctld and several slurmd, whose nodes are this machine.

I/O, root. All of it runs in a process namespace of its own, whose first process ends with us, however we end, and takes
every daemon and every job with it. It starts in half a second; `tests/conftest.py` keeps one for all tests of a run.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.network import end, read_ready, spawn
from tests.lab.requirements import program
from tests.lab.sshd import children, is_alive
from tests.lab.wait_until import wait_until

NODES = tuple(f"sn{number}" for number in range(1, 7))
FORMAT = "%N|%T|%E"
_PATIENCE_S = 30.0
_LOOK_S = 0.1
_CONFIG = """
ClusterName=t
SlurmctldHost=localhost(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
SlurmctldTimeout=2
SlurmdTimeout=10
MessageTimeout=5
KillWait=1
PrologSlurmctld={folder}/prolog
"""
_NODE = "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=100\n"
_PARTITIONS = (
    "PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO\n"
    "PartitionName=q Nodes=ALL MaxTime=INFINITE State=UP\n"
)


class Slurm:
    """A cluster whose files lie in `folder`, with the nodes `NODES`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "slurm.conf"
        self.environ = {**os.environ, "SLURM_CONF": str(self.config)}
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        (self.folder / "munge").mkdir(parents=True, mode=0o755)
        (self.folder / "state").mkdir()
        (self.folder / "munge").chmod(0o755)
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        ports = _find_ports(len(NODES) + 1)
        nodes = "".join(_NODE.format(name=name, port=port) for name, port in zip(NODES, ports[1:], strict=True))
        self.config.write_text(_CONFIG.format(folder=self.folder, port=ports[0]) + nodes + _PARTITIONS)
        self.set_prolog("exit 0")
        flags = ["--pid", "--fork", "--kill-child"]
        self._keeper = spawn([program("unshare"), *flags, "sh", "-c", "echo ready; exec cat >/dev/null"])
        read_ready(self._keeper)
        self._start_munged()
        self.start_controller()
        for name in NODES:
            self._start([program("slurmd"), "-N", name])
        self.wait_for(lambda: set(self.states().values()) == {"idle"})
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._keeper:
            end(self._keeper)

    def set_prolog(self, code: str) -> None:
        """Let the controller run this shell code before each job begins."""
        path = self.folder / "prolog.new"
        path.write_text(f"#!/bin/sh\n{code}\n")
        path.chmod(0o755)
        path.replace(self.folder / "prolog")

    def start_controller(self) -> None:
        """Start slurmctld, with the jobs and the nodes as it left them."""
        self._start([program("slurmctld")])
        self.wait_for(lambda: self.run("scontrol", "ping").returncode == 0)

    def stop_controller(self) -> None:
        """End slurmctld and wait until it is gone."""
        [pid] = [pid for pid in self._list_pids() if _read_name(pid) == "slurmctld"]
        os.kill(pid, signal.SIGTERM)
        self.wait_for(lambda: pid not in self._list_pids())

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands."""
        return subprocess.run(argv, env=self.environ, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)

    def ok(self, *argv: str) -> str:
        """Run one of Slurm's commands, which must succeed; return what it prints."""
        done = self.run(*argv)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def update(self, nodes: str, state: str, reason: str = "") -> None:
        """Change the state of nodes as a person does."""
        self.ok("scontrol", "update", f"nodename={nodes}", f"state={state}", *([f"reason={reason}"] if reason else []))

    def states(self) -> dict[str, str]:
        """Return the state of each node, without the marks behind it."""
        return {name: state.rstrip("*~#!%$@^-+") for name, (state, _) in self.look().items()}

    def reasons(self) -> dict[str, str]:
        """Return the reason of each node that has one."""
        return {name: reason for name, (_, reason) in self.look().items() if reason != "none"}

    def look(self) -> dict[str, tuple[str, str]]:
        """Return state and reason of each node; a reason may have several lines."""
        printed = self.run("sinfo", "-N", "-h", "-o", FORMAT).stdout
        rows = re.split(rf"^(?=(?:{'|'.join(NODES)})\|)", printed, flags=re.MULTILINE)[1:]
        return {name: (state, reason) for name, state, reason in (row.rstrip("\n").split("|", 2) for row in rows)}

    def submit(self, code: str, *options: str) -> str:
        """Submit a job that runs this shell code; return its number."""
        return self.ok("sbatch", "--parsable", "-o", "/dev/null", *options, "--wrap", code).strip()

    def job_states(self) -> dict[str, str]:
        """Return the state of each job that is not over."""
        return dict(line.split() for line in self.ok("squeue", "-h", "-o", "%i %T").splitlines())

    def make_idle(self) -> None:
        """Cancel every job and let every node be used again, for the next test."""
        self.set_prolog("exit 0")
        self.run("scancel", "--user", "root")
        self.wait_for(lambda: not self.job_states())
        for name, state in self.states().items():
            if state != "idle":
                self.run("scontrol", "update", f"nodename={name}", "state=resume")
        self.wait_for(lambda: {state for state, _ in self.look().values()} == {"idle"})

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until that is so; show the end of the controller's log if it is never."""
        is_done = wait_until(is_so, within_s=_PATIENCE_S, every_s=_LOOK_S)
        assert is_done, (self.folder / "slurmctld.log").read_text()[-3000:]

    def _start_munged(self) -> None:
        place = self.folder / "munge"
        files = [f"--{name}-file={place}/{name}" for name in ("key", "pid", "seed", "log")]
        self._start([program("munged"), "-f", f"--socket={place}/socket", *files])

    def _start(self, argv: Sequence[str]) -> None:
        """Start a daemon, which goes into the background by itself, inside the namespace of processes."""
        assert self._keeper
        inside = [program("nsenter"), "--target", str(children(self._keeper.pid)[0]), "--pid", "--"]
        log = self.folder / "starts.log"
        with log.open("ab") as output:
            done = subprocess.run(
                [*inside, *argv], env=self.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        assert done.returncode == 0, log.read_text()

    def _list_pids(self) -> list[int]:
        """Return the daemons, which the first process in the namespace has adopted."""
        assert self._keeper
        return [pid for pid in children(children(self._keeper.pid)[0]) if is_alive(pid)]


def _find_ports(count: int) -> list[int]:
    """Return so many ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _read_name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
