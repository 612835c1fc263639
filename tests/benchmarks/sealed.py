"""A place of its own for the benchmarks: as root, namespaces in which only loopback exists.

I/O. Nothing that is measured can leave the machine, and the account that the measured nodes log in to is gone with the
namespace. Without root, plain loopback and one's own account serve. Go on with `nodes`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def own_account(folder: Path) -> Iterator[None]:
    """Have the account to log in to for the block: a plain one that exists in this mount namespace only.

    A shell of its own keeps root's start-up files out of the figures. Without a namespace nothing is done.
    """
    if not os.environ.get(INSIDE):
        yield
        return
    # The whole directory: a mount over the file alone is gone as soon as anybody on the machine adds an account.
    copy = folder / "etc"
    subprocess.run(["cp", "-a", "/etc", str(copy)], check=True)
    with (copy / "passwd").open("a") as accounts:
        accounts.write(f"{ACCOUNT}:x:65533:65533::/:/bin/sh\n")
    subprocess.run(["mount", "--bind", str(copy), "/etc"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", "/etc"], check=True)


def account() -> str:
    """Return the account to log in to: that of `own_account`, or one's own."""
    return ACCOUNT if os.environ.get(INSIDE) else Path.home().owner()
