"""Packages with plug-ins, put where a Python that looks there finds them.

I/O. `install` is what a user does, by pip; `place` writes down what pip would leave of a package that is made up.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "example"


def install(source: Path, room: Path) -> Path:
    """Install the package at `source` into a folder of its own in `room` by pip, and return the folder."""
    copy, folder = room / "source", room / "site"
    shutil.copytree(source, copy)  # building leaves traces
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    done = subprocess.run(
        [*argv, "--target", str(folder), str(copy)], check=False, capture_output=True, text=True, timeout=100
    )
    if done.returncode:
        pytest.skip(f"pip cannot install a package here: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def place(folder: Path, module: str, text: str, points: Mapping[str, str]) -> Path:
    """Put a module with the entry points `points` (`GROUP NAME` to the object's name) into `folder`; return that."""
    info = folder / f"{module}-1.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    lines = []
    for point, value in points.items():
        group, name = point.split()
        lines += [f"[{group}]", f"{name} = {module}:{value}"]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder
