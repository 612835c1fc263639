"""What the laboratory needs of the machine, and what of it is missing here.

I/O. `tests/lab/packages` installs the programs as root on Debian. Go on with `tests.lab.sshd`.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FAKETIME = tuple(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1" for machine in ("x86_64", "aarch64"))
PACKAGE_OF = {
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "cron": "cron",
    "crontab": "cron",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}


def program(name: str) -> str:
    """Return the absolute path of a program, also of one that only root has on its path; raise LookupError."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if not found:
        raise LookupError(name)
    return found


def libfaketime() -> str | None:
    """Return the library that makes a process see another clock, when it is here."""
    return next((path for path in FAKETIME if Path(path).exists()), None)


def _missing(programs: Iterable[str]) -> list[str]:
    return sorted({PACKAGE_OF[name] for name in programs if not shutil.which(name, path=SYSTEM_PATH)})


@functools.cache
def for_sshd() -> str:
    """Say what keeps a real sshd from being started here; empty when nothing does."""
    missing = _missing(("sshd", "ssh-keygen"))
    return f"needs {', '.join(missing)}" if missing else ""


@functools.cache
def for_lab() -> str:
    """Say what keeps hosts in namespaces and a real cron from being started here; empty when nothing does."""
    if os.geteuid() != 0:
        return "needs root"
    missing = _missing(PACKAGE_OF) + ([] if libfaketime() else ["libfaketime"])
    return f"needs {', '.join(missing)}" if missing else ""
