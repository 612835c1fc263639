"""`plabctl` as it is, but for a note before and after each commit: `python -m tests.torture.notes NOTES ID ARGS...`.

I/O. Whoever dies between the two notes may or may not have committed. The first note is made under the lock of the
state, so the notes stand in the order of the commits. Go on with `tests.torture.kills`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plabctl.store.head import Head

_LEAST_BYTES, _LARGEST_SHARE = 1024, 0.1


def main(notes: str, who: str, argv: list[str]) -> int:
    """Run plabctl and return its exit code."""
    from plabctl.cli.entry import main as plabctl
    from plabctl.store import storage

    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    real = storage.StagedStorage.commit

    def noted(self: storage.StagedStorage, now: float) -> Head:
        rev = self.rev + 1
        os.write(descriptor, f"about {who} {rev}\n".encode())
        head = real(self, now)
        os.write(descriptor, f"made {who} {rev}\n".encode())
        return head

    storage.StagedStorage.commit = noted  # type: ignore[method-assign]
    # So small a state would rarely be folded.
    storage._LEAST_BYTES, storage._LARGEST_SHARE = _LEAST_BYTES, _LARGEST_SHARE
    sys.argv = ["plabctl", *argv]
    return plabctl()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
