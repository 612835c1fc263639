"""A folder for programs that a test writes and runs: where TMPDIR is mounted noexec, nothing in `tmp_path` can be run.

I/O. The fixture `programs` of tests/conftest.py hands one out.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PLACES = (None, "/var/tmp", "/dev/shm", "/run")  # None: where temporary files go


@contextmanager
def executable_folder() -> Iterator[Path]:
    """Make a folder in which programs can be run, and remove it afterwards; skip the test where there is none."""
    for place in _PLACES:
        try:
            made = tempfile.TemporaryDirectory(prefix="plabctl-programs-", dir=place)
        except OSError:
            continue
        with made as name:
            if _can_run_in(Path(name)):
                yield Path(name)
                return
    pytest.skip("all folders for temporary files are mounted noexec")


def _can_run_in(folder: Path) -> bool:
    trial = folder / "trial"
    trial.write_text("#!/bin/sh\n")
    trial.chmod(0o755)
    try:
        subprocess.run([trial], check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    trial.unlink()
    return True
