"""The folder of the demo: made for it alone, and removed at its end.

I/O. What is run stands in it, so nobody else may be able to change it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from plabctl.errors import Refused, Untrusted
from plabctl.files.trusted import open_trusted

_PREFIX = "plabctl-demo-"


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """An empty directory that only we can read; `was_there` says that it is not ours to remove, only what is in it."""

    path: Path
    was_there: bool = False

    def remove(self, but: str = "") -> bool:
        """Remove it with all that is in it, `but` for an entry of that name; return whether nothing else is left."""
        if not self.was_there and not but:
            shutil.rmtree(self.path, ignore_errors=True)
            return not self.path.exists()
        for entry in self._list_others(but):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        return not self._list_others(but)

    def _list_others(self, name: str) -> list[Path]:
        return [entry for entry in self.path.iterdir() if entry.name != name]


def prepare_folder(directory: Path | None) -> DemoFolder:
    """Return this directory, or a fresh one under the directory for temporary files.

    Raise Refused when it holds something or others could change it, OSError when it cannot be made.
    """
    if directory is None:
        return DemoFolder(Path(tempfile.mkdtemp(prefix=_PREFIX)))
    directory = directory.absolute()
    was_there = directory.exists()
    directory = _make_trusted(directory)
    if any(directory.iterdir()):
        raise Refused(
            f"'{directory}' is not empty", hint="name a directory that does not exist yet, or leave --dir out"
        )
    return DemoFolder(directory, was_there)


def _make_trusted(directory: Path) -> Path:
    """Return where `directory` really is, made if it is missing; raise Refused when others could change it."""
    try:
        try:
            opened = open_trusted(str(directory))
        except FileNotFoundError:  # what there is of the way was found to be trusted
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = open_trusted(str(directory))
    except Untrusted as error:
        raise Refused(f"'{directory}' is not used: {error}", hint="name a directory of your own with --dir") from error
    os.close(opened.fd)
    return Path(opened.path)
