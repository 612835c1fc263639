"""Servers that speak SSH and make whoever logs in pay for it: floods, bombs, drips, endless key exchanges.

I/O. `with Liars(folder) as liars` runs them in a process of its own, one port for each kind; `liars.port(kind)`. Each
kind stands in `tests.lab.attacks` with what it does and what plabctl has to say of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko

from plabctl.core.settings import SshSettings


class HostileServers:
    """One process with a server of each kind; `folder` takes the keys."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ports: dict[str, int] = {}
        self.user_key = folder / "user"
        self.host_key = folder / "host"
        self.known_hosts = folder / "known_hosts"
        for path in (self.user_key, self.host_key):
            paramiko.ECDSAKey.generate().write_private_key_file(str(path))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        argv = [sys.executable, "-m", "tests.lab.attacks", str(self.host_key)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.ports = json.loads(self._process.stdout.readline())
        key = paramiko.ECDSAKey.from_private_key_file(str(self.host_key))
        lines = [f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n" for port in self.ports.values()]
        self.known_hosts.write_text("".join(lines))
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        assert self._process
        self._process.kill()
        self._process.communicate()

    def settings(self, kind: str, **changes: object) -> SshSettings:
        """Return the settings by which the server of this kind is reached."""
        values: dict[str, object] = {
            "user": "any",
            "port": self.ports[kind],
            "key": str(self.user_key),
            "known_hosts": str(self.known_hosts),
            **changes,
        }
        return SshSettings(**values)  # type: ignore[arg-type]  # the values are those of the dictionary above
