"""Whole hosts: each with its own network, processes, /tmp, home and sshd.

I/O, root. What can go wrong with a machine can be done to one of these for real, and mended again. They live in a
`Network` and end with it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.network import PREFIX, Network, end, innermost, read_ready, spawn
from tests.lab.requirements import program
from tests.lab.ssh_keys import known_hosts_line, make_key, public
from tests.lab.sshd import config_text
from tests.lab.wait_until import wait_until

PORT = 22
# The host's own /tmp is small, and its home lies in it: what fills it is felt by everything that runs there.
_HOST = """
mount --bind "$2" /mnt
mount -t tmpfs -o size=512k,nr_inodes=256,mode=1777 host /tmp
mkdir -m 700 /tmp/home
for place in /root /var/tmp /dev/shm; do mount --bind /tmp/home "$place"; done
mount -t tmpfs -o size=64k,mode=755 run /run
mkdir /run/sshd
hostname "$1"
echo ready
read -r _
ip addr add "$3/16" dev eth0
ip link set lo up
ip link set eth0 up
cd /
exec "$4" -D -e -f /mnt/sshd_config >>/mnt/log 2>&1 </dev/null
"""


class Host:
    """One host. `pid` is its sshd, as seen from outside."""

    def __init__(self, network: Network, number: int, folder: Path, client_key: Path) -> None:
        folder.mkdir(parents=True)
        self.name = f"n{number:02d}"
        self.address = f"{PREFIX}.1.{number}"
        self.folder = folder
        self.host_key = make_key(folder / "host_key")
        self._link = f"veth{number}"
        self._network = network
        self._client_key = client_key
        self.give_key()
        (folder / "sshd_config").write_text(config_text(Path("/mnt"), self.address, PORT))
        flags = ["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        args = [self.name, str(folder), self.address, program("sshd")]
        self._process = spawn([*network.within(), program("unshare"), *flags, "sh", "-ec", _HOST, "sh", *args])

    def connect(self) -> None:
        """Plug it into the network and let its sshd start."""
        read_ready(self._process)
        # nsenter and unshare each have one child: the first process of the host.
        self.pid = innermost(self._process.pid, 2)
        peer = ["peer", "name", "eth0", "netns", str(self.pid)]
        self._network.ip("link", "add", self._link, "type", "veth", *peer)
        self._network.ip("link", "set", self._link, "master", "lab", "up")
        assert self._process.stdin
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def is_listening(self) -> bool:
        """Return whether its sshd has said that it listens."""
        return self._listened() > 0

    def _listened(self) -> int:
        log = self.folder / "log"
        return log.read_text().count("Server listening") if log.exists() else 0

    @property
    def root(self) -> Path:
        """The host's file system, from outside."""
        return Path(f"/proc/{self.pid}/root")

    def processes(self) -> list[str]:
        """Return the command lines of the processes on it."""
        found = []
        for entry in (self.root / "proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        return found

    def files(self) -> list[str]:
        """Return the files and folders in its /tmp and home, by their paths."""
        top = self.root / "tmp"
        # os.walk passes over what vanishes meanwhile.
        paths = [Path(folder, name) for folder, folders, names in os.walk(top) for name in (*folders, *names)]
        return sorted(str(path.relative_to(top)) for path in paths if path.name != "home")

    def known_hosts(self) -> str:
        """Return the line of known_hosts for the host key it has now."""
        return known_hosts_line([self.address], PORT, self.host_key)

    # What can happen to a machine, and its mending.

    def stop_sshd(self) -> None:
        """Stop its sshd by a signal: the kernel takes connections, nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def continue_sshd(self) -> None:
        """Let its sshd go on."""
        os.kill(self.pid, signal.SIGCONT)

    def cut_link(self) -> None:
        """Pull its network cable."""
        self._network.ip("link", "set", self._link, "down")

    def mend_link(self) -> None:
        """Plug its network cable in again."""
        self._network.ip("link", "set", self._link, "up")

    def reboot(self) -> None:
        """Let it forget what ran on it and what lay in its /tmp, as a machine does that was switched off and on."""
        spaces = ["--target", str(self.pid), "--pid", "--mount", "--"]
        # The first process of a host, its sshd, cannot be killed from inside.
        code = "kill -9 -1 2>/dev/null; rm -rf /tmp/[!h]*"
        subprocess.run([program("nsenter"), *spaces, "sh", "-c", code], check=True, timeout=20)

    def change_host_key(self) -> None:
        """Give it another host key, as a newly installed machine has."""
        make_key(self.host_key)
        before = self._listened()
        os.kill(self.pid, signal.SIGHUP)
        assert wait_until(lambda: self._listened() > before), "sshd did not start again"

    def take_key(self) -> None:
        """Let our key be unknown to it."""
        (self.folder / "authorized_keys").write_text("")

    def give_key(self) -> None:
        """Let it know our key."""
        (self.folder / "authorized_keys").write_bytes(public(self._client_key).read_bytes())

    def fill_disk(self) -> None:
        """Fill its file system to the last byte and the last file."""
        folder = self.root / "tmp" / "ballast"
        folder.mkdir()
        with (folder / "bytes").open("wb", buffering=0) as file, _until_full():
            while True:
                file.write(b"x" * 4096)
        with _until_full():
            for number in itertools.count():
                (folder / str(number)).touch()

    def empty_disk(self) -> None:
        """Make room again."""
        folder = self.root / "tmp" / "ballast"
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@contextlib.contextmanager
def _until_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


class Lab:
    """`count` hosts on a network of the test's own, with one client key that all of them know."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.key = make_key(folder / "client_key")
        self.network = Network()
        self.hosts: list[Host] = []
        self._count = count

    def __enter__(self) -> Self:
        self.network.__enter__()
        try:
            self.hosts = [
                Host(self.network, number, self.folder / f"host-{number}", self.key)
                for number in range(1, self._count + 1)
            ]
            for host in self.hosts:
                host.connect()
            assert wait_until(lambda: all(host.is_listening() for host in self.hosts), within_s=60)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.network.__exit__(kind, value, at)
        for host in self.hosts:
            end(host._process)

    def run(self, argv: Sequence[str], *, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command that sees this network and, in all else, the machine as it is."""
        return subprocess.run(
            [*self.network.inside(), *argv],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
