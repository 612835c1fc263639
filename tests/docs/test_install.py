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
_PRIVATE = "for each in /opt /usr/local/bin /usr/local/share; do mount -t tmpfs none $each; done"
"""In a mount namespace that ends with the shell: nothing is left on this machine."""
_DESKTOP = "env HOME=/opt XDG_DATA_DIRS=/usr/local/share:/usr/share"
"""fish looks for files of others nowhere but at /usr/share unless this says so, as it does on a desktop."""
_LOAD = 'while [ "$1" != -F ]; do shift; done; $2 plabctl || true'
"""Call what bash calls at a TAB behind a command that it knows nothing of yet; its name differs by version."""
_BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
_QUESTIONS = {
    "/usr/bin/man": ("man -w plabctl plabctl-status plabctl.toml", ["plabctl.1", "plabctl-status.1", "plabctl.toml.5"]),
    "/usr/bin/zsh": ("zsh -f -c 'autoload -Uz compinit; compinit -u -D; print $_comps[plabctl]'", ["_plabctl"]),
    "/usr/bin/fish": (f"{_DESKTOP} fish -c 'complete -C \"plabctl stat\"' | cut -f 1", ["stats", "status"]),
    _BASH_COMPLETION: (
        f"bash --norc -c '. {_BASH_COMPLETION}; set -- $(complete -p -D); {_LOAD}; complete -p plabctl'",
        ["complete -o nosort -F _plabctl_completion plabctl"],
    ),
}
"""By what has to be there: how it is asked for what it has found of plabctl, and what it answers."""


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
@pytest.mark.timeout(600)
@pytest.mark.skipif(not has_venv(), reason="needs Debian's python3, 3.11 or later, with python3-venv")
def test_the_lines_install_plabctl(tmp_path: Path) -> None:
    for name in ("plabctl", "docs/man", "docs/completion", "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    asked = {words: answer for path, (words, answer) in _QUESTIONS.items() if Path(path).exists()}
    script = "\n".join([f"set -e; {_PRIVATE}", *read_install_lines()[1:], "echo; echo asked:", *asked])

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        | {"PATH": SYSTEM_PATH, "PIP_COMPILE": "0"},  # every module of every library: Python does what it needs itself
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )

    if done.returncode and "Failed to establish a new connection" in done.stdout + done.stderr:
        pytest.skip("needs the package index that pip installs from")
    assert done.returncode == 0, done.stdout + done.stderr
    before, _, answers = done.stdout.partition("\nasked:\n")
    assert re.fullmatch(r"plabctl \d+\.\d+\.\d+\S*", before.splitlines()[-1])
    lines = [line.rpartition("/")[2] if line.startswith("/") else line for line in answers.splitlines()]
    assert lines == [line for answer in asked.values() for line in answer]
