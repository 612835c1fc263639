"""A node for recipes that need a machine of their own: its own network, mounts, processes and places for containers.

I/O, root. What is set up in it is seen by nobody outside and ends with it. It is reached on a port of our own loopback:
each connection gets an sshd in there. Hosts on a common network: `tests.lab.hosts`.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from plabctl.core.settings import SshSettings
from tests.lab.network import end, innermost, read_ready, spawn
from tests.lab.requirements import program
from tests.lab.ssh_keys import known_hosts_line, make_key, public
from tests.lab.sshd import config_text

# Its control groups are version 2 alone, as on any machine of today: podman's crun refuses a mixture.
_NODE = """
mount --make-rprivate /
mount --bind "$1" /mnt
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/sshd /run/lock /run/bin /var/lib/containers
mount -t tmpfs containers /var/lib/containers
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
echo ready
exec perl -e '$SIG{CHLD} = "IGNORE"; 1 while <STDIN>' >/dev/null
"""
# What a container needs to run a shell, of this machine's own files; and podman where docker is looked for.
_ROOM = """
room=/tmp/room
mkdir -p $room/bin $room/tmp $room/usr $room/etc $room/proc $room/sys $room/dev $room/run
cp -L /bin/sh /bin/sleep $room/bin/
for file in $(ldd /bin/sh /bin/sleep | grep -o '/[^ )]*' | grep -v ':$' | sort -u); do
    mkdir -p "$room${file%/*}"; cp -L "$file" "$room$file"
done
printf '#!/bin/sh\nexec podman "$@"\n' >/run/bin/docker
chmod 755 /run/bin/docker
"""
_LIMITS = "--ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 --cgroups=disabled"
"""Where plabctl's tests run, nobody may be allowed to raise a limit or to make a control group."""


class ContainerNode:
    """One such node; `ssh` says how it is reached, `variables` which of a node's variables it wants."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.variables = {"ssh_host": "127.0.0.1", "podman_options": _LIMITS, "docker_options": _LIMITS}
        self._key = make_key(folder / "client_key")
        self._host_key = make_key(folder / "host_key")
        (folder / "authorized_keys").write_bytes(public(self._key).read_bytes())
        path = "SetEnv PATH=/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        # The first line of its kind wins; ours is in place of the one that only sets SHLVL.
        (folder / "sshd_config").write_text(config_text(Path("/mnt"), "127.0.0.1", 22, [f"{path} SHLVL=2"]))
        self._servers: list[subprocess.Popen[bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        (folder / "known_hosts").write_text(known_hosts_line(["127.0.0.1"], self.port, self._host_key) + "\n")
        self.ssh = SshSettings("root", self.port, str(self._key), str(folder / "known_hosts"), connect_timeout_s=30.0)

    def __enter__(self) -> Self:
        flags = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._process = spawn([program("unshare"), *flags, "sh", "-ec", _NODE, "sh", str(self.folder)])
        read_ready(self._process)
        self.pid = innermost(self._process.pid, 1)
        threading.Thread(target=self._serve, daemon=True).start()
        self.run(_ROOM)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()
        end(self._process)

    def within(self) -> list[str]:
        """Return what to put before a command that is to run on the node."""
        spaces = ["--net", "--mount", "--uts", "--ipc", "--pid"]
        return [program("nsenter"), "--target", str(self.pid), *spaces, "--"]

    def run(self, text: str, *, timeout_s: float = 60.0) -> str:
        """Run shell code on the node, as root and not over SSH, and return what it printed."""
        done = subprocess.run(
            [*self.within(), "sh", "-c", text], check=False, capture_output=True, text=True, timeout=timeout_s
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def await_logouts(self, within_s: float = 20.0) -> None:
        """Wait until each sshd has ended, as it does a moment after its client; raise TimeoutExpired."""
        while self._servers:
            self._servers.pop().wait(within_s)

    def _serve(self) -> None:
        argv = [*self.within(), program("sshd"), "-i", "-f", "/mnt/sshd_config", "-E", "/mnt/log"]
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                sock, _ = self._listener.accept()
                with sock:
                    stream = sock.fileno()
                    server = subprocess.Popen(argv, stdin=stream, stdout=stream, stderr=subprocess.DEVNULL)
                self._servers.append(server)
                threading.Thread(target=server.wait, daemon=True).start()


def sweep_control_groups() -> None:
    """Remove the empty groups that systemd-nspawn leaves at the top of the tree where no systemd made one for it."""
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
        for name in ("payload", "supervisor"):
            with contextlib.suppress(OSError):  # it is not there, or somebody's
                Path(top, name).rmdir()
