"""A real OpenSSH server on loopback, run by whoever runs the tests, with keys of its own."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from plabctl.core.settings import SshSettings
from tests.lab.sshd import END_WITH_US

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
needs_sshd = pytest.mark.sshd


def make_key(path: Path, kind: str = "ed25519") -> str:
    """Make a key pair and return its public line, without the comment."""
    size = ["-b", "2048"] if kind == "rsa" else []  # 3072 bits, as by default, take half a second to find
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Sshd:
    """One sshd; `directory` holds its keys, configuration and log, `before` what its command is started by."""

    def __init__(
        self, directory: Path, *lines: str, kinds: tuple[str, ...] = ("ed25519",), before: tuple[str, ...] = ()
    ) -> None:
        self.directory = directory
        self._before = before
        self.port = free_port()
        directory.mkdir(exist_ok=True)
        self.user_key = directory / "user"
        self.known_hosts = directory / "known_hosts"
        (directory / "authorized_keys").write_text(make_key(self.user_key) + "\n")
        self.host_lines = [make_key(directory / f"host_{kind}", kind) for kind in kinds]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self.host_lines[0]}\n")
        config = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            *(f"HostKey {directory}/host_{kind}" for kind in kinds),
            f"AuthorizedKeysFile {directory}/authorized_keys",
            "StrictModes no",
            "UseDNS no",
            "PidFile none",
            "PermitRootLogin yes",
            f"SetEnv HOME={directory}",  # so that the start-up files of whoever runs the tests are not read
            "MaxStartups 500",
            *lines,  # sshd believes the first line of most kinds, but the last one of MaxStartups
            "UsePAM no",
        ]
        (directory / "config").write_text("\n".join(config) + "\n")
        self.start()

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        log = (self.directory / "log").open("ab")
        assert PROGRAM is not None
        self.process = subprocess.Popen(
            [*END_WITH_US, *self._before, PROGRAM, "-D", "-e", "-f", self.directory / "config"], stderr=log
        )
        log.close()
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, (self.directory / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def sessions(self) -> list[int]:
        """Return the processes of sshd that serve connections: some versions and users have two for each."""
        found: list[int] = []
        parents = [self.process.pid]
        while parents:
            pid = parents.pop()
            serving = [each for each in _children(pid) if Path(f"/proc/{each}/comm").read_text().startswith("sshd")]
            found += serving
            parents += serving
        return found

    def kill_sessions(self) -> None:
        """Kill what serves connections and the commands right below it, as when the machine loses power."""
        sessions = self.sessions()
        commands = {child for session in sessions for child in _children(session)}
        for pid in [*sessions, *(commands - set(sessions))]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def settings(self, **changes: object) -> SshSettings:
        values: dict[str, object] = {
            "user": getpass.getuser(),
            "port": self.port,
            "key": str(self.user_key),
            "known_hosts": str(self.known_hosts),
            "connect_timeout_s": 10.0,
            **changes,
        }
        return SshSettings(**values)  # type: ignore[arg-type]  # the values are those of the dictionary above
