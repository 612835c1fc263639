"""SSH keys made for one test.

I/O. Go on with `tests.lab.sshd`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.lab.requirements import program


def make_key(path: Path, *, kind: str = "ed25519") -> Path:
    """Make a key pair at `path` and `path`.pub, over what was there; return `path`."""
    for old in (path, public(path)):
        old.unlink(missing_ok=True)
    argv = [program("ssh-keygen"), "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def public(path: Path) -> Path:
    """Return where the public half of the key at `path` is."""
    return path.with_name(path.name + ".pub")


def known_hosts_line(names: Iterable[str], port: int, key: Path) -> str:
    """Return the line of known_hosts that ties these names to the key at `key`."""
    shown = ",".join(name if port == 22 else f"[{name}]:{port}" for name in names)
    return f"{shown} {public(key).read_text().strip()}\n"
