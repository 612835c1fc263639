"""Make a key for plabctl alone, with which it logs in to the nodes.

I/O: runs ssh-keygen(1).
Tests: `tests/cli/test_init.py`.
"""

from __future__ import annotations

from pathlib import Path

from plabctl import process
from plabctl.errors import PlabctlError

NAME = "id_ed25519"
_TIMEOUT_S = 60.0
_KEPT_BYTES = 4096


def make_key(directory: str) -> bool:
    """Make a key without a passphrase in `directory`; return whether it is new: one that is there already stays.

    Raise PlabctlError when it cannot be made.
    """
    path = Path(directory, NAME)
    if path.exists():
        return False
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "plabctl", "-f", str(path)]
    done = process.run(argv, timeout_s=_TIMEOUT_S, keep_bytes=_KEPT_BYTES, flood_bytes=_KEPT_BYTES)
    if done.fault or done.exit_code:
        said = (done.errors or done.output).decode("utf-8", "replace").strip().rpartition("\n")[2]
        why = f"ssh-keygen {done.fault or said or f'ended with {done.exit_code}'}"
        raise PlabctlError(f"no key could be made: {why}", hint="make one, and set ssh.key to its path")
    return True
