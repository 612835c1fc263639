"""`plabctl` as it is, but for a note before and after each commit: `python -m tests.torture.notes NOTES ID ARGS...`.

I/O. Whoever dies between the two notes may or may not have committed. The first note is made under the lock of the
state, so the notes stand in the order of the commits. Go on with `tests.torture.kills`.
"""

from __future__ import annotations

import json
import os
import sys


def main(notes: str, who: str, argv: list[str]) -> int:
    """Run plabctl and return its exit code."""
    from plabctl.cli.entry import main as plabctl
    from plabctl.store import commit, storage

    real = commit.replace_state
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def noted(state_dir: str, dir_fd: int, *parts: bytes | memoryview, keep_previous: bool = True) -> None:
        line = bytes(parts[0])
        rev = json.loads(line.rstrip(b",\n") + b"}")["plabctl"]["rev"]
        os.write(descriptor, f"about {who} {rev}\n".encode())
        real(state_dir, dir_fd, *parts, keep_previous=keep_previous)
        os.write(descriptor, f"made {who} {rev}\n".encode())

    storage.replace_state = noted  # type: ignore[attr-defined]
    sys.argv = ["plabctl", *argv]
    return plabctl()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
