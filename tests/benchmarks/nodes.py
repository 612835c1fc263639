"""The far side: addresses of 127.0.0.0/8 behind a few sshd, or behind a cheap stub that stands for nodes elsewhere.

I/O. Real sshd on the same cores takes three to five times the CPU of the client that is measured; the stub, pinned to
another core, shows what the client itself can do. Go on with `peers` and `testbed`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.benchmarks.sealed import account

SSHD = "/usr/sbin/sshd"
PER_DAEMON = 200
CURVE = "KexAlgorithms curve25519-sha256"
SSHD_CONFIG = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
UseDNS no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 5000:30:5000
LoginGraceTime 300
PrintMotd no
PrintLastLog no
LogLevel ERROR
"""
SSH_CONFIG = """\
Host *
  User {user}
  Port {port}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  BatchMode yes
  ControlMaster no
  LogLevel ERROR
"""


def missing() -> str:
    """Return what is not installed here that the nodes need; empty when all is there."""
    wanted = [SSHD, "ssh", "ssh-keygen"]
    return ", ".join(name for name in wanted if shutil.which(name) is None)


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]


class Nodes:
    """So many nodes, as a context manager: their daemons run from entering to leaving."""

    def __init__(self, count: int, *, stub: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="plabctl-bench-"))
        self.folder.chmod(0o755)
        self.stub = stub
        self.user = account()
        daemons = 1 if stub else -(-count // PER_DAEMON)
        self.ports = _free_ports(daemons)
        self.addresses = [(f"127.0.{1 + n // 250}.{1 + n % 250}", self.ports[n % daemons]) for n in range(count)]
        self.daemons: list[subprocess.Popen[bytes]] = []

    @property
    def port(self) -> int:
        """The port of all nodes, as long as there is one daemon."""
        return self.ports[0]

    def path(self, name: str) -> str:
        """Return the path of one of the files beside the daemons."""
        return str(self.folder / name)

    def _write(self) -> None:
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name)], check=True)
        shutil.copy(self.path("user_key.pub"), self.path("authorized_keys"))
        key = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        lines = [f"[{host}]:{port} {key}\n" for host, port in self.addresses]
        (self.folder / "known_hosts").write_text("".join(lines))
        (self.folder / "addresses").write_text("".join(f"{host} {port}\n" for host, port in self.addresses))
        (self.folder / "hosts").write_text("".join(f"{host}\n" for host, _ in self.addresses))
        config = SSH_CONFIG.format(user=self.user, port=self.port, folder=self.folder)
        (self.folder / "ssh_config").write_text(config)
        (self.folder / "ssh_config_curve").write_text(f"{config}  {CURVE}\n")

    def _start(self) -> None:
        if self.stub:
            argv = [sys.executable, "-m", "tests.benchmarks.stub", str(self.folder), str(self.port)]
            self._spawn(["taskset", "-c", str(max(os.sched_getaffinity(0))), *argv])
            return
        if not os.geteuid():
            Path("/run/sshd").mkdir(exist_ok=True)  # Debian's sshd wants it to be there
        for port in self.ports:
            config = self.folder / f"sshd_{port}"
            config.write_text(SSHD_CONFIG.format(port=port, folder=self.folder))
            self._spawn([SSHD, "-D", "-e", "-f", str(config)])

    def _spawn(self, argv: list[str]) -> None:
        with (self.folder / "daemons.log").open("ab") as log:
            self.daemons.append(
                subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            )

    def __enter__(self) -> Self:
        """Start the daemons; raise RuntimeError when they do not answer."""
        self._write()
        self._start()
        for port in self.ports:
            argv = ["ssh", "-F", self.path("ssh_config_curve"), "-p", str(port), self._host_at(port), "true"]
            until = time.monotonic() + 15
            while (
                tried := subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            ).returncode:
                if time.monotonic() > until:
                    self.__exit__(None, None, None)
                    raise RuntimeError(f"the nodes' daemons do not answer: {tried.stderr.decode()}")
                time.sleep(0.2)
        return self

    def _host_at(self, port: int) -> str:
        return next(host for host, its_port in self.addresses if its_port == port)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the daemons with what they started, and take their files away."""
        for daemon in self.daemons:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGTERM)
            daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def quiet(self) -> None:
        """Wait until no session of an earlier run is left, at most 15 s."""
        until = time.monotonic() + 15
        while time.monotonic() < until and not self.stub and any(map(self._busy, self.daemons)):
            time.sleep(0.05)

    @staticmethod
    def _busy(daemon: subprocess.Popen[bytes]) -> bool:
        return bool(Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split())
