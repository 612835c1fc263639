"""The lines by which the README installs plabctl, run on this Debian: into folders that only the test can see."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.lab.requirements import SYSTEM_PATH

ROOT = DOCS.parent
_PRIVATE = "mount -t tmpfs none /opt && mount -t tmpfs none /usr/local/bin"
"""In a mount namespace that ends with the shell: nothing is left on this machine."""


def read_install_lines() -> list[str]:
    found = re.search(r"^## Install\n.*?^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[1].splitlines()


def has_venv() -> bool:
    words = ["/usr/bin/python3", "-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"]
    try:
        return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


def test_the_first_line_brings_what_the_others_need() -> None:
    assert read_install_lines()[0] == "apt-get install --yes python3-venv"


@pytest.mark.lab
@pytest.mark.timeout(300)
@pytest.mark.skipif(not has_venv(), reason="needs Debian's python3, 3.11 or later, with python3-venv")
def test_the_lines_install_plabctl(tmp_path: Path) -> None:
    for name in ("plabctl", "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    script = "\n".join([f"set -e; {_PRIVATE}", *read_install_lines()[1:]])

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        | {"PATH": SYSTEM_PATH},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )

    if done.returncode and "Failed to establish a new connection" in done.stdout + done.stderr:
        pytest.skip("needs the package index that pip installs from")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"plabctl \d+\.\d+\.\d+\S*", done.stdout.splitlines()[-1])
