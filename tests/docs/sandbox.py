"""A machine to try the pages on: three nodes with the names that they use, and a home and a crontab to spoil.

I/O, root. Each command gets a terminal of 80 columns, as a reader has one, and sees nothing of the machine's own
crontab, state or keys. Go on with `test_readme`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.hosts import Host, Lab
from tests.lab.network import end, innermost, read_ready, spawn
from tests.lab.requirements import SYSTEM_PATH, program

NAMES = ("pc1.example.org", "pc2.example.org", "pc3.example.org")
QUESTION = b"[y/N]: "
_COLUMNS, _ROWS = 100, 24
_PATIENCE_S = 60.0
# ssh-copy-id finds a way in that is there already, as it is for whoever administers the nodes: a key in an agent.
_KEEPER = """
folder=$1
mount --bind "$folder/hosts" /etc/hosts
mount --bind "$folder/ssh_config" /etc/ssh/ssh_config
mount -t tmpfs stage /var/lib
mount -t tmpfs stage /var/spool
mkdir -p /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
chmod 1730 /var/spool/cron/crontabs
eval "$("$2" -a "$folder/agent")" >/dev/null
"$3" -q "$4"
echo ready
exec cat >/dev/null
"""


class Sandbox:
    """Where the commands of a page run: in `folder`/home, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self._lab = Lab(folder / "lab", len(NAMES))
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        self._lab.__enter__()
        try:
            self._set_up()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._keeper:
            end(self._keeper)
        self._lab.__exit__(kind, value, at)

    @property
    def hosts(self) -> dict[str, Host]:
        """The nodes, by name."""
        return dict(zip(NAMES, self._lab.hosts, strict=True))

    def run(self, command: str) -> tuple[int, str]:
        """Type a command, with a yes to every question; return its exit code and what the terminal showed."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        enter = [program("nsenter"), "--target", str(self._pid), "--net", "--mount", "--pid", "--"]
        argv = [*enter, "sh", "-c", 'cd "$0" && eval "$1"', str(self.home), command]
        with subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, env=self._environ(), start_new_session=True
        ) as process:
            os.close(theirs)
            watch = threading.Timer(_PATIENCE_S, process.kill)
            watch.start()
            try:
                shown = _converse(ours)
            finally:
                process.wait()
                watch.cancel()
                os.close(ours)
        return process.returncode, shown

    def _environ(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
            "HOME": str(self.home),
            "USER": "root",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PAGER": "cat",
            "NO_COLOR": "1",
            "SSH_AUTH_SOCK": str(self.folder / "agent"),
        }

    def _set_up(self) -> None:
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        lines = [f"{host.address} {name}\n" for name, host in self.hosts.items()]
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{''.join(lines)}")
        known = self.folder / "their_known_hosts"
        (self.folder / "ssh_config").write_text(f"StrictHostKeyChecking accept-new\nUserKnownHostsFile {known}\n")
        for host in self._lab.hosts:
            config = host.folder / "sshd_config"
            keys = "AuthorizedKeysFile /mnt/authorized_keys"
            config.write_text(config.read_text().replace(keys, f"{keys} .ssh/authorized_keys"))
            host.change_host_key()  # which also lets it read its configuration again
        programs = [program("ssh-agent"), program("ssh-add"), str(self._lab.key)]
        shell = ["--mount", "--fork", "--kill-child", "sh", "-ec", _KEEPER, "sh", str(self.folder), *programs]
        self._keeper = spawn([*self._lab.network.within(), program("unshare"), *shell])
        read_ready(self._keeper)
        self._pid = innermost(self._keeper.pid, 2)


def _converse(terminal: int) -> str:
    shown = b""
    # The kernel says EIO when nobody has the other end any more.
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            shown += piece
            if shown.endswith(QUESTION):
                os.write(terminal, b"y\n")
    return shown.decode(errors="replace").replace("\r\n", "\n")
