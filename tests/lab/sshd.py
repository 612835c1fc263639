"""A real sshd on loopback, with a host key, an authorized key and a record of its own.

I/O. It runs as whoever runs the test and lets that user in. Everything it has lies in one folder; it ends with its
`with` block. Whole hosts of their own: `tests.lab.hosts`.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.connection_log import ConnectionLog
from tests.lab.requirements import program
from tests.lab.ssh_keys import known_hosts_line, make_key, public

_STARTS = 5
_PATIENCE_S = 20.0


def config_text(folder: Path, address: str, port: int, extra: Sequence[str] = ()) -> str:
    """Return the configuration of an sshd whose keys lie in `folder`."""
    lines = [
        *extra,
        f"ListenAddress {address}:{port}",
        f"HostKey {folder}/host_key",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "PidFile none",
        "UsePAM no",
        "UseDNS no",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "MaxStartups 2000",
        "MaxSessions 100",
        "PerSourcePenalties no" if _knows_penalties() else "",
        # A login shell that thinks it is not the first one leaves the user's own start-up files alone.
        "SetEnv SHLVL=2",
        "PrintMotd no",
        "PrintLastLog no",
        "X11Forwarding no",
        "LoginGraceTime 60",
        "LogLevel VERBOSE",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _knows_penalties() -> bool:
    # From 9.8 on sshd turns away a client that failed before, and all clients here have one address.
    shown = subprocess.run([program("ssh"), "-V"], capture_output=True, text=True, check=False).stderr
    version = shown.partition("OpenSSH_")[2].split("p")[0]
    return [int(part) for part in version.split(".") if part.isdigit()] >= [9, 8]


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((address, 0))
        port: int = sock.getsockname()[1]
        return port


_SETPRIV = shutil.which("setpriv")
END_WITH_US = [_SETPRIV, "--pdeathsig", "TERM"] if _SETPRIV else []
"""The kernel ends the server when the tests are killed, which clean nothing up then."""


class Sshd:
    """One sshd in `folder`; `extra` are further lines of its configuration, which win over ours."""

    def __init__(
        self, folder: Path, *, address: str = "127.0.0.1", totals: bool = True, extra: Sequence[str] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.address = address
        self.port = 0
        self.user = getpass.getuser()
        self.key = make_key(folder / "client_key")
        self.host_key = make_key(folder / "host_key")
        self.log = folder / "sshd.log"
        self.ledger = ConnectionLog(folder / "ledger")
        self._extra = [*extra, self.ledger.install(folder / "forced.sh")] if totals else list(extra)
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "authorized_keys").write_bytes(public(self.key).read_bytes())

    @property
    def pid(self) -> int:
        """The process id of the listener."""
        assert self._process, "not started"
        return self._process.pid

    def known_hosts(self, *names: str) -> str:
        """Return the known_hosts line for this server under its address and other names."""
        return known_hosts_line([self.address, *names], self.port, self.host_key)

    def variables(self) -> list[str]:
        """Return `KEY=VALUE` pairs by which a node is reached here."""
        return [f"ssh_host={self.address}", f"ssh_port={self.port}"]

    def start(self) -> None:
        """Start it and wait until it listens; take another port when somebody was quicker."""
        if os.geteuid() == 0:
            # sshd insists on this folder; the Debian service makes it at its start.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _ in range(_STARTS):
            self.port = self.port or free_port(self.address)
            if self._try_start():
                return
            self.port = 0
        raise AssertionError(f"sshd does not start:\n{self.log.read_text()}")

    def _try_start(self) -> bool:
        config = self.folder / "sshd_config"
        config.write_text(config_text(self.folder, self.address, self.port, self._extra))
        with self.log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [*END_WITH_US, program("sshd"), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if b"Server listening" in self.log.read_bytes()[begin:]:
                return True
            time.sleep(0.01)
        self.stop()
        return False

    def pause(self) -> None:
        """Stop the listener: the kernel still takes connections, nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the listener go on."""
        os.kill(self.pid, signal.SIGCONT)

    def sessions(self) -> list[int]:
        """Return the processes that serve a connection now."""
        return children(self.pid)

    def stop(self) -> None:
        """End it and every connection it serves."""
        if self._process is None:
            return
        for pid in [*descendants(self._process.pid), self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def children(pid: int) -> list[int]:
    """Return the children of a process; none when it is gone."""
    found: list[int] = []
    # A process of tests comes to have hundreds of threads, and with objects for paths it takes eight times as long.
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        folder = os.open(f"/proc/{pid}/task", os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, folder)
        for task in os.listdir(folder):  # noqa: PTH208
            found += map(int, _read_at(folder, f"{task}/children").split())
    return found


def _read_at(folder: int, name: str) -> bytes:
    """Return what stands in a file of an open folder; nothing when it is gone, as that of a thread that has ended."""
    try:
        file = os.open(name, os.O_RDONLY, dir_fd=folder)
    except OSError:
        return b""
    found = b""
    try:
        while part := os.read(file, 1 << 16):
            found += part
    except OSError:
        return b""
    finally:
        os.close(file)
    return found


def descendants(pid: int) -> list[int]:
    """Return the children of a process, theirs, and so on, the youngest first."""
    found = [pid]
    for each in found:
        found += children(each)
    return found[:0:-1]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not yet asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
