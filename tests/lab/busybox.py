"""The tools of a small node: each a name for busybox."""

import shutil
import subprocess
from pathlib import Path


def make_busybox(folder: Path) -> Path:
    """Fill the new `folder` with links to busybox, one for each of its tools, and return it."""
    program = shutil.which("busybox")
    assert program, "busybox is missing; tests/lab/packages installs it"
    folder.mkdir()
    subprocess.run([program, "--install", "-s", folder], check=True, timeout=20)
    return folder
