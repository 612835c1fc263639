"""A small node as routers and boards are: busybox for a userland and dropbear for an sshd, in a root of its own.

I/O, root. Nothing else is on the node: what a recipe finds there is busybox's. Its processes have a namespace of their
own and end with the server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from plabctl.core.settings import SshSettings
from tests.lab.requirements import SYSTEM_PATH, program
from tests.lab.ssh_keys import make_key, public
from tests.lab.sshd import children, descendants, free_port

KINDS = ("ed25519", "ecdsa", "rsa")
_PATIENCE_S = 20.0
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin", "etc", "dev", "proc", "root/.ssh", "tmp", "var/tmp")


def missing() -> str:
    """Return what is not installed of that which such a node is made of; empty when all is there."""
    names = {"dropbear": "dropbear-bin", "dropbearkey": "dropbear-bin", "busybox": "busybox-static"}
    absent = sorted({package for name, package in names.items() if not shutil.which(name, path=SYSTEM_PATH)})
    return f"needs {', '.join(absent)}" if absent else ""


class SmallNode:
    """One such node. `root` is its root directory, in which the test may look about; root logs in."""

    def __init__(self, folder: Path, kinds: Sequence[str] = KINDS) -> None:
        self.root = folder / "root"
        self.key = make_key(folder / "user")
        self.known_hosts = folder / "known_hosts"
        self.port = 0
        self._log = folder / "log"
        self._server: subprocess.Popen[bytes] | None = None
        self._fill()
        self.host_lines = {kind: self._make_host_key(kind) for kind in kinds}

    def _fill(self) -> None:
        for name in _FOLDERS:
            (self.root / name).mkdir(parents=True)
        for name, (major, minor) in _DEVICES.items():
            os.mknod(self.root / "dev" / name, 0o020666, os.makedev(major, minor))
            (self.root / "dev" / name).chmod(0o666)
        for source in (program("busybox"), program("dropbear")):
            self._copy_program(Path(source))
        busybox = f"/bin/{Path(program('busybox')).name}"
        subprocess.run(["chroot", self.root, busybox, "--install", "-s"], check=True, timeout=20)
        (self.root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (self.root / "etc/group").write_text("root:x:0:\n")
        (self.root / "root/.ssh/authorized_keys").write_bytes(public(self.key).read_bytes())
        for name, mode in {"root": 0o700, "root/.ssh": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}.items():
            (self.root / name).chmod(mode)

    def _copy_program(self, source: Path) -> None:
        shutil.copy(source, self.root / "bin")
        listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=False, timeout=20).stdout
        for library in (Path(word) for word in listed.split() if word.startswith("/")):
            target = self.root / library.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)

    def _make_host_key(self, kind: str) -> str:
        path = self.root / "etc" / f"host_{kind}"
        done = subprocess.run(
            [program("dropbearkey"), "-t", kind, "-f", path], capture_output=True, text=True, check=True, timeout=60
        )
        return next(line for line in done.stdout.splitlines() if line.startswith(("ssh-", "ecdsa-")))

    def start(self, *options: str) -> Self:
        """Start dropbear with these options, and wait until it listens."""
        self.stop()
        self.port = free_port()
        keys = [word for kind in self.host_lines for word in ("-r", f"/etc/host_{kind}")]
        inside = ["--mount", "--pid", "--fork", "--kill-child", f"--root={self.root}", "--mount-proc"]
        words = ["/bin/dropbear", "-F", "-E", "-s", "-p", f"127.0.0.1:{self.port}", *keys, *options]
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                [program("unshare"), *inside, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/bin:/usr/bin:/sbin:/usr/sbin"},
            )
        self.know(next(iter(self.host_lines)))
        deadline = time.monotonic() + _PATIENCE_S
        while b"Not backgrounding" not in self._log.read_bytes():
            assert self._server.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.01)
        return self

    def know(self, kind: str) -> None:
        """Let its host key of this kind be the one that is known."""
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self.host_lines[kind]}\n")

    def settings(self, **changes: object) -> SshSettings:
        """Return how it is reached."""
        values = {"user": "root", "port": self.port, "key": str(self.key), "known_hosts": str(self.known_hosts)}
        return SshSettings(**{**values, "connect_timeout_s": 10.0, **changes})  # type: ignore[arg-type]  # as above

    def running(self) -> list[str]:
        """Return the command lines of what runs there beside the server and its sessions."""
        found = []
        for pid in descendants(self._init()):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
                if words and words[0] != b"/bin/dropbear":
                    found.append(b" ".join(words).decode(errors="replace"))
        return found

    def cut_sessions(self) -> None:
        """Kill what serves the connections; what these run goes on."""
        for pid in children(self._init()):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/bin/dropbear\0"):
                    os.kill(pid, 9)

    def _init(self) -> int:
        assert self._server, "not started"
        (server,) = children(self._server.pid)
        return server

    def stop(self) -> None:
        """End the server and all that runs there."""
        if self._server:
            self._server.kill()
            self._server.wait()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
