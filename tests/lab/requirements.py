"""What the laboratory needs of the machine, and what of it is missing here.

I/O. `tests/lab/packages` installs the programs as root on Debian. Go on with `tests.lab.sshd`.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FAKETIME = tuple(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1" for machine in ("x86_64", "aarch64"))
_CAPABILITIES = {
    "chown": 0,
    "dac_override": 1,
    "fowner": 3,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "net_admin": 12,
    "sys_chroot": 18,
    "sys_ptrace": 19,
    "sys_admin": 21,
}
"""By name, the numbers of what the laboratory does as root, from linux/capability.h."""
PACKAGE_OF = {
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "cron": "cron",
    "crontab": "cron",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}

SLURM_PACKAGE_OF = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "scontrol": "slurm-client",
    "munged": "munge",
}


PROMETHEUS_PACKAGE_OF = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
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


def _missing(programs: Iterable[str], packages: Mapping[str, str] = PACKAGE_OF) -> list[str]:
    return sorted({packages[name] for name in programs if not shutil.which(name, path=SYSTEM_PATH)})


@functools.cache
def for_sshd() -> str:
    """Return what keeps a real sshd from being started here; empty when nothing does."""
    if missing := _missing(("sshd", "ssh-keygen")):
        return f"needs {', '.join(missing)}"
    return for_root() if os.geteuid() == 0 else ""  # it becomes another user for whoever logs in


@functools.cache
def for_root() -> str:
    """Return what prevents giving files away, acting as other users and the like; empty when nothing does.

    In a container root may lack what makes it root.
    """
    if os.geteuid() != 0:
        return "needs root"
    status = Path("/proc/self/status").read_text()
    held = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    missing = [name for name, number in _CAPABILITIES.items() if not held >> number & 1]
    return f"needs root with capabilities that are missing here: {', '.join(missing)}" if missing else ""


@functools.cache
def for_lab() -> str:
    """Return what keeps hosts in namespaces and a real cron from being started here; empty when nothing does."""
    if reason := for_root():
        return reason
    missing = _missing(PACKAGE_OF) + ([] if libfaketime() else ["libfaketime"])
    return f"needs {', '.join(missing)}" if missing else ""


@functools.cache
def for_slurm() -> str:
    """Return what keeps a real Slurm cluster from being started here; empty when nothing does."""
    if reason := for_root():
        return reason
    missing = _missing(SLURM_PACKAGE_OF, SLURM_PACKAGE_OF)
    return f"needs {', '.join(missing)}" if missing else ""


@functools.cache
def for_prometheus() -> str:
    """Return what keeps a real Prometheus from being started here; empty when nothing does."""
    missing = _missing(PROMETHEUS_PACKAGE_OF, PROMETHEUS_PACKAGE_OF)
    return f"needs {', '.join(missing)}" if missing else ""


@functools.cache
def for_chromium() -> str:
    """Return what keeps a real browser from being started here; empty when nothing does."""
    return "" if shutil.which("chromium", path=SYSTEM_PATH) else "needs chromium"
