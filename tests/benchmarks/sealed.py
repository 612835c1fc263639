"""A place of its own for the benchmarks: as root, namespaces in which only loopback exists.

I/O. Nothing that is measured can leave the machine, and the account that the measured nodes log in to is gone with the
namespace. Without root, plain loopback and one's own account serve. Go on with `nodes`.
"""

import os
import subprocess
import sys
from pathlib import Path

INSIDE = "PLABCTL_BENCH_SEALED"
ACCOUNT = "plabnode"


def seal() -> None:
    """Run this program again inside fresh network and mount namespaces, unless it is there already or not root."""
    if os.geteuid() or os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-m", "tests.benchmarks"]
    os.execvp("unshare", ["unshare", "--net", "--mount", "--", *inside, *sys.argv[1:]])


def account(folder: Path) -> str:
    """Return the account to log in to: a plain one that exists in this mount namespace only, or one's own.

    A shell of its own keeps root's start-up files out of the figures.
    """
    if not os.environ.get(INSIDE):
        return Path.home().owner()
    # The whole directory: a mount over the file alone is gone as soon as anybody on the machine adds an account.
    copy = folder / "etc"
    subprocess.run(["cp", "-a", "/etc", str(copy)], check=True)
    with (copy / "passwd").open("a") as accounts:
        accounts.write(f"{ACCOUNT}:x:65533:65533::/:/bin/sh\n")
    subprocess.run(["mount", "--bind", str(copy), "/etc"], check=True)
    return ACCOUNT


def close_account() -> None:
    """Take back what `account` did to this namespace."""
    if os.environ.get(INSIDE):
        subprocess.run(["umount", "--lazy", "/etc"], check=True)
