"""The doctor reads the sources of nodes as cron has them read."""

import os
from pathlib import Path

import pytest

from plabctl.app import source_check
from plabctl.app.context import open_app
from plabctl.app.diagnose import diagnose

LISTER = "#!/bin/sh\necho n1\necho n2\n"


def check(folder: Path, inventory: str) -> list[str]:
    config = folder / "plabctl.toml"
    config.write_text(f'state_dir = "state"\n[[inventory]]\nkind = "command"\n{inventory}\n')
    return [str(finding) for finding in source_check.check(open_app(str(config)).settings)]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found by the path of the user, and not by that of cron."""
    found = tmp_path / "bin/list-nodes"
    found.parent.mkdir()
    found.write_text(LISTER)
    found.chmod(0o755)
    monkeypatch.setenv("PATH", f"{found.parent}:{os.environ['PATH']}")
    return found


def test_a_source_that_can_be_read_is_well(tmp_path: Path, program: Path) -> None:
    assert check(tmp_path, f'command = ["{program}"]\nname = "lab"') == ["ok    inventory: 'lab' lists 2 nodes"]


def test_a_program_that_cron_does_not_find_is_told_and_can_be_helped(tmp_path: Path, program: Path) -> None:
    before = dict(os.environ)

    (said,) = check(tmp_path, 'command = ["list-nodes"]\nname = "lab"')
    assert said.startswith(
        "warn  inventory: 'lab' can be read here, and not with the environment of cron: list-nodes: cannot be run: "
    )
    assert said.endswith("; say what it needs in its `environment`, or in the crontab")
    assert dict(os.environ) == before

    helped = f'environment = {{ PATH = "{program.parent}:/usr/bin:/bin" }}'
    assert check(tmp_path, f'command = ["list-nodes"]\nname = "lab"\n{helped}') == [
        "ok    inventory: 'lab' lists 2 nodes"
    ]


def test_a_variable_that_cron_does_not_give_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "x")

    (said,) = check(tmp_path, 'command = ["sh", "-c", "echo ${LAB_TOKEN:?is needed}"]\nname = "lab"')

    assert said.startswith("warn  inventory: 'lab' can be read here, and not with the environment of cron: ")


def test_a_source_that_cannot_be_read_at_all_is_a_failure(tmp_path: Path) -> None:
    (said,) = check(tmp_path, 'command = ["false"]\nname = "lab"')

    assert said == "FAIL  inventory: false: exit code 1; correct it, then run: plabctl inventory sync"


def test_a_file_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "plabctl.toml").write_text('state_dir = "state"\n[[inventory]]\nkind = "file"\npath = "gone"\n')

    found = [finding.text for finding in diagnose(str(tmp_path / "plabctl.toml")) if "gone" in finding.text]

    assert found == [f"'{tmp_path}/gone' cannot be used: no such file or directory"]
