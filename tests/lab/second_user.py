"""A second user on this machine, and what such a one puts where we are about to write.

I/O, root: it becomes that user.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import requirements

SECOND_USER = 65533
KINDS = ("symlink", "dangling symlink", "hard link", "pipe", "directory")


def missing() -> str:
    """Return what keeps us from being somebody else here."""
    return requirements.for_root()


def run_as_second_user(argv: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as the second user."""
    return subprocess.run(
        argv,
        user=SECOND_USER,
        group=SECOND_USER,
        extra_groups=[],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


def as_user(uid: int, work: Callable[[], object]) -> str:
    """Do `work` as that user, in a child that has given up all else, and return what came of it or what it raised."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            said = str(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to see it
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@dataclass(frozen=True, slots=True)
class Trap:
    """A file that must not change, and one that must not come to be; `plant` puts ways to them where we write."""

    folder: Path

    def set(self) -> None:
        """Put the file there, and take away what was caught."""
        self._caught.unlink(missing_ok=True)
        self._victim.unlink(missing_ok=True)
        self._victim.write_bytes(b"precious\n")
        self._victim.chmod(0o644)
        os.utime(self._victim, (1_000_000_000, 1_000_000_000))

    def plant(self, kind: str, path: Path) -> None:
        """Put something of this kind where we write."""
        if kind == "symlink":
            path.symlink_to(self._victim)
        elif kind == "dangling symlink":
            path.symlink_to(self._caught)
        elif kind == "hard link":
            path.hardlink_to(self._victim)
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()

    def caught(self) -> str:
        """Return what went into the trap; empty when nothing did."""
        found = self._victim.stat()
        if self._caught.exists():
            return "a file was made where a link led to"
        if self._victim.read_bytes() != b"precious\n":
            return "a file was written to that has another name"
        return "" if (found.st_mode & 0o777, found.st_mtime) == (0o644, 1e9) else "a file's mode or time was changed"

    @property
    def _victim(self) -> Path:
        return self.folder / "victim"

    @property
    def _caught(self) -> Path:
        return self.folder / "caught"
